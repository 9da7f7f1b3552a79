//! One client, from its socket to its last message. It reads into a buffer that all share, keeps only what a cut left unfinished, and counts
//! into its thread's [`Tally`].

use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::ClientConnection;

use super::{
    crowd::Reader,
    error::LoadError,
    ledger::Ledger,
    mark::Mark,
    numbers::{Numbers, Seen},
    scanner::{Heard, Scanner, client_frame},
    tally::Tally,
    target::{HEAD_BYTES_MAX, Target},
};
use crate::client::{CableError, Frame, read};

/// One read of a socket, at most.
const READ_BYTES: usize = 64 * 1024;
/// So often a stalled client is read from at the end: a server that sends on is there.
const LET_GO_READS: usize = 4096;

/// What is kept of a client, also when its connection is gone.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub n: u32,
    /// Its topic.
    pub topic: u32,
    /// How it reads.
    pub reader: Reader,
    /// What it saw.
    pub numbers: Numbers,
}

/// What the clients of one thread share.
#[derive(Debug)]
pub struct Room {
    /// Where they go.
    pub target: Arc<Target>,
    /// What was sent when.
    pub ledger: Arc<Ledger>,
    /// How they know what is meant for them.
    pub mark: Mark,
    /// What they count.
    pub tally: Tally,
    scratch: Vec<u8>,
    now: u64,
}

