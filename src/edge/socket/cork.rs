//! What one turn of a connection says goes out in one write: its welcome with the answers to what it has asked for already, and the answers to many
//! commands that came together.
//!
//! Nobody else writes to a link while it is corked: the one who corks it does not wait for anything until that has ended. What is gathered
//! belongs to the thread, so a link at rest keeps no buffer for it.

use std::{
    cell::{Cell, RefCell},
    ptr,
};

use super::Link;

/// Beyond it, what is gathered goes out before the turn has ended.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    /// Whose turn it is; only ever compared.
    static CORKED: Cell<*const Link> = const { Cell::new(ptr::null()) };
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A link that gathers what it is to send, until this is dropped.
pub(crate) struct Corked<'a>(Option<&'a Link>);

impl Link {
    /// What is sent from now on goes out in one write. Where a link is corked already, its turn goes on and nothing changes.
    pub(crate) fn cork(&self) -> Corked<'_> {
        let free = CORKED.get().is_null();
        if free {
            CORKED.set(self);
        }
        Corked(free.then_some(self))
    }
    /// Gathers a frame; false where it is to be written as it is.
    pub(super) fn gather(&self, frame: &[u8]) -> bool {
        if !ptr::eq(CORKED.get(), self) {
            return false;
        }
        if GATHERED.with_borrow(Vec::len) + frame.len() > GATHERED_BYTES_MAX {
            self.pour();
            return false;
        }
        GATHERED.with_borrow_mut(|gathered| gathered.extend_from_slice(frame));
        true
    }
    /// Writes what is gathered of it.
    pub(super) fn pour(&self) {
        if ptr::eq(CORKED.get(), self) {
            let mut gathered = GATHERED.take();
            self.send_gathered(&gathered);
            gathered.clear();
            GATHERED.set(gathered);
        }
    }
}

impl Drop for Corked<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.0 {
            link.pour();
            CORKED.set(ptr::null());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener as StdListener, TcpStream as StdStream};

    use bytes::Bytes;
    use tokio::{io::AsyncReadExt as _, net::TcpStream};

    use super::*;
    use crate::edge::socket::{FrameRun, Wire};

    async fn connected() -> (Link, TcpStream) {
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        let ours = StdStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let theirs = listener.accept().expect("accepted").0;
        ours.set_nonblocking(true).expect("set");
        theirs.set_nonblocking(true).expect("set");
        let ours = TcpStream::from_std(ours).expect("registered");
        ours.writable().await.expect("open");
        (Link::new(Wire::Plain(ours), 1 << 20), TcpStream::from_std(theirs).expect("registered"))
    }
    async fn heard(peer: &mut TcpStream, length: usize) -> String {
        let mut heard = vec![0; length];
        peer.read_exact(&mut heard).await.expect("all of it");
        String::from_utf8(heard).expect("text")
    }
    fn has_heard_nothing(peer: &TcpStream) -> bool {
        // Straight from the socket: what tokio knows of it may be older.
        let peeked = rustix::net::recv(peer, &mut [0; 1][..], rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT);
        peeked.is_err_and(|error| error == rustix::io::Errno::AGAIN)
    }
    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn says_what_was_said_in_a_turn_at_its_end_and_in_order() {
        let (link, mut peer) = connected().await;
        {
            let _turn = link.cork();
            link.send(frame("a"));
            {
                let _the_same_turn = link.cork();
                link.send(frame("b"));
            }
            link.send(frame("c"));
            assert!(has_heard_nothing(&peer));
        }
        link.send(frame("d"));
        assert_eq!(heard(&mut peer, 4).await, "abcd");
    }

    #[tokio::test]
    async fn lets_nothing_overtake_what_it_gathered() {
        let (link, mut peer) = connected().await;
        let _turn = link.cork();
        link.send(frame("a"));
        link.send_run(&FrameRun::of(frame("b")));
        link.send(frame("c"));
        link.replay(&FrameRun::of(frame("d")));
        link.send(frame("e"));
        link.send_last(frame("f"));
        link.send(frame("too late"));
        assert_eq!(heard(&mut peer, 6).await, "abcdef");
        assert!(has_heard_nothing(&peer));
    }

    #[tokio::test]
    async fn holds_back_nobody_else_and_mixes_nothing() {
        let ((one, mut ones), (other, mut others)) = (connected().await, connected().await);
        {
            let _turn = one.cork();
            one.send(frame("a"));
            let _none = other.cork();
            other.send(frame("b"));
            assert_eq!(heard(&mut others, 1).await, "b");
            assert!(has_heard_nothing(&ones));
        }
        assert_eq!(heard(&mut ones, 1).await, "a");
        assert!(has_heard_nothing(&others));
    }

    #[tokio::test]
    async fn gathers_only_so_much_and_leaves_to_the_outbox_what_the_socket_does_not_take() {
        let (link, mut peer) = connected().await;
        let piece = "x".repeat(1000);
        let mut said = 0;
        while !link.is_behind() {
            let _turn = link.cork();
            for _ in 0..20 {
                link.send(Bytes::from(piece.clone()));
                said += piece.len();
            }
            assert!(!has_heard_nothing(&peer), "more was gathered than should be");
        }
        let draining = std::future::poll_fn(|cx| link.poll_drain(cx));
        let (drained, heard) = tokio::join!(draining, heard(&mut peer, said));
        drained.expect("open");
        assert_eq!(heard.len(), said);
        assert!(!link.is_behind());
    }
}
