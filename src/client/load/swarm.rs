//! The clients of one thread: opens them at their pace, reads whoever has something to read, and at the end says what they saw.
//!
//! Whoever owns it calls [`Swarm::turn`] again and again; between two turns nothing happens. It is bounded by its crowd: one socket and a few
//! dozen bytes for each client.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    connection::{Connection, Record, Room},
    crowd::{Crowd, Pulse, Reader},
    error::LoadError,
    ledger::Ledger,
    mark::Mark,
    tally::{Tally, Times},
    target::Target,
};
use crate::client::CableError;

/// Clients that are on their way in at once: a server's queue of connections is finite, and so is our patience.
const ARRIVING_MAX: usize = 256;
/// How often slow readers read.
const SIP: Duration = Duration::from_millis(100);
/// The receive buffer of clients that are slow on purpose: what they do not read must wait at the server's side.
const SLOW_BUFFER_BYTES: usize = 4096;

#[derive(Debug)]
enum Slot {
    Open(Connection),
    Ended(Record),
    Failed,
}

/// Clients of one thread.
#[derive(Debug)]
pub struct Swarm {
    crowd: Crowd,
    room: Room,
    pulse: Arc<Pulse>,
    poll: Poll,
    events: Option<Events>,
    slots: Vec<Slot>,
    /// On their way in, the oldest first.
    arriving: VecDeque<usize>,
    slow: Vec<usize>,
    began: Instant,
    sipped: Instant,
    told: u64,
}