impl Room {
    /// With nothing counted yet.
    #[must_use]
    pub fn new(target: Arc<Target>, ledger: Arc<Ledger>, mark: Mark) -> Self {
        let tally = Tally::of(ledger.room());
        Self { target, ledger, mark, tally, scratch: vec![0; READ_BYTES], now: 0 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Connecting,
    Upgrading,
    Greeting,
    Subscribing,
    Subscribed,
}

/// One client's connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    stage: Stage,
    /// What outlives the connection.
    pub record: Record,
    scanner: Scanner,
    /// The server's answer to the upgrade, as far as it has come.
    head: Vec<u8>,
    /// What the socket has not taken yet.
    unsent: Vec<u8>,
    began: u64,
}

impl Connection {
    /// A client whose socket is being connected.
    ///
    /// # Errors
    /// TLS is not to be had.
    pub fn new(stream: TcpStream, record: Record, room: &Room) -> Result<Self, LoadError> {
        let tls = room.target.seal()?;
        let began = room.ledger.now();
        let (scanner, head, unsent) = (Scanner::default(), Vec::new(), Vec::new());
        Ok(Self { stream, tls, stage: Stage::Connecting, record, scanner, head, unsent, began })
    }
    /// Its socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
    /// It is in.
    #[must_use]
    pub fn subscribed(&self) -> bool {
        self.stage == Stage::Subscribed
    }
    /// When it was opened, in the ledger's time.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.began
    }
    /// It took too long for what it is at.
    #[must_use]
    pub fn silent(&self) -> LoadError {
        LoadError::Silent(match self.stage {
            Stage::Connecting => "connecting",
            Stage::Upgrading => "answering the upgrade",
            Stage::Greeting => "a welcome was awaited",
            Stage::Subscribing => "a confirmation was awaited",
            Stage::Subscribed => "a message was awaited",
        })
    }
    /// The socket can be written to.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn writable(&mut self, room: &Room) -> Result<(), LoadError> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(LoadError::Unreachable(error));
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            self.stage = Stage::Upgrading;
            let request = room.target.request(self.record.n, self.record.topic);
            return self.say(request.as_bytes());
        }
        self.flush()
    }
    /// Sends these bytes, as far as the socket takes them; the rest when it does.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn say(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.unsent.extend_from_slice(bytes),
        }
        self.flush()
    }
    /// The socket can be read from: reads all there is.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn readable(&mut self, ends: bool, room: &mut Room) -> Result<(), LoadError> {
        loop {
            let length = self.sip(READ_BYTES, room)?;
            // A short read has emptied the socket; the next byte is the next event. Only an end would not be told again.
            if length == 0 || (length < READ_BYTES && !ends) {
                return Ok(());
            }
        }
    }
    /// Reads once, at most so many bytes; 0: there is nothing now.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn sip(&mut self, most: usize, room: &mut Room) -> Result<usize, LoadError> {
        let mut scratch = std::mem::take(&mut room.scratch);
        let length = self.stream.read(&mut scratch[..most.min(READ_BYTES)]);
        room.now = room.ledger.now();
        let taken = match length {
            Ok(0) => Err(CableError::Lost.into()),
            Ok(length) => self.unseal(&scratch[..length], room).map(|()| length),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(error.into()),
        };
        room.scratch = scratch;
        taken
    }
    /// Has the server ended it, while nobody read? Whatever was sent before is let go.
    #[must_use]
    pub fn cut_off(&mut self) -> bool {
        let mut let_go = [0; 4096];
        for _ in 0..LET_GO_READS {
            match self.stream.read(&mut let_go) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Ok(0) | Err(_) => return self.subscribed(),
            }
        }
        false
    }

    fn unseal(&mut self, mut bytes: &[u8], room: &mut Room) -> Result<(), LoadError> {
        room.tally.bytes += bytes.len() as u64;
        let Some(mut tls) = self.tls.take() else { return self.take(bytes, room) };
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls.process_new_packets()?;
            let length = state.plaintext_bytes_to_read();
            (&mut tls.reader()).take(length as u64).read_to_end(&mut plain)?;
        }
        self.tls = Some(tls);
        // The handshake has its own words to say.
        self.flush()?;
        if plain.is_empty() { Ok(()) } else { self.take(&plain, room) }
    }
    fn take(&mut self, bytes: &[u8], room: &mut Room) -> Result<(), LoadError> {
        if self.stage != Stage::Upgrading {
            return self.scan(bytes, room);
        }
        self.head.extend_from_slice(bytes);
        let end = self.head.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end.map(|at| at + 4) else {
            let long = self.head.len() > HEAD_BYTES_MAX;
            return if long { Err(LoadError::Refused("a head without an end".to_owned())) } else { Ok(()) };
        };
        let head = std::mem::take(&mut self.head);
        room.target.admitted(&String::from_utf8_lossy(&head[..end]), &head[end..])?;
        self.stage = Stage::Greeting;
        self.scan(&head[end..], room)
    }
    fn scan(&mut self, bytes: &[u8], room: &mut Room) -> Result<(), LoadError> {
        let mut scanner = std::mem::take(&mut self.scanner);
        let scanned = scanner.scan(bytes, |heard| self.hear(heard, room));
        self.scanner = scanner;
        scanned
    }
    fn hear(&mut self, heard: Heard<'_>, room: &mut Room) -> Result<(), LoadError> {
        match heard {
            Heard::Text(text) => match room.mark.find(text) {
                // Asked of each client's first message: whoever tells one under another name tells them all so.
                Some(_) if self.record.numbers.is_untouched() && !self.is_told_to_us(text, room) => room.tally.strayed += 1,
                Some((topic, number)) => self.count(topic, number, room),
                None => return self.obey(text, room),
            },
            Heard::Ping(payload) => return self.say(&client_frame(0xa, payload)),
            Heard::Pong => {}
            Heard::Close(payload) => {
                let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                return Err(LoadError::Closed { code, reason });
            }
        }
        Ok(())
    }
    /// Is it told under the identifier that this client subscribed with?
    fn is_told_to_us(&self, text: &[u8], room: &Room) -> bool {
        let told = std::str::from_utf8(text).ok().and_then(|text| read(text).ok());
        let ours = room.target.identifier(self.record.n, self.record.topic);
        matches!(told, Some(Frame::Told(told)) if told.identifier == ours)
    }
    fn count(&mut self, topic: u32, number: u32, room: &mut Room) {
        let (tally, now) = (&mut room.tally, room.now);
        let message = room.ledger.message(topic, number).filter(|_| topic == self.record.topic);
        let Some(message) = message else {
            tally.strayed += 1;
            return;
        };
        match self.record.numbers.note(number) {
            Seen::Again => {
                tally.duplicated += 1;
                return;
            }
            Seen::Late => tally.reordered += 1,
            Seen::InOrder => {}
        }
        if self.record.reader != Reader::Steady {
            tally.slow.delivered += 1;
            return;
        }
        tally.delivered += 1;
        if let Some(sent) = room.ledger.sent(message) {
            tally.latency.note(now.saturating_sub(sent));
        }
        let arrival = &mut tally.arrivals[message];
        arrival.clients += 1;
        arrival.last = now;
    }
    /// What is no message of ours: a ping mostly, or the next step of getting in.
    fn obey(&mut self, text: &[u8], room: &mut Room) -> Result<(), LoadError> {
        let text = std::str::from_utf8(text).map_err(|_| LoadError::Refused("text that is no UTF-8".to_owned()))?;
        let Record { n, topic, .. } = self.record;
        match read(text)? {
            Frame::Ping => {
                room.tally.pings += 1;
                if room.target.answers_pings() {
                    self.say(&client_frame(0x1, br#"{"command":"pong"}"#))?;
                }
            }
            Frame::Welcome if self.stage == Stage::Greeting => {
                self.stage = Stage::Subscribing;
                self.say(&room.target.subscribe(n, topic))?;
            }
            Frame::Confirmed(identifier) if self.stage == Stage::Subscribing && identifier == room.target.identifier(n, topic) => {
                self.stage = Stage::Subscribed;
                room.tally.subscribed += 1;
                room.tally.subscribing.note(room.now.saturating_sub(self.began));
            }
            Frame::Rejected(identifier) => return Err(CableError::Rejected(identifier).into()),
            Frame::Welcome | Frame::Confirmed(_) | Frame::Told(_) | Frame::Other => {}
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<(), LoadError> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.stream) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    written => drop(written?),
                }
            }
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }
}
