//! A run, from the first connection to the last message: the clients' threads, the publisher's, and who waits for them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, TryRecvError, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use tokio::{
    task::spawn_blocking,
    time::{interval, sleep},
};

use super::{
    Failure,
    plan::Plan,
    publisher::{Published, Publisher, Schedule},
    report::{Connecting, Cost, Delivering, Report},
};
use crate::client::load::{Crowd, Ledger, Mark, Pulse, Swarm, Tally};

/// How often it looks how far things are.
const LOOK: Duration = Duration::from_millis(50);
/// So many clients that fail before any gets in are answer enough.
const HOPELESS: u32 = 10;
/// After the last message that was awaited: time for one that comes twice.
const SETTLE: Duration = Duration::from_millis(300);

/// Clients, their threads and what they share with whoever waits for them.
struct Clients {
    asked: u32,
    pulse: Arc<Pulse>,
    stop: Arc<AtomicBool>,
    messages: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<io::Result<Tally>>>,
}

/// Does what the plan says. The first Ctrl-C ends it early, with what was measured until then; a second one ends it at once.
pub async fn run(plan: Plan, progress: &ProgressBar) -> Result<Report, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let listening = tokio::spawn(listen(Arc::clone(&interrupted)));
    let report = undisturbed(plan, progress, &interrupted).await;
    listening.abort();
    report
}

async fn listen(interrupted: Arc<AtomicBool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if interrupted.swap(true, Relaxed) {
            std::process::exit(130);
        }
    }
}

async fn undisturbed(mut plan: Plan, progress: &ProgressBar, interrupted: &Arc<AtomicBool>) -> Result<Report, Failure> {
    let mut cost = Cost::new(plan.pid)?;
    let ledger = Arc::new(Ledger::new(plan.messages_max, plan.topics));
    let mark = Mark::default();
    let clients = Clients::start(&plan, &ledger, &mark)?;
    let began = Instant::now();
    clients.gather(progress, interrupted).await;
    let connecting = Connecting { asked: plan.crowd.end, took: began.elapsed() };
    cost.connected();
    if clients.pulse.subscribed.load(Relaxed) == 0 && !interrupted.load(Relaxed) {
        let tally = clients.finish(0)?;
        let reason = tally.failures.keys().next().cloned().unwrap_or_else(|| "nobody got in".to_owned());
        return Err(reason.into());
    }
    let publishing = Instant::now();
    let published = match plan.publishing.take() {
        Some(by) => {
            let schedule = Schedule {
                ledger: Arc::clone(&ledger),
                mark,
                rate: plan.rate,
                burst: plan.burst,
                payload_bytes: plan.payload_bytes,
                duration: plan.duration,
            };
            let (timeout, authority) = (plan.crowd.timeout, plan.authority.take());
            let opening =
                spawn_blocking(move || Publisher::open(by, timeout, authority.as_deref()).map_err(|error| error.to_string()));
            let publisher = opening.await??;
            let at_work = AtWork::start(publisher, schedule, Arc::clone(interrupted), Arc::clone(&clients.messages));
            let published = loop {
                clients.look(progress, &mut cost).await;
                if let Some(published) = at_work.ended()? {
                    break published;
                }
            };
            if published.messages == published.refused && published.refused > 0 {
                return Err(format!("nothing could be published: {}", published.refusal.unwrap_or_default()).into());
            }
            clients.drain(&ledger, published.messages - published.refused, plan.grace, progress, &mut cost).await;
            published
        }
        None => {
            while publishing.elapsed() < plan.duration && !interrupted.load(Relaxed) {
                clients.look(progress, &mut cost).await;
            }
            Published::default()
        }
    };
    cost.ended();
    let pulse = Arc::clone(&clients.pulse);
    let expected = (0..plan.topics).map(|topic| wanted(&ledger, &pulse, published.messages, topic)).sum();
    let tally = clients.finish(published.messages)?;
    let delivering = Delivering::of(&ledger, &tally, &published, expected);
    let interrupted = interrupted.load(Relaxed);
    Ok(Report { url: plan.url, payload_bytes: plan.payload_bytes, connecting, published, delivering, tally, cost, interrupted })
}

/// Deliveries to be expected on a topic.
fn wanted(ledger: &Ledger, pulse: &Pulse, messages: usize, topic: u32) -> u64 {
    let sent = (0..ledger.published(messages, topic))
        .filter(|number| ledger.message(topic, *number).is_some_and(|message| ledger.sent(message).is_some()));
    sent.count() as u64 * u64::from(pulse.steady[topic as usize].load(Relaxed))
}

