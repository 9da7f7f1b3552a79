//! A core's pulse: every client hears a ping every period, spread over it by slot, whatever else goes on; tokens that ended are noticed on the way.

use std::{
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use trunkline_protocol::{
    Timestamp,
    cable::{ServerFrame, Subprotocol},
};

use super::Core;
use crate::edge::{
    connection::{Client, Farewell},
    socket::{FrameRun, Pushed, send_hot, text_frame},
};

/// A period is cut into so many beats; each slot has its own.
const BEATS: u32 = 30;

pub(super) fn start(core: &Rc<Core>) {
    let period = core.config().ping_every.max(Duration::from_millis(300));
    let core = Rc::downgrade(core);
    actix_rt::spawn(async move {
        let mut beats = interval(period / BEATS);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for beat in (0..BEATS).cycle() {
            beats.tick().await;
            let Some(core) = Weak::upgrade(&core) else { return };
            self::beat(&core, beat);
        }
    });
}

fn beat(core: &Rc<Core>, beat: u32) {
    core.readings.borrow_mut().clear();
    core.table.borrow_mut().tidy();
    let now = core.hub().clock().now();
    if beat == 0 {
        core.shared().tickets.sweep(Instant::now());
    }
    core.ping_paced(now);
    let slots: Vec<u32> = {
        let table = core.table.borrow();
        (beat..table.slots())
            .step_by(BEATS as usize)
            .filter_map(|slot| table.client(slot))
            .for_each(|client| look(core, client, now));
        (beat..table.slots())
            .step_by(BEATS as usize)
            .filter(|slot| table.client(*slot).is_some_and(|client| !client.paced.get()))
            .collect()
    };
    if slots.is_empty() {
        return;
    }
    let frame = FrameRun::of(text_frame(&ServerFrame::Ping(now.as_seconds())));
    send_hot(&slots, &frame.bytes, |slot, pushed| {
        let Some(client) = core.table.borrow().client(slot).cloned() else { return };
        match pushed {
            Pushed::Whole => {}
            // A reader who is behind is not idle: whatever it reads next refreshes it, and pings must not fill its outbox.
            Pushed::Cold if client.link.is_behind() => {}
            Pushed::Cold if matches!(client.speaks, Subprotocol::Events(_)) => {
                client.send(&ServerFrame::Ping(now.as_seconds()));
            }
            Pushed::Cold => {
                client.link.send(frame.bytes.clone());
            }
            Pushed::Part(written) => {
                client.link.send_rest(&frame, written);
            }
        }
    });
}

/// Once a period: is its token still good, does it still answer, has it asked for what it missed?
fn look(core: &Rc<Core>, client: &Rc<Client>, now: Timestamp) {
    if client.who.expires().is_some_and(|expires| expires <= now) {
        client.dismiss(Farewell::expired(&client.who, client.speaks));
    }
    if let Some(patience) = core.config().pong_timeout
        && client.speaks == Subprotocol::Extended
        && u64::from(seconds(now).saturating_sub(client.heard.get())) > patience.as_secs()
    {
        client.dismiss(Farewell::NO_PONG);
    }
    match client.held.get() {
        0 => {}
        1 => {
            let (core, client) = (core.clone(), client.clone());
            actix_rt::spawn(async move { core.let_go_of_all(&client).await });
        }
        looks => client.held.set(looks - 1),
    }
}

/// Unix seconds, as small as they can be: one is kept for each client.
pub(super) fn seconds(now: Timestamp) -> u32 {
    u32::try_from(now.as_seconds()).unwrap_or(u32::MAX)
}
