//! Plain TCP or TLS, behind shared references: one thread, several users, never at once.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What TLS looks like from here.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// The bytes' way out.
pub(crate) enum Wire {
    /// May be written to straight from the hot table.
    Plain(TcpStream),
    /// Only its own task writes: rustls may hold a record back, and must then be flushed by whoever is woken for it.
    Sealed(RefCell<Box<dyn Duplex>>),
    /// Nothing is written: what waits in the outbox is fetched by the body of a response.
    Fetched,
}

impl Wire {
    pub(super) fn plain(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Sealed(_) | Self::Fetched => None,
        }
    }
    /// Writes what can be written at once; `WouldBlock` for TLS, always.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Sealed(_) | Self::Fetched => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return Poll::Ready(other),
                }
            },
            Self::Sealed(stream) => Pin::new(&mut **stream.borrow_mut()).poll_write(cx, bytes),
            Self::Fetched => Poll::Pending,
        }
    }
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) | Self::Fetched => Poll::Ready(Ok(())),
            Self::Sealed(stream) => Pin::new(&mut **stream.borrow_mut()).poll_flush(cx),
        }
    }
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => {
                Poll::Ready(rustix::net::shutdown(stream, rustix::net::Shutdown::Write).map_err(io::Error::from))
            }
            Self::Sealed(stream) => Pin::new(&mut **stream.borrow_mut()).poll_shutdown(cx),
            Self::Fetched => Poll::Ready(Ok(())),
        }
    }
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => return Poll::Ready(other),
                }
            },
            Self::Sealed(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut **stream.borrow_mut()).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Self::Fetched => Poll::Pending,
        }
    }
}
