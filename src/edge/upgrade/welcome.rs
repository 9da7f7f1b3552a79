//! A client whose handshake is answered: named when it is its turn, then welcomed, welcomed back, or sent away with the reason. From here on it is
//! an entry of its core, with a task of its own.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, poll};
use tokio::time::timeout;
use tracing::debug;
use trunkline_protocol::{
    ConnectionId, Principal,
    cable::{ServerFrame, Subprotocol},
};

use crate::edge::{
    connection::{self, Client, Dialect, Farewell, Session},
    gateway::{Core, Pace, Passage},
    identify::{Handshake, Unidentified},
    socket::{Link, append_text},
    tickets::Kept,
};

/// How long naming a client may take; then it is sent away and comes back.
pub(crate) const IDENTIFY_DEADLINE: Duration = Duration::from_secs(5);
/// How long it may take until it is a client's turn, and it is named.
const ARRIVE_DEADLINE: Duration = Duration::from_secs(10);
/// How long those behind it wait for one that cannot be named at once.
const TURN_MAX: Duration = Duration::from_millis(100);

/// What has been said already: by us, and not yet sent; by the client, and not yet read.
pub(super) struct Said {
    pub out: Vec<u8>,
    pub unread: Bytes,
}

/// Names the client when it is its turn, or takes up the connection that it lost, then makes it an entry of this core. Commands that came
/// earlier wait, unread; our own answer waits for the first frame, so that both go out at once. What few clients need is boxed: every byte of this
/// future is copied for each of them.
pub(super) async fn welcome(core: Rc<Core>, link: Link, handshake: Handshake, dialect: Dialect, said: Said) {
    let handshake = Arc::new(handshake);
    let arriving = async {
        let turn = core.turnstiles.arrive().await;
        let mut naming = pin!(identify(&core, &handshake, dialect.speaks));
        match poll!(naming.as_mut()) {
            Poll::Ready(named) => named,
            Poll::Pending => Box::pin(overtaken(turn, naming)).await,
        }
    };
    let (named, kept) = timeout(ARRIVE_DEADLINE, arriving).await.unwrap_or((Err(Unidentified::Unavailable), None));
    let pace = Pace::asked(&handshake);
    drop(handshake);
    let Said { mut out, unread } = said;
    let speaks = dialect.speaks;
    let farewell = match named {
        Ok(who) => {
            let client = Rc::new(Client::new(link, ConnectionId::random(), who, dialect));
            let greeting = match kept {
                Some(kept) => {
                    client.link.send(out.into());
                    Box::pin(resume(&core, &client, kept)).await;
                    None
                }
                None => Some(out),
            };
            // What the client has asked for already is answered in the same write.
            let _until_it_waits = client.link.cork();
            if let Some(out) = greeting {
                greet(&core, &client, out, None);
            }
            if let Some(pace) = pace {
                core.keep_pace(&client, pace);
            }
            // A task of its own: this one is larger than a connection may be.
            begin(Session::new(core, client.clone(), unread));
            return;
        }
        Err(Unidentified::Unauthorized) => Farewell::UNAUTHORIZED,
        // Base clients know no other word for it (`streams.md` 8.1).
        Err(Unidentified::TokenExpired) if speaks == Subprotocol::Extended => Farewell::TOKEN_EXPIRED,
        Err(Unidentified::TokenExpired) => Farewell::UNAUTHORIZED,
        Err(Unidentified::VouchExpired) => Farewell::TOKEN_EXPIRED,
        Err(Unidentified::Nameless) => Farewell::NAMELESS,
        Err(Unidentified::Unavailable) => Farewell::SERVER_RESTART,
    };
    debug!(?farewell, "client not let in");
    out.extend_from_slice(&farewell.frames());
    link.send_last(out.into());
    Box::pin(refuse(link)).await;
    core.gone();
}

/// Goes as far as can be gone without waiting; most have nothing to wait for, and no task is made of those.
pub(super) fn begin(mut work: impl Future<Output = ()> + Unpin + 'static) {
    if (&mut work).now_or_never().is_none() {
        actix_rt::spawn(work);
    }
}

/// Others wait for one who has to be asked about elsewhere, but not for long.
async fn overtaken<T>(turn: Passage, mut naming: Pin<&mut impl Future<Output = T>>) -> T {
    match timeout(TURN_MAX, naming.as_mut()).await {
        Ok(named) => named,
        Err(_) => {
            drop(turn);
            naming.await
        }
    }
}

/// Who it is; and what it had, where it takes up a connection.
async fn identify(
    core: &Core,
    handshake: &Arc<Handshake>,
    speaks: Subprotocol,
) -> (Result<Principal, Unidentified>, Option<Vec<Kept>>) {
    let ticket = match speaks {
        Subprotocol::Extended => Box::pin(connection::find(core, handshake)).await,
        Subprotocol::Base | Subprotocol::Unsupported | Subprotocol::Events(_) => None,
    };
    match ticket {
        Some(ticket) => (Ok(ticket.who), Some(ticket.subscriptions)),
        None => (name(core, handshake).await, None),
    }
}

async fn name(core: &Core, handshake: &Handshake) -> Result<Principal, Unidentified> {
    let named = timeout(IDENTIFY_DEADLINE, core.shared().identify.identify(core.hub(), handshake)).await;
    named.unwrap_or(Err(Unidentified::Unavailable))
}

/// The first frame, behind what has not been sent yet; `restored`: what the client has again, where it took up a connection.
fn greet(core: &Core, client: &Rc<Client>, mut out: Vec<u8>, restored: Option<&[&str]>) {
    let sid = (client.speaks == Subprotocol::Extended).then(|| client.id.to_string());
    append_text(&mut out, &ServerFrame::Welcome { sid: sid.as_deref(), restored });
    client.link.send(out.into());
    if client.slot.get() == u32::MAX {
        core.join(client);
    }
}

/// Welcomes a client back. Seat, topics, welcome: nothing is heard between them. Where no channel grants anything any more, the client
/// begins anew: an empty list would tell it that it has everything.
async fn resume(core: &Rc<Core>, client: &Rc<Client>, kept: Vec<Kept>) {
    let had_nothing = kept.is_empty();
    core.expect(client);
    let readmitted = connection::readmit(core, client, kept).await;
    core.join(client);
    let identifiers = core.reattach(client, readmitted);
    let restored: Vec<&str> = identifiers.iter().map(|identifier| identifier.json()).collect();
    greet(core, client, Vec::new(), (had_nothing || !restored.is_empty()).then_some(&restored));
    core.stats().resumed();
    let (hall, client) = (core.clone(), client.clone());
    core.outlive(async move {
        for identifier in identifiers {
            // It may have left meanwhile, or gone: of that the channel has been told.
            if client.stands(&identifier) {
                connection::joined(&hall, &client, &identifier).await;
            }
        }
    });
}

/// Drains a last answer, says that it was the last, and waits a moment for the other side to have read it.
pub(super) async fn refuse(link: Link) {
    let _ = timeout(Duration::from_secs(2), async {
        futures::future::poll_fn(|cx| link.poll_drain(cx)).await?;
        futures::future::poll_fn(|cx| link.poll_shutdown(cx)).await?;
        let mut scratch = [0; 1024];
        while futures::future::poll_fn(|cx| link.poll_read(cx, &mut scratch)).await? > 0 {}
        Ok::<_, std::io::Error>(())
    })
    .await;
}
