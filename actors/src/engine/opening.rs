//! How a hub opens and closes: what is built in which order, and how it is taken down without losing anything acknowledged.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};
use trunkline_persistence::{Journal, JournalError};
use trunkline_protocol::limits::{AWAKE_CROWD, ENTITY_IDLE, TELLS_MAX};

use super::{
    alarms::Alarms,
    attendance::{Attendance, SWEEP_EVERY},
    backlog::Backlog,
    directory::Directory,
    fanout::Fanout,
    house::{House, closed},
    latency::Latency,
    mailbox::Resident,
    published::PublishedTopic,
    recall::RECALLS_AT_ONCE,
    recent::Recent,
    relay::{Desk, Relay, snapshots::Snapshots},
    sequence::{Sequence, Sequences},
    supervisor::{
        self,
        history::{Chronicle, History},
        report::Reports,
        worker,
    },
    trace::Traces,
};
use crate::{Hub, HubConfig, OpenError, Plan, Projection, hub::Inner};

/// How many alarms are rung before the keeper looks at the clock again.
const RUNG_AT_ONCE: usize = 256;
/// How long the keeper sleeps at most: the machine's clock may be set while it does.
const ALARMS_LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
/// How often the idle are looked for.
const RETIREMENT_EVERY: Duration = Duration::from_secs(ENTITY_IDLE.as_secs() / 12);
/// How many are told to leave at once, and the longest pause before the next ones are: those who came in a crowd would leave in a crowd,
/// and keep everybody waiting who is asked meanwhile.
const RETIRED_AT_ONCE: usize = 64;
const RETIREMENT_PAUSE: Duration = Duration::from_millis(5);
/// How long the awake may take to leave when the hub closes, and the journal to close.
const LEAVING_DEADLINE: Duration = Duration::from_secs(15);
/// How long closing waits for the last crashes to be written down.
const CHRONICLE_DEADLINE: Duration = Duration::from_secs(1);

/// Builds everything, replays what was written since the last snapshot, and starts the actors.
pub(crate) async fn open(mut plan: Plan, journal: Arc<dyn Journal>, config: HubConfig) -> Result<Hub, OpenError> {
    plan.keep::<Sequence>();
    plan.keep::<PublishedTopic>();
    plan.keep::<Chronicle>();
    let epoch: Arc<str> = journal.epoch().into();
    let (tells, heard) = mpsc::channel(TELLS_MAX);
    let (alarms, history) = (Arc::new(Alarms::default()), Arc::new(History::default()));
    let retentions = std::mem::take(&mut plan.retentions);
    let (backlog, fanout) = (Arc::new(Backlog::new(Arc::clone(&epoch))), Arc::new(Fanout::default()));
    let mut projections: Vec<Arc<dyn Projection>> = vec![Arc::clone(&alarms) as _, Arc::clone(&history) as _];
    projections.append(&mut plan.projections);
    let parts = std::iter::once(Arc::clone(&backlog) as Arc<dyn Projection>).chain(projections.iter().cloned()).collect();
    let desk = Desk {
        tells: heard,
        waiting: Default::default(),
        snapshots: Snapshots::of(parts),
        saved: 0,
        saved_when: Instant::now(),
        torn: false,
    };
    let relay = Arc::new(Relay {
        journal: Arc::clone(&journal),
        epoch: Arc::clone(&epoch),
        clock: config.clock,
        projections,
        channels: plan.channels.clone(),
        backlog,
        recent: Recent::default(),
        traces: Traces::default(),
        retentions,
        recalls: Semaphore::new(RECALLS_AT_ONCE),
        fanout,
        history: Arc::clone(&history),
        seen: watch::Sender::new(0),
        stopped: Mutex::default(),
        desk: tokio::sync::Mutex::new(desk),
    });
    relay.open().await?;
    let house = Arc::new(House {
        clock: config.clock,
        journal,
        directory: Directory::default(),
        alarms,
        kinds: plan.kinds,
        tells,
        history,
        reports: Reports::default(),
        failed: watch::Sender::default(),
        appends: Latency::default(),
        runtime: Handle::current(),
        opened: Instant::now(),
        closing: watch::Sender::new(false),
        open: AtomicBool::new(true),
    });
    let hub = Hub {
        inner: Arc::new(Inner {
            house: Arc::clone(&house),
            relay: Arc::clone(&relay),
            epoch,
            channels: plan.channels.into_iter().map(|channel| (channel.name(), channel)).collect(),
            projections: plan.projections_by_type,
            provided: plan.provided,
            sequences: Sequences::default(),
            attendance: Attendance::new(config.presence_ttl),
            denied: plan.denied,
            root: tokio::sync::Mutex::new(None),
        }),
    };
    let mut children = Vec::new();
    let mut kinds: Vec<_> = house.kinds.values().map(|kind| kind.name).collect();
    kinds.sort_unstable();
    children.extend(kinds.into_iter().map(|kind| supervisor::kind(&house, kind)));
    let following = worker::lasting("relay", {
        let (relay, closing) = (relay, house.closing.subscribe());
        Arc::new(move || Arc::clone(&relay).run(closing.clone()).boxed())
    });
    children.push(supervisor::group(&house, "relay", vec![following]));
    children.push(supervisor::group(&house, "clockwork", clockwork(&hub)));
    let workers = plan.workers.into_iter().map(|(name, period, work)| {
        let hub = hub.clone();
        let work = move || {
            let (hub, work) = (hub.clone(), Arc::clone(&work));
            async move { work(&hub).await }.boxed()
        };
        worker::every(name, period, Arc::new(work))
    });
    children.push(supervisor::group(&house, "workers", workers.collect()));
    let root = supervisor::root(&house, children).await.map_err(|error| JournalError::Unavailable(error.to_string()))?;
    *hub.inner.root.lock().await = Some(root);
    // Open means ready: whoever asks first must find every kind's supervisor.
    while house.kinds.values().any(|kind| kind.supervisor.read().is_none()) {
        tokio::task::yield_now().await;
    }
    Ok(hub)
}

