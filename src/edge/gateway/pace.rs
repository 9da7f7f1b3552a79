//! Clients that asked for pings at a pace of their own, or with a finer time in them (`?pi=`, `?ptp=`; `cable.md` 1.7). The pulse leaves them
//! out and comes by here on every beat.

use std::{
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use trunkline_protocol::{Timestamp, cable::ServerFrame};

use super::Core;
use crate::edge::{connection::Client, identify::Handshake};

/// The longest pace that may be asked for; a connection that is pinged less often dies unnoticed.
const SLOWEST_S: u64 = 300;

/// What a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    every: Option<Duration>,
    precision: Precision,
}

/// What a ping counts the time in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Precision {
    Seconds,
    Millis,
    Nanos,
}

impl Pace {
    /// Nothing where the client is content with the pace of all, or asked for what is none.
    pub(crate) fn asked(handshake: &Handshake) -> Option<Self> {
        let seconds = handshake.query("pi").and_then(|text| text.parse::<u64>().ok());
        let every = seconds.filter(|seconds| (1..=SLOWEST_S).contains(seconds)).map(Duration::from_secs);
        let precision = match handshake.query("ptp").as_deref() {
            Some("ms") => Precision::Millis,
            Some("ns") => Precision::Nanos,
            _ => Precision::Seconds,
        };
        (every.is_some() || precision != Precision::Seconds).then_some(Self { every, precision })
    }
    fn frame(self, now: Timestamp) -> ServerFrame<'static> {
        ServerFrame::Ping(match self.precision {
            Precision::Seconds => now.as_seconds(),
            Precision::Millis => now.as_millis(),
            Precision::Nanos => now.as_millis().saturating_mul(1_000_000),
        })
    }
}

/// A client with a pace of its own.
pub(super) struct Paced {
    client: Weak<Client>,
    pace: Pace,
    every: Duration,
    due: Instant,
}

impl Core {
    /// From now on the client is pinged as it asked.
    pub(crate) fn keep_pace(&self, client: &Rc<Client>, pace: Pace) {
        let every = pace.every.unwrap_or(self.config().ping_every);
        client.paced.set(true);
        self.paced.borrow_mut().push(Paced { client: Rc::downgrade(client), pace, every, due: Instant::now() + every });
    }
    /// Pings those whose time has come.
    pub(super) fn ping_paced(&self, now: Timestamp) {
        let moment = Instant::now();
        self.paced.borrow_mut().retain_mut(|paced| {
            let Some(client) = paced.client.upgrade().filter(|client| client.slot.get() != u32::MAX) else { return false };
            if paced.due <= moment {
                paced.due = moment + paced.every;
                // As in the pulse: whoever is behind is not idle.
                if !client.link.is_behind() {
                    client.send(&paced.pace.frame(now));
                }
            }
            true
        });
    }
}
