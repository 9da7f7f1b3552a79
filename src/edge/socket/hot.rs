//! The hot table: slot → file descriptor, four bytes per client, so that a fan-out touches nothing else of a socket.
//!
//! One per core (thread). A slot is warm while its socket is plain TCP, open, and nothing waits in its outbox; only then may the fan-out
//! write to it directly. This is the only file of the hub with `unsafe`.

use std::{
    cell::RefCell,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

use rustix::{io::Errno, net::SendFlags};
use tokio::net::TcpStream;

const COLD: RawFd = -1;

thread_local! {
    static HOT: RefCell<Vec<RawFd>> = const { RefCell::new(Vec::new()) };
}

/// What became of a direct write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// The kernel took all of it.
    Whole,
    /// It took this many bytes (0 where it would have to wait, or failed): the link must take the rest.
    Part(usize),
    /// The slot is cold: the link must take all of it.
    Cold,
}

/// From now on `stream` may be written to under `slot`, until [`cool`]. The stream's owner calls [`cool`] before it closes the stream.
pub(super) fn warm(slot: u32, stream: &TcpStream) {
    HOT.with_borrow_mut(|table| {
        let at = slot as usize;
        if table.len() <= at {
            table.resize(at + 1, COLD);
        }
        table[at] = stream.as_raw_fd();
    });
}

/// The slot is not to be written to.
pub(super) fn cool(slot: u32) {
    // Not `with`: a link may be dropped while the thread, and its table, are being torn down.
    let _ = HOT.try_with(|table| {
        if let Some(entry) = table.borrow_mut().get_mut(slot as usize) {
            *entry = COLD;
        }
    });
}

/// Writes `bytes` to each of `slots` without waiting, and tells of those for whom that was not the end of it.
pub(crate) fn send(slots: &[u32], bytes: &[u8], mut unfinished: impl FnMut(u32, Pushed)) -> usize {
    let mut whole = 0;
    for &slot in slots {
        match send_one(slot, bytes) {
            Pushed::Whole => whole += 1,
            other => unfinished(slot, other),
        }
    }
    whole
}

#[inline]
#[expect(unsafe_code, reason = "a borrowed descriptor without its owner at hand; the argument is written below")]
fn send_one(slot: u32, bytes: &[u8]) -> Pushed {
    let fd = HOT.with_borrow(|table| table.get(slot as usize).copied().unwrap_or(COLD));
    if fd == COLD {
        return Pushed::Cold;
    }
    // SAFETY: `borrow_raw` asks that the descriptor stays open for the borrow, which ends before this function returns. An entry is written
    // only by `warm`, from a `TcpStream` that a `Link` of this thread owns and never gives away; `Link::drop` calls `cool` before its fields,
    // the stream among them, are dropped. The table is thread-local and a `Link` is `!Send`, so nothing runs between the look-up above
    // and the call below.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    match rustix::net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(written) if written == bytes.len() => Pushed::Whole,
        Ok(written) => Pushed::Part(written),
        // A broken socket shows its error again to the task that drains it; there it is handled.
        Err(Errno::AGAIN | Errno::INTR) | Err(_) => Pushed::Part(0),
    }
}
