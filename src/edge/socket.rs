//! The transport below tungstenite and beside it: one client's socket, which only ever carries whole frames.
//!
//! Two writers share it: tungstenite (pongs, closes) and the gateway (everything else). Neither can cut into the other's frame, because every
//! write is either taken whole by the kernel or its rest is queued in the outbox, behind which everything else then waits. The outbox is
//! bounded: a reader that lets it overflow is sent away. At rest a link owns no buffer at all.

mod cork;
mod deflate;
mod frame;
mod hot;
mod outbox;
mod wire;

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::AsFd as _,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;

#[cfg(test)]
pub(crate) use deflate::deflate;
pub(crate) use deflate::{NotInflated, inflate, negotiate};
pub(crate) use frame::{
    BINARY, FrameRun, TEXT, append_compressed, append_frame, append_text, close_frame, message_frame, text_frame,
};
pub(crate) use hot::{Pushed, send as send_hot};
pub(crate) use outbox::LatestKey;
use outbox::Outbox;
pub(crate) use wire::{Duplex, Wire};

/// How a link is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Takes frames.
    Open,
    /// Its outbox overflowed: takes nothing more but the farewell.
    TooSlow,
    /// The farewell is queued: takes nothing more.
    Closing,
    /// The peer is gone.
    Dead,
}

/// One client's socket.
pub(crate) struct Link {
    wire: Wire,
    slot: Cell<Option<u32>>,
    state: Cell<State>,
    outbox: RefCell<Option<Box<Outbox>>>,
    task: RefCell<Option<Waker>>,
    outbox_bytes_max: usize,
}

/// What became of frames handed to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sent {
    /// Frames that replaced an older one of the same key.
    pub conflated: usize,
    /// The link had just become too slow with these.
    pub overflowed: bool,
}