impl Swarm {
    /// A swarm whose clients are opened from now on.
    ///
    /// # Errors
    /// The system has no epoll for it.
    pub fn new(target: Arc<Target>, crowd: Crowd, ledger: Arc<Ledger>, mark: Mark, pulse: Arc<Pulse>) -> io::Result<Self> {
        let room = Room::new(target, ledger, mark);
        let (poll, events) = (Poll::new()?, Some(Events::with_capacity(1024)));
        let (slots, arriving, slow, now) = (Vec::new(), VecDeque::new(), Vec::new(), Instant::now());
        Ok(Self { crowd, room, pulse, poll, events, slots, arriving, slow, began: now, sipped: now, told: 0 })
    }
    /// Every client has got in or has failed.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.arriving.is_empty() && self.next().is_none()
    }
    /// What was counted so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.room.tally
    }
    /// From sending to reading, of all messages since this was last asked.
    pub fn take_latency(&mut self) -> Times {
        std::mem::take(&mut self.room.tally.latency)
    }
    /// Waits at most so long for something to do, and does it.
    ///
    /// # Errors
    /// The system's epoll failed.
    pub fn turn(&mut self, wait: Duration) -> io::Result<()> {
        self.open_due();
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(1024));
        let polled = self.poll.poll(&mut events, Some(wait.min(self.patience())));
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let ends = event.is_read_closed() || event.is_error();
            self.serve(event.token().0, event.is_writable(), event.is_readable() || ends, ends);
        }
        self.events = Some(events);
        self.give_up_on_the_silent();
        self.let_the_slow_read();
        self.pulse.delivered.fetch_add(self.room.tally.delivered - self.told, Relaxed);
        self.told = self.room.tally.delivered;
        Ok(())
    }
    /// Says something as the client in this place.
    ///
    /// # Errors
    /// It is not there any more; why, where it ends by this.
    pub fn say(&mut self, at: usize, bytes: &[u8]) -> Result<(), LoadError> {
        let Some(Slot::Open(connection)) = self.slots.get_mut(at) else { return Err(CableError::Lost.into()) };
        connection.say(bytes)
    }
    /// Ends every client and says what they saw of the first `messages`.
    #[must_use]
    pub fn finish(mut self, messages: usize) -> Tally {
        for mut slot in std::mem::take(&mut self.slots) {
            if let Slot::Open(connection) = &mut slot
                && connection.record.reader == Reader::Stalled
                && connection.cut_off()
            {
                self.room.tally.stalled.cut_off += 1;
            }
            let record = match slot {
                Slot::Open(connection) if connection.subscribed() => connection.record,
                Slot::Ended(record) => record,
                Slot::Open(_) | Slot::Failed => continue,
            };
            self.close_account(&record, messages);
        }
        self.room.tally
    }

    /// The next client's number.
    fn next(&self) -> Option<u32> {
        let n = self.crowd.first.checked_add((self.slots.len() as u32).checked_mul(self.crowd.step)?)?;
        (n < self.crowd.end).then_some(n)
    }
    fn open_due(&mut self) {
        let due = (self.crowd.ramp * self.began.elapsed().as_secs_f64()).ceil() as usize;
        while self.arriving.len() < ARRIVING_MAX && self.slots.len() < due {
            let Some(n) = self.next() else { return };
            let at = self.slots.len();
            let opened = self.open(n, at);
            match opened {
                Ok(connection) => {
                    self.slots.push(Slot::Open(connection));
                    self.arriving.push_back(at);
                }
                Err(error) => {
                    self.slots.push(Slot::Failed);
                    self.fail(&error);
                }
            }
        }
    }
    fn open(&mut self, n: u32, at: usize) -> Result<Connection, LoadError> {
        let reader = self.crowd.reader(n);
        let source = self.crowd.sources.get(n as usize % self.crowd.sources.len().max(1)).copied();
        let mut stream = connect(self.room.target.address, source, reader).map_err(LoadError::Unreachable)?;
        self.poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
        let record = Record { n, topic: n % self.room.ledger.topics(), reader, numbers: Default::default() };
        Connection::new(stream, record, &self.room)
    }
    fn serve(&mut self, at: usize, writable: bool, readable: bool, ends: bool) {
        let Some(Slot::Open(connection)) = self.slots.get_mut(at) else { return };
        let was_in = connection.subscribed();
        let mut done = if writable { connection.writable(&self.room) } else { Ok(()) };
        if readable && done.is_ok() {
            done = connection.readable(ends, &mut self.room);
        }
        let is_in = connection.subscribed();
        if is_in && !was_in {
            self.admit(at);
        }
        if let Err(error) = done {
            self.end(at, &error);
        }
    }
    /// One is subscribed.
    fn admit(&mut self, at: usize) {
        let Some(Slot::Open(connection)) = self.slots.get_mut(at) else { return };
        self.pulse.subscribed.fetch_add(1, Relaxed);
        match connection.record.reader {
            Reader::Steady => {
                self.pulse.steady[connection.record.topic as usize].fetch_add(1, Relaxed);
            }
            Reader::Slow => self.slow.push(at),
            Reader::Stalled => {}
        }
        if connection.record.reader != Reader::Steady {
            // From now on nobody tells us when there is something to read. A socket that is not registered is one that is closing.
            let _ = self.poll.registry().deregister(connection.stream());
        }
        self.forget_arrival(at);
    }
    fn end(&mut self, at: usize, error: &LoadError) {
        let Slot::Open(connection) = std::mem::replace(&mut self.slots[at], Slot::Failed) else { return };
        if !connection.subscribed() {
            self.forget_arrival(at);
            return self.fail(error);
        }
        self.pulse.ended.fetch_add(1, Relaxed);
        match connection.record.reader {
            Reader::Steady => self.room.tally.ended(error.to_string()),
            Reader::Slow => self.room.tally.slow.cut_off += 1,
            Reader::Stalled => self.room.tally.stalled.cut_off += 1,
        }
        self.slots[at] = Slot::Ended(connection.record);
    }
    fn fail(&mut self, error: &LoadError) {
        self.pulse.failed.fetch_add(1, Relaxed);
        self.room.tally.failed(error.to_string());
    }
    fn forget_arrival(&mut self, at: usize) {
        // Nearly always among the first: whoever came first gets in first.
        if let Some(place) = self.arriving.iter().position(|arriving| *arriving == at) {
            self.arriving.remove(place);
        }
    }
    fn give_up_on_the_silent(&mut self) {
        let limit = self.crowd.timeout.as_nanos() as u64;
        while let Some(Slot::Open(connection)) = self.arriving.front().map(|at| &self.slots[*at]) {
            if self.room.ledger.now().saturating_sub(connection.began()) < limit {
                return;
            }
            let error = connection.silent();
            if let Some(at) = self.arriving.front().copied() {
                self.end(at, &error);
            }
        }
    }
    fn let_the_slow_read(&mut self) {
        if self.slow.is_empty() || self.sipped.elapsed() < SIP {
            return;
        }
        let most = (self.crowd.slow_bytes as f64 * self.sipped.elapsed().as_secs_f64()).max(1.0) as usize;
        self.sipped = Instant::now();
        for at in self.slow.clone() {
            let Slot::Open(connection) = &mut self.slots[at] else { continue };
            if let Err(error) = connection.sip(most, &mut self.room) {
                self.end(at, &error);
            }
        }
        self.slow.retain(|at| matches!(self.slots[*at], Slot::Open(_)));
    }
    /// How long it may sleep.
    fn patience(&self) -> Duration {
        if self.next().is_some() {
            return Duration::from_millis(2);
        }
        if self.slow.is_empty() { Duration::from_millis(500) } else { SIP }
    }
    fn close_account(&mut self, record: &Record, messages: usize) {
        let Room { ledger, tally, .. } = &mut self.room;
        match record.reader {
            Reader::Steady => {}
            Reader::Slow => return tally.slow.clients += 1,
            Reader::Stalled => return tally.stalled.clients += 1,
        }
        let published = ledger.published(messages.min(ledger.room()), record.topic);
        let missing = record.numbers.missing(published);
        let wanted = |number: &u32| ledger.message(record.topic, *number).is_some_and(|message| ledger.sent(message).is_some());
        tally.missing += missing.filter(wanted).count() as u64;
    }
}

/// A socket on its way to the server.
fn connect(to: SocketAddr, from: Option<IpAddr>, reader: Reader) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if reader != Reader::Steady {
        socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
    }
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
