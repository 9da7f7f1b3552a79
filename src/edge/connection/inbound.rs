//! What tungstenite reads from: the link, without a buffer per connection.
//!
//! tungstenite's own read buffer is kept at nothing, so it asks for fourteen bytes at a time; each ask is served from what one `recv` into
//! the core's scratch brought. What it writes (pongs, answers to a close) is always taken whole, so that no frame is ever cut.

use std::{
    cell::RefCell,
    future::Future as _,
    io::{self, Read, Write},
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};

use super::inflating::Inflating;
use crate::edge::socket::Link;

/// One `recv` brings at most this much.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A link as `Read + Write`, for the length of one poll.
pub(super) struct Inbound<'a, 'b> {
    pub link: &'a Link,
    /// What was received and not yet read; empty at rest.
    pub unread: &'a mut Bytes,
    /// Through which it goes first, where the client may compress.
    pub inflating: Option<&'a mut Inflating>,
    /// How often the socket may still be asked in this poll. A client that answers faster than we read would otherwise keep the core to itself.
    pub asks: &'a mut u8,
    pub cx: &'a mut Context<'b>,
}

impl Read for Inbound<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            if let Some(inflating) = &mut self.inflating
                && let Some(bytes) = inflating.next().map_err(io::Error::other)?
            {
                *self.unread = bytes;
                break;
            }
            let Some(left) = self.asks.checked_sub(1) else {
                yield_to_others(self.cx);
                return Err(io::ErrorKind::WouldBlock.into());
            };
            *self.asks = left;
            let received = SCRATCH.with_borrow_mut(|scratch| match self.link.poll_read(self.cx, scratch) {
                Poll::Pending => Err(io::Error::from(io::ErrorKind::WouldBlock)),
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(length)) => Ok(Bytes::copy_from_slice(&scratch[..length])),
            })?;
            if received.is_empty() {
                return Ok(0);
            }
            match &mut self.inflating {
                Some(inflating) => inflating.take(&received),
                None => *self.unread = received,
            }
        }
        let length = buffer.len().min(self.unread.len());
        self.unread.copy_to_slice(&mut buffer[..length]);
        if self.unread.is_empty() {
            *self.unread = Bytes::new();
        }
        Ok(length)
    }
}

impl Write for Inbound<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.link.send(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Comes back after everybody else, other threads' hand-overs included: waking oneself would come first again.
pub(super) fn yield_to_others(cx: &mut Context<'_>) {
    let pending = std::pin::pin!(tokio::task::yield_now()).as_mut().poll(cx);
    debug_assert!(pending.is_pending(), "the first poll of a yield only asks to be called again");
}

/// Reads and forgets, until the peer has nothing more to say. Ready at the end.
pub(super) fn poll_discard(link: &Link, cx: &mut Context<'_>) -> Poll<()> {
    // Bounded: a peer that goes on sending must not keep the core.
    for _ in 0..16 {
        let read = SCRATCH.with_borrow_mut(|scratch| link.poll_read(cx, scratch));
        match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(_)) => {}
        }
    }
    yield_to_others(cx);
    Poll::Pending
}
