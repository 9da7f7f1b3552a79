//! Clients that come back all at once and check that they are told what they missed: each message once, in order, and nothing else.

use std::sync::atomic::Ordering::Relaxed;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Seen,
    socket::{Address, frame, handshake},
};
use crate::server::{IDENTIFIER, row};

/// What they missed.
pub struct Missed {
    ask: Vec<u8>,
    /// How each message's frame begins.
    told: Vec<String>,
}

impl Missed {
    pub fn new(epoch: &str, offset: usize, first: usize, missed: usize) -> Self {
        let ask = format!(
            r#"{{"command":"subscribe","identifier":"{IDENTIFIER}","history":{{"streams":{{"bench":{{"epoch":"{epoch}","offset":{offset}}}}}}}}}"#
        );
        let told = |at| format!(r#"{{"identifier":"{IDENTIFIER}","message":{},"#, row(at));
        Self { ask: frame(&ask), told: (first..first + missed).map(told).collect() }
    }
}

/// One of them.
pub struct Returning {
    stream: TcpStream,
    heard: Vec<u8>,
    read: usize,
}

impl Returning {
    /// Connects and is welcomed.
    pub async fn arrive(address: &Address, at: usize) -> Self {
        let mut stream = address.connect(at).await;
        stream.write_all(handshake("Sec-WebSocket-Protocol: actioncable-v1-ext-json\r\n").as_bytes()).await.expect("sent");
        let mut client = Self { stream, heard: Vec::with_capacity(512), read: 0 };
        loop {
            let head = client.heard.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(head) = head {
                assert!(client.heard.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&client.heard));
                client.read = head + 4;
                break;
            }
            client.receive().await;
        }
        client.next(|text| assert!(text.starts_with(br#"{"type":"welcome""#), "{}", String::from_utf8_lossy(text))).await;
        client
    }
    /// Subscribes, and hears exactly what it missed.
    pub async fn recover(&mut self, missed: &Missed) {
        self.stream.write_all(&missed.ask).await.expect("sent");
        self.next(|text| assert!(text.ends_with(br#""type":"confirm_subscription"}"#), "{}", String::from_utf8_lossy(text))).await;
        for told in &missed.told {
            self.next(|text| assert!(text.starts_with(told.as_bytes()), "{} instead of {told}", String::from_utf8_lossy(text)))
                .await;
        }
        self.next(|text| assert!(text.ends_with(br#""type":"confirm_history"}"#), "{}", String::from_utf8_lossy(text))).await;
    }
    /// Stays, and counts what it is told beyond that.
    pub async fn stay(mut self, seen: &Seen) {
        loop {
            self.next(|_| {}).await;
            seen.extra.fetch_add(1, Relaxed);
        }
    }
    /// The next frame that is no ping.
    async fn next(&mut self, check: impl Fn(&[u8])) {
        loop {
            let rest = &self.heard[self.read..];
            let header = match rest {
                [0x81, 126, high, low, ..] => Some((4, usize::from(*high) << 8 | usize::from(*low))),
                [0x81, length @ ..126, ..] => Some((2, usize::from(*length))),
                [0x81, 126, ..] | [0x81] | [] => None,
                other => panic!("what frame is this: {:x?}", &other[..other.len().min(8)]),
            };
            if let Some((size, length)) = header
                && let Some(text) = rest.get(size..size + length)
            {
                let ping = text.starts_with(br#"{"type":"ping""#);
                if !ping {
                    check(text);
                }
                self.read += size + length;
                if !ping {
                    return;
                }
                continue;
            }
            self.receive().await;
        }
    }
    async fn receive(&mut self) {
        if self.read == self.heard.len() {
            // At rest it holds nothing.
            self.heard = Vec::new();
            self.read = 0;
            self.stream.readable().await.expect("open");
        }
        self.heard.reserve(16 * 1024);
        let length = self.stream.read_buf(&mut self.heard).await.expect("read");
        assert!(length > 0, "closed: {}", String::from_utf8_lossy(&self.heard[self.read..]));
    }
}