/// The engine's own lasting workers.
fn clockwork(hub: &Hub) -> Vec<supervisor::Child> {
    let house = &hub.inner.house;
    let keeper = Arc::clone(house);
    let sweeper = Arc::clone(house);
    let (chronicler, doorkeeper) = (hub.clone(), hub.clone());
    vec![
        worker::lasting("alarms", Arc::new(move || keep_alarms(Arc::clone(&keeper)).boxed())),
        worker::every("retirement", RETIREMENT_EVERY, {
            Arc::new(move || {
                let house = Arc::clone(&sweeper);
                async move { retire_the_idle(&house).await }.boxed()
            })
        }),
        worker::every("attendance", SWEEP_EVERY, {
            Arc::new(move || {
                let hub = doorkeeper.clone();
                async move { hub.attendance().sweep(&hub).await }.boxed()
            })
        }),
        worker::lasting("chronicle", {
            Arc::new(move || {
                let hub = chronicler.clone();
                async move {
                    let history = Arc::clone(&hub.inner.house.history);
                    history.write_down(&hub, hub.inner.house.closing.subscribe()).await;
                }
                .boxed()
            })
        }),
    ]
}

async fn keep_alarms(house: Arc<House>) {
    let mut closing = house.closing.subscribe();
    loop {
        let now = house.clock.now();
        let due = house.alarms.due(now, RUNG_AT_ONCE);
        for entity in &due {
            house.ring(entity);
        }
        if due.len() == RUNG_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        let earliest = house.alarms.earliest().map_or(ALARMS_LOOKED_AT_EVERY, |at| at.since(now).max(Duration::from_millis(1)));
        tokio::select! {
            () = tokio::time::sleep(earliest.min(ALARMS_LOOKED_AT_EVERY)) => {}
            () = house.alarms.nearer.notified() => {}
            () = closed(&mut closing) => return,
        }
    }
}

async fn retire_the_idle(house: &House) {
    let residents = house.directory.residents();
    let patience = u64::try_from(idle_among(residents.len()).as_millis()).unwrap_or(u64::MAX);
    let is_idle = |resident: &Arc<dyn Resident>| {
        house.elapsed_ms().saturating_sub(resident.asked_ms()) >= patience && resident.waiting() == 0
    };
    let idle: Vec<_> = residents.into_iter().filter(is_idle).collect();
    let turns = u32::try_from(idle.len().div_ceil(RETIRED_AT_ONCE)).unwrap_or(u32::MAX);
    let pause = RETIREMENT_PAUSE.min(RETIREMENT_EVERY / turns.max(1));
    for leaving in idle.chunks(RETIRED_AT_ONCE) {
        // Whoever was asked meanwhile stays.
        leaving.iter().filter(|resident| is_idle(resident)).for_each(|resident| resident.leave(false));
        tokio::time::sleep(pause).await;
    }
}

/// How long an entity may stay that nobody asks.
fn idle_among(awake: usize) -> Duration {
    ENTITY_IDLE.mul_f64((AWAKE_CROWD as f64 / awake.max(1) as f64).min(1.0))
}

/// Takes nothing more, lets the awake answer and leave, lets the relay tell the rest and save, and closes the journal.
pub(crate) async fn close(hub: &Hub) {
    let house = &hub.inner.house;
    let Some(root) = hub.inner.root.lock().await.take() else { return };
    // What crashed last is worth the most; the chronicler is at it.
    let patience = Instant::now() + CHRONICLE_DEADLINE;
    while !house.history.is_written() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // From here on every ask is refused, the workers' too.
    house.open.store(false, Ordering::Release);
    let deadline = Instant::now() + LEAVING_DEADLINE;
    for resident in house.directory.residents() {
        resident.leave(true);
    }
    let mut looks = 0_u32;
    while house.directory.len() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
        looks += 1;
        if looks.is_multiple_of(50) {
            // Some were waking when the others were told.
            house.directory.residents().iter().for_each(|resident| resident.leave(true));
        }
    }
    if house.directory.len() > 0 {
        tracing::error!(awake = house.directory.len(), "not everybody left in time; what they had not acknowledged is lost");
    }
    let head = house.journal.head();
    let mut seen = hub.inner.relay.seen.subscribe();
    let told = tokio::time::timeout(LEAVING_DEADLINE, seen.wait_for(|position| *position >= head)).await;
    if told.is_err() {
        tracing::warn!("the relay did not reach the end of the journal in time; the next opening replays the rest");
    }
    house.closing.send_replace(true);
    // The loop lets go of its desk when its last snapshot is saved.
    drop(tokio::time::timeout(2 * LEAVING_DEADLINE, hub.inner.relay.desk.lock()).await);
    root.stop(None);
    match tokio::time::timeout(LEAVING_DEADLINE, house.journal.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the journal did not close well; what was acknowledged is safe"),
        Err(_) => tracing::error!("the journal did not close in time; what was acknowledged is safe"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_nobody_idle_long_in_a_crowd() {
        assert_eq!([0, 1, AWAKE_CROWD].map(idle_among), [ENTITY_IDLE; 3]);
        assert_eq!(idle_among(10 * AWAKE_CROWD), ENTITY_IDLE / 10);
    }
}
