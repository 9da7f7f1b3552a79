//! How a stream is added: judged by moderation, then asked of the entity of its link, or answered with the one that is there.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher as _},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};
use trunkline_protocol::{CommandId, Position, Record, UserId, codec::kinds, limits::READ_YOUR_WRITES_DEADLINE};

use super::{LINKS_MAX, has_link, surroundings};
use crate::{
    AskError, Asking, Hub, Outcome,
    moderation::{self, Callable, Submission, Submitted},
    streams::{
        board::Board,
        stream::{DUPLICATE, Draft, LENT, Stream, StreamCommand, StreamFact, StreamField, rules},
    },
};

/// What a post came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Added {
    /// The stream: the new one, or the one that was there.
    pub id: u64,
    /// It is new.
    pub created: bool,
    /// From where it is seen; 0 where nothing was written.
    pub position: Position,
}

/// The wish to add a stream, as moderation makes it or keeps it for later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddStream(pub Draft);

impl Record for AddStream {
    const KIND: u16 = kinds::STREAM_CALL;
    const SCHEMA: u8 = 1;
}

impl Callable for AddStream {
    const NAME: &'static str = "streams.add";
    type Answer = Added;
    async fn make(self, hub: &Hub, asking: Asking) -> Result<Added, AskError> {
        add(hub, self.0, asking).await
    }
}

/// Submits a draft: judged by moderation, then added, or answered with the stream that is there already.
///
/// # Errors
/// 403; 422 `MODERATION_BLOCKED` and by 4.4; what [`Hub::ask`] may answer.
pub async fn submit(hub: &Hub, draft: Draft, asking: Asking) -> Result<Submitted<Added>, AskError> {
    rules::may_add(&asking.by)?;
    let submission = submission(&draft);
    moderation::submit(hub, &submission, AddStream(draft), asking).await
}

/// The draft as moderation judges it.
pub(in crate::streams) fn submission(draft: &Draft) -> Submission {
    let text = |field| draft.changes.text(field).map(str::to_owned);
    let words = [text(StreamField::Title), text(StreamField::Notes)];
    Submission {
        kind: Stream::SUBMISSION.to_owned(),
        url: Some(draft.link.as_str().to_owned()),
        canonical: Some(draft.link.canonical().to_owned()),
        text: words.into_iter().flatten().reduce(|title, notes| format!("{title}\n{notes}")),
        sha256: None,
        source: text(StreamField::Source),
        author: text(StreamField::PostedBy),
    }
}

/// Adds a stream, or answers with the active one of this link, or of this submitter's own id for it (`streams.md` 4.3).
///
/// # Errors
/// 403, 422 by 4.4; what [`Hub::ask`] may answer.
pub async fn add(hub: &Hub, mut draft: Draft, asking: Asking) -> Result<Added, AskError> {
    rules::may_add(&asking.by)?;
    let board = hub.projection::<Board>();
    let turnstiles = hub.provided::<Turnstiles>();
    let external_id = draft.changes.text(StreamField::ExternalId).map(Box::<str>::from);
    let _turn = match &external_id {
        Some(external_id) => Some(turnstiles.of_name(asking.by.user, external_id).await?),
        None => None,
    };
    let twin = board.active_with_link(draft.link.canonical());
    let namesake = || board.active_with_external_id(asking.by.user, external_id.as_deref()?);
    let (known, elsewhere) = match twin {
        Some(twin) => (Some(twin), false),
        None => (namesake(), true),
    };
    if let Some(known) = known {
        if !rules::would_fill(&known.stream, &draft, &asking) {
            return Ok(Added { id: known.stream.id, created: false, position: 0 });
        }
        if elsewhere || known.home != known.canonical {
            surroundings::resolve(hub, &mut draft.changes, draft.link.as_str(), &asking).await?;
            let command = StreamCommand::FillBlanks { id: known.stream.id, draft: Arc::new(draft) };
            let outcome = hub.ask::<Stream>(&known.home, command, asking).await?;
            return Ok(Added { id: known.stream.id, created: false, position: outcome.position });
        }
    }
    surroundings::resolve(hub, &mut draft.changes, draft.link.as_str(), &asking).await?;
    let added = ask_to_add(hub, &board, &turnstiles, Arc::new(draft), asking).await?;
    if external_id.is_some() && added.position > 0 {
        // The next one through the turnstile must find it on the board.
        hub.seen(added.position).await?;
    }
    Ok(added)
}

