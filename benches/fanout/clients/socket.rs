//! One client's connection, plain or TLS, and the counting of what comes.

use std::{net::Ipv4Addr, os::fd::AsFd as _, path::Path, sync::Arc, time::Instant};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::sync::atomic::Ordering::Relaxed;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::Seen;
use crate::server::IDENTIFIER;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only connects: for the bare loop.
    Floor,
    /// Subscribes, behind its handshake.
    Cable,
    /// The same under TLS.
    Sealed,
    /// The same, offering to compress.
    Deflating,
    /// Subscribes to another topic and notes how long it hears nothing.
    Present,
    /// Subscribes and never reads again.
    Deaf,
}

impl Kind {
    pub fn read(name: &str) -> Self {
        match name {
            "floor" => Self::Floor,
            "cable" => Self::Cable,
            "sealed" => Self::Sealed,
            "deflating" => Self::Deflating,
            "present" => Self::Present,
            "deaf" => Self::Deaf,
            other => panic!("no clients are called {other}"),
        }
    }
}

/// Where the server is, and by which certificate it is known.
pub struct Address {
    pub server: std::net::SocketAddr,
    tls: Option<TlsConnector>,
}

impl Address {
    /// `ADDRESS` or `ADDRESS,FOLDER`.
    pub fn read(text: &str) -> Self {
        let (server, folder) = text.split_once(',').map_or((text, None), |(server, folder)| (server, Some(folder)));
        Self { server: server.parse().expect("an address"), tls: folder.map(|folder| connector(Path::new(folder))) }
    }
    /// Connects from one of four addresses of this machine: one has not ports enough for everybody.
    pub async fn connect(&self, at: usize) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::new(127, 0, 0, 2 + (at % 4) as u8), 0).into()).expect("bound");
        let stream = socket.connect(self.server).await.expect("connected");
        // Reset at the end: ports that wait would be missing in the next session.
        rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(std::time::Duration::ZERO)).expect("set");
        stream
    }
}

fn connector(folder: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificate = std::fs::read(folder.join("certificate.pem")).expect("a certificate");
    roots.add(CertificateDer::from_pem_slice(&certificate).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(client.with_root_certificates(roots).with_no_client_auth()).into()
}

pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub struct Socket(Box<dyn Duplex>);

/// A request for a cable, with more header lines.
pub fn handshake(more: &str) -> String {
    format!(
        "GET /cable HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A text frame under a mask that changes nothing.
pub fn frame(text: &str) -> Vec<u8> {
    let mut out = vec![0x81];
    if text.len() < 126 {
        out.push(0x80 | text.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
    out
}

impl Socket {
    pub async fn open(kind: Kind, address: Arc<Address>, at: usize) -> Self {
        let stream = address.connect(at).await;
        let mut socket: Box<dyn Duplex> = match &address.tls {
            Some(tls) => {
                stream.set_nodelay(true).expect("set");
                Box::new(tls.connect(ServerName::try_from("localhost").expect("a name"), stream).await.expect("a handshake"))
            }
            None => Box::new(stream),
        };
        if kind == Kind::Floor {
            return Self(socket);
        }
        let more = if kind == Kind::Deflating { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
        let identifier = if kind == Kind::Present { r#"{\"channel\":\"Bench\",\"present\":1}"# } else { IDENTIFIER };
        let mut said = handshake(more).into_bytes();
        said.extend_from_slice(&frame(&format!(r#"{{"command":"subscribe","identifier":"{identifier}"}}"#)));
        socket.write_all(&said).await.expect("sent");
        let mut heard = Vec::new();
        // A ping may stand behind it.
        while memchr::memmem::find(&heard, b"\"type\":\"confirm_subscription\"}").is_none() {
            assert!(socket.read_buf(&mut heard).await.expect("read") > 0, "{}", String::from_utf8_lossy(&heard));
        }
        Self(socket)
    }
    /// Counts what comes, until it is stopped.
    pub async fn listen(mut self, kind: Kind, seen: Arc<Seen>) {
        if kind == Kind::Deaf {
            return std::future::pending().await;
        }
        let mut buffer = [0; 4096];
        let (mut told, mut pinged) = (Instant::now(), Instant::now());
        while let Ok(length @ 1..) = self.0.read(&mut buffer).await {
            seen.received.fetch_add(length as u64, Relaxed);
            if kind == Kind::Present {
                // One frame at a time is said here, and far apart.
                let ping = buffer[..length].windows(13).any(|some| *some == br#"{"type":"ping"#[..13]);
                let (last, silence) = if ping { (&mut pinged, &seen.ping_silence) } else { (&mut told, &seen.silence) };
                silence.fetch_max(last.elapsed().as_micros() as u64, Relaxed);
                *last = Instant::now();
            }
        }
    }
}