impl Link {
    pub(crate) fn new(wire: Wire, outbox_bytes_max: usize) -> Self {
        Self {
            wire,
            slot: Cell::new(None),
            state: Cell::new(State::Open),
            outbox: RefCell::new(None),
            task: RefCell::new(None),
            outbox_bytes_max,
        }
    }
    /// From now on the fan-out may write straight to it under this slot.
    pub(crate) fn seat(&self, slot: u32) {
        self.slot.set(Some(slot));
        self.warm();
    }
    /// The fan-out must leave it alone; call before the slot is given to another.
    pub(crate) fn unseat(&self) {
        self.cool();
        self.slot.set(None);
    }
    /// The task that drains the outbox and reads.
    pub(crate) fn attend(&self, waker: &Waker) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
    /// Calls the task.
    pub(crate) fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }
    pub(crate) fn is_dead(&self) -> bool {
        self.state.get() == State::Dead
    }
    pub(crate) fn is_too_slow(&self) -> bool {
        self.state.get() == State::TooSlow
    }
    /// Whether something still waits to be written.
    pub(crate) fn is_behind(&self) -> bool {
        self.outbox.borrow().is_some()
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.borrow().as_ref().map_or(0, |outbox| outbox.bytes())
    }

    /// Sends one frame, or queues it.
    pub(crate) fn send(&self, frame: Bytes) -> Sent {
        if !self.is_free() || !self.gather(&frame) {
            return self.send_run(&FrameRun::of(frame));
        }
        Sent::default()
    }
    /// Sends frames, or queues what the kernel does not take.
    pub(crate) fn send_run(&self, run: &FrameRun) -> Sent {
        self.pour();
        self.send_rest(run, self.write_now(&run.bytes))
    }
    /// Sends frames of which the kernel took `written` bytes already; the rest is queued, frame by frame.
    pub(crate) fn send_rest(&self, run: &FrameRun, written: usize) -> Sent {
        if self.state.get() != State::Open || written >= run.bytes.len() {
            return Sent::default();
        }
        let mut sent = Sent::default();
        {
            let mut outbox = self.outbox.borrow_mut();
            let outbox = outbox.get_or_insert_with(Box::default);
            for (piece, key, cut) in run.from(written) {
                sent.conflated += usize::from(outbox.push(piece, if cut { None } else { key }));
            }
            if outbox.bytes() > self.outbox_bytes_max + outbox.allowed() {
                outbox.clear_unstarted();
                self.state.set(State::TooSlow);
                sent.overflowed = true;
            }
        }
        self.cool();
        self.wake();
        sent
    }
    /// Sends a history, or queues it: however long it is, the reader is not yet slow. Its bytes are shared with whoever asked the same.
    pub(crate) fn replay(&self, run: &FrameRun) {
        if run.bytes.is_empty() {
            return;
        }
        self.pour();
        let written = self.write_now(&run.bytes);
        if written < run.bytes.len() && self.state.get() == State::Open {
            self.outbox.borrow_mut().get_or_insert_with(Box::default).allow(run.bytes.len() - written);
            self.send_rest(run, written);
        }
    }
    /// The last frames of this link; everything after them is dropped.
    pub(crate) fn send_last(&self, frames: Bytes) {
        if matches!(self.state.get(), State::Closing | State::Dead) {
            return;
        }
        self.pour();
        let written = self.write_now(&frames);
        self.state.set(State::Closing);
        if written < frames.len() {
            let mut outbox = self.outbox.borrow_mut();
            outbox.get_or_insert_with(Box::default).push(frames.slice(written..), None);
        }
        self.cool();
        self.wake();
    }

    /// Writes what waits. Ready once nothing does (TLS: and all of it is flushed).
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_dead() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            let mut slot = self.outbox.borrow_mut();
            let Some(outbox) = slot.as_mut() else { break };
            let Some(front) = outbox.front() else {
                *slot = None;
                break;
            };
            match ready!(self.wire.poll_write(cx, front)) {
                Ok(written) => outbox.advance(written),
                Err(error) => {
                    drop(slot);
                    self.break_off();
                    return Poll::Ready(Err(error));
                }
            }
        }
        if let Err(error) = ready!(self.wire.poll_flush(cx)) {
            self.break_off();
            return Poll::Ready(Err(error));
        }
        self.warm();
        Poll::Ready(Ok(()))
    }
    /// Takes what waits, about so much at most: for whoever is not written to but fetches.
    pub(crate) fn fetch(&self, bytes_max: usize) -> Option<Bytes> {
        let mut slot = self.outbox.borrow_mut();
        let outbox = slot.as_mut()?;
        let mut fetched = Vec::new();
        while fetched.len() < bytes_max {
            let Some(front) = outbox.front() else {
                *slot = None;
                break;
            };
            fetched.extend_from_slice(front);
            let written = front.len();
            outbox.advance(written);
        }
        (!fetched.is_empty()).then(|| fetched.into())
    }
    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_shutdown(cx)
    }
    /// Reads into `buffer`; 0 at the end.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_read(cx, buffer)
    }
    /// The peer is gone, or must go at once: its end of the connection is reset, and the kernel's memory given back.
    pub(crate) fn break_off(&self) {
        self.cool();
        self.state.set(State::Dead);
        *self.outbox.borrow_mut() = None;
        if let Some(stream) = self.wire.plain() {
            // A stalled reader's full send queue would otherwise stay behind a closed window, for minutes.
            let _ = rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO));
        }
        self.wake();
    }

    fn send_gathered(&self, bytes: &[u8]) {
        let written = self.write_now(bytes);
        if written < bytes.len() {
            self.send_rest(&FrameRun::of(Bytes::copy_from_slice(bytes)), written);
        }
    }
    /// Whether it may be written to at once.
    fn is_free(&self) -> bool {
        !self.is_behind() && self.state.get() == State::Open
    }
    fn write_now(&self, bytes: &[u8]) -> usize {
        if bytes.is_empty() || !self.is_free() {
            return 0;
        }
        // An error shows itself again when the task drains; there it is handled.
        self.wire.try_write(bytes).unwrap_or(0)
    }
    fn warm(&self) {
        if let (Some(slot), Some(stream), State::Open) = (self.slot.get(), self.wire.plain(), self.state.get())
            && !self.is_behind()
        {
            hot::warm(slot, stream);
        }
    }
    fn cool(&self) {
        if let Some(slot) = self.slot.get() {
            hot::cool(slot);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The hot table holds this socket's number only while the socket is open.
        self.cool();
    }
}