async fn ask_to_add(
    hub: &Hub,
    board: &Board,
    turnstiles: &Turnstiles,
    draft: Arc<Draft>,
    asking: Asking,
) -> Result<Added, AskError> {
    let id = hub.next_id("streams").await?;
    let (mut turn, mut reclaim, mut step) = (None, None, 0);
    loop {
        let add = StreamCommand::Add { id, draft: Arc::clone(&draft), reclaim };
        let command = if step == 0 { asking.command } else { CommandId::step(asking.command, step) };
        let refusal = match hub.ask::<Stream>(draft.link.canonical(), add, Asking { command, ..asking.clone() }).await {
            Ok(outcome) => return Ok(added(&outcome, id)),
            Err(AskError::Refused(refusal)) => refusal,
            Err(failure) => return Err(failure),
        };
        let subject = refusal.subject.as_deref().and_then(|id| id.parse::<u64>().ok());
        match (&*refusal.code, subject) {
            (DUPLICATE, Some(twin)) => {
                until_shown(board, twin).await?;
                return Ok(Added { id: twin, created: false, position: 0 });
            }
            (LENT, Some(borrower)) if step < LINKS_MAX => {
                // It may be on its way to the borrower just now: then the board shows it there, once it is our turn.
                if turn.is_none() {
                    turn = Some(turnstiles.of_link(draft.link.canonical()).await?);
                }
                if has_link(board, borrower, draft.link.canonical()) {
                    return Ok(Added { id: borrower, created: false, position: 0 });
                }
                reclaim = Some(borrower);
                step += 1;
            }
            _ => return Err(refusal.into()),
        }
    }
}

fn added(outcome: &Outcome<Stream>, id: u64) -> Added {
    let position = outcome.position;
    let told = outcome.facts.iter().find_map(|fact| match fact {
        StreamFact::StreamAdded { id, .. } => Some((*id, true)),
        StreamFact::BlanksFilled { id, .. } => Some((*id, false)),
        _ => None,
    });
    let (id, created) = told.unwrap_or((id, false));
    Added { id, created, position }
}

/// The twin that was in the way is durable, but the board may be a moment behind.
async fn until_shown(board: &Board, id: u64) -> Result<(), AskError> {
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(1);
    while board.kept(id).is_none() {
        if waited >= READ_YOUR_WRITES_DEADLINE {
            return Err(AskError::Deadline);
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}

/// One at a time of those who want the same. Per node: a submitter's posts come to one.
#[derive(Debug, Default)]
pub struct Turnstiles {
    /// A submitter's own id for a stream: two links under one id would otherwise be two streams.
    names: Turnstile,
    /// A link that one stream gives to another. Whoever holds a name may wait for a link, never the other way round.
    links: Turnstile,
}

impl Turnstiles {
    async fn of_name(&self, user: UserId, external_id: &str) -> Result<MutexGuard<'_, ()>, AskError> {
        self.names.pass((user, external_id)).await
    }
    /// Held while a link is lent and taken, or taken back.
    pub(super) async fn of_link(&self, canonical: &str) -> Result<MutexGuard<'_, ()>, AskError> {
        self.links.pass(canonical).await
    }
}

#[derive(Debug)]
struct Turnstile(Box<[Mutex<()>]>);

impl Default for Turnstile {
    fn default() -> Self {
        Self((0..Self::MANY).map(|_| Mutex::new(())).collect())
    }
}

impl Turnstile {
    /// So many that two who want different things seldom meet in one by accident.
    const MANY: usize = 4096;
    /// Whoever waits longer is told that too much is waiting.
    const PATIENCE: Duration = Duration::from_secs(5);

    async fn pass(&self, wanted: impl Hash) -> Result<MutexGuard<'_, ()>, AskError> {
        let mut hasher = DefaultHasher::new();
        wanted.hash(&mut hasher);
        let place = &self.0[(hasher.finish() % Self::MANY as u64) as usize];
        tokio::time::timeout(Self::PATIENCE, place.lock()).await.map_err(|_| AskError::Overloaded)
    }
}