/// A publisher in its thread, which stays until this is dropped.
struct AtWork {
    published: Receiver<io::Result<Published>>,
    leave: Arc<AtomicBool>,
}

impl AtWork {
    fn start(mut publisher: Publisher, schedule: Schedule, stop: Arc<AtomicBool>, progress: Arc<AtomicUsize>) -> Self {
        let (tell, published) = channel();
        let leave = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&leave);
        std::thread::spawn(move || {
            let done = publisher.run(&schedule, &stop, &progress);
            // Whoever does not listen any more needs no answer.
            let _ = tell.send(done);
            let _ = publisher.stay(&left);
        });
        Self { published, leave }
    }
    /// What was published, once that is over.
    fn ended(&self) -> Result<Option<Published>, Failure> {
        match self.published.try_recv() {
            Ok(done) => Ok(Some(done?)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err("the publisher broke".into()),
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.leave.store(true, Relaxed);
    }
}

impl Clients {
    fn start(plan: &Plan, ledger: &Arc<Ledger>, mark: &Mark) -> io::Result<Self> {
        let pulse = Arc::new(Pulse::new(plan.topics));
        let (stop, messages) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let target = Arc::new(plan.target.clone());
        let mut threads = Vec::new();
        for first in 0..plan.threads {
            let ramp = plan.crowd.ramp / f64::from(plan.threads);
            let crowd = Crowd { first, step: plan.threads, ramp, ..plan.crowd.clone() };
            let mut swarm = Swarm::new(Arc::clone(&target), crowd, Arc::clone(ledger), mark.clone(), Arc::clone(&pulse))?;
            let (stop, messages) = (Arc::clone(&stop), Arc::clone(&messages));
            threads.push(std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    swarm.turn(LOOK)?;
                }
                Ok(swarm.finish(messages.load(Relaxed)))
            }));
        }
        Ok(Self { asked: plan.crowd.end, pulse, stop, messages, threads })
    }
    /// Until everybody is in or has failed.
    async fn gather(&self, progress: &ProgressBar, interrupted: &AtomicBool) {
        let mut ticks = interval(LOOK);
        loop {
            ticks.tick().await;
            let (subscribed, failed) = (self.pulse.subscribed.load(Relaxed), self.pulse.failed.load(Relaxed));
            progress.set_message(format!("{subscribed} of {} subscribed, {failed} failed", self.asked));
            let hopeless = subscribed == 0 && failed >= HOPELESS;
            let broken = self.threads.iter().any(JoinHandle::is_finished);
            if subscribed + failed >= self.asked || hopeless || broken || interrupted.load(Relaxed) {
                return;
            }
        }
    }
    async fn look(&self, progress: &ProgressBar, cost: &mut Cost) {
        sleep(LOOK).await;
        cost.sample();
        let (messages, delivered) = (self.messages.load(Relaxed), self.pulse.delivered.load(Relaxed));
        let ended = self.pulse.ended.load(Relaxed);
        progress.set_message(format!("{messages} messages published, {delivered} delivered, {ended} clients cut off"));
    }
    /// Until everything has come, or nothing comes any more.
    async fn drain(&self, ledger: &Ledger, messages: usize, grace: Duration, progress: &ProgressBar, cost: &mut Cost) {
        let published = self.messages.load(Relaxed);
        let expected: u64 = match messages {
            0 => 0,
            _ => (0..ledger.topics()).map(|topic| wanted(ledger, &self.pulse, published, topic)).sum(),
        };
        let (mut last, mut quiet_since) = (self.pulse.delivered.load(Relaxed), Instant::now());
        while last < expected && quiet_since.elapsed() < grace {
            self.look(progress, cost).await;
            let delivered = self.pulse.delivered.load(Relaxed);
            if delivered > last {
                (last, quiet_since) = (delivered, Instant::now());
            }
        }
        sleep(SETTLE).await;
    }
    /// Ends all clients; what they saw of the first `messages`, added up.
    fn finish(self, messages: usize) -> Result<Tally, Failure> {
        self.messages.store(messages, Relaxed);
        self.stop.store(true, Relaxed);
        let mut all: Option<Tally> = None;
        for thread in self.threads {
            let tally = thread.join().map_err(|_| "a thread of clients broke")??;
            match &mut all {
                Some(all) => all.add(tally),
                None => all = Some(tally),
            }
        }
        Ok(all.unwrap_or_default())
    }
}
