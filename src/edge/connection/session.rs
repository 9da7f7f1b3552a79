//! The one small task of a connection: reads, obeys in order, drains, and says goodbye.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::tungstenite::{
    Error as WsError, Message,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext, frame::Utf8Bytes},
};

use super::{
    Client, Farewell,
    budget::Budget,
    commands,
    inbound::{Inbound, poll_discard, yield_to_others},
    inflating::{Inflating, Unreadable},
    keep,
};
use crate::edge::{
    gateway::Core,
    socket::{BINARY, TEXT, message_frame},
};

/// Commands read ahead of the one that is being obeyed; beyond it nothing is read, and TCP tells the client.
const READ_AHEAD: usize = 16;
/// Commands obeyed in one go before others on this core get their turn.
const TURNS: usize = 32;
/// How often the socket is asked for more before others get their turn: once for what is there, once to be told that it was all.
const ASKS: u8 = 2;
/// How long the peer has to read the farewell and close its side.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection's task. Ends when the connection has ended; on the way out every subscription is left.
pub(crate) struct Session {
    core: Rc<Core>,
    client: Rc<Client>,
    websocket: WebSocketContext,
    unread: Bytes,
    inflating: Option<Box<Inflating>>,
    waiting: VecDeque<Utf8Bytes>,
    obeying: Option<LocalBoxFuture<'static, ()>>,
    budget: Budget,
    pause: Option<Pin<Box<Sleep>>>,
    phase: Phase,
    /// What it says comes back to it, and that is all.
    echo: bool,
}

enum Phase {
    /// Reading and obeying.
    Open,
    /// Nothing more is read; what was read is obeyed, then this is said.
    Ending(Farewell),
    /// The peer is gone without a word; what was read is obeyed.
    Lost,
    /// Said; the rest is drained and the peer's end awaited.
    Closing { until: Pin<Box<Sleep>>, silent: bool },
}

impl Session {
    /// A welcomed client's task; `unread` is what it said behind its handshake.
    pub(crate) fn new(core: Rc<Core>, client: Rc<Client>, unread: Bytes) -> Self {
        let bytes_max = Some(core.config().frame_bytes_max);
        let mut inflating = client.deflates.then(|| Box::new(Inflating::new(core.config().frame_bytes_max)));
        let unread = match &mut inflating {
            Some(inflating) => {
                inflating.take(&unread);
                Bytes::new()
            }
            None => unread,
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(0)
            .write_buffer_size(0)
            .max_message_size(bytes_max)
            .max_frame_size(bytes_max);
        Self {
            core,
            client,
            websocket: WebSocketContext::new(Role::Server, Some(config)),
            unread,
            inflating,
            waiting: VecDeque::new(),
            obeying: None,
            budget: Budget::full(),
            pause: None,
            phase: Phase::Open,
            echo: false,
        }
    }
    /// The task of a client that is told what it says, and nothing else.
    pub(crate) fn echoing(core: Rc<Core>, client: Rc<Client>, unread: Bytes) -> Self {
        let mut session = Self::new(core, client, unread);
        session.echo = true;
        session
    }

    /// Obeys what was read, in order. Ready when all of it is done.
    fn poll_obey(&mut self, cx: &mut Context<'_>, turns: &mut usize) -> Poll<()> {
        loop {
            if let Some(obeying) = &mut self.obeying {
                match obeying.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.obeying = None,
                }
            }
            // A client that is sent away is not obeyed any further: what it asked for will be asked again.
            if self.client.dismissed().is_some() {
                self.waiting.clear();
            }
            let Some(text) = self.waiting.pop_front() else {
                if self.waiting.capacity() > 0 {
                    self.waiting = VecDeque::new();
                }
                return Poll::Ready(());
            };
            if *turns == 0 {
                self.waiting.push_front(text);
                yield_to_others(cx);
                return Poll::Pending;
            }
            *turns -= 1;
            self.obeying = commands::begin(&self.core, &self.client, &text);
        }
    }

    /// Reads one message. Ready(false): nothing more will come.
    fn poll_read(&mut self, cx: &mut Context<'_>, asks: &mut u8) -> Poll<bool> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        if let Err(wait) = self.budget.take() {
            self.pause = Some(Box::pin(sleep(wait)));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut inbound =
            Inbound { link: &self.client.link, unread: &mut self.unread, inflating: self.inflating.as_deref_mut(), asks, cx };
        let farewell = match self.websocket.read(&mut inbound) {
            Ok(message) if self.echo => {
                self.client.send_back(&message);
                return Poll::Ready(true);
            }
            Ok(Message::Text(text)) => {
                self.waiting.push_back(text);
                return Poll::Ready(true);
            }
            // Binary is ignored; pongs and answers to a close are tungstenite's.
            Ok(_) => return Poll::Ready(true),
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.budget.give_back();
                return Poll::Pending;
            }
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => {
                // Behind our answer to its close nothing may follow (RFC 6455, 5.5.1), whatever is still being obeyed.
                self.client.link.send_last(Bytes::new());
                Farewell::ANSWERED
            }
            Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => return self.lost(),
            Err(WsError::Io(error)) => match error.get_ref().and_then(|error| error.downcast_ref()) {
                Some(Unreadable::Framing) => Farewell::broken(1002, "protocol error"),
                Some(Unreadable::Broken) => Farewell::broken(1007, "not deflated"),
                Some(Unreadable::TooLarge) => Farewell::broken(1009, "message too big"),
                None => return self.lost(),
            },
            Err(WsError::Capacity(_)) => Farewell::broken(1009, "message too big"),
            Err(WsError::Utf8(_)) => Farewell::broken(1007, "invalid UTF-8"),
            Err(_) => Farewell::broken(1002, "protocol error"),
        };
        self.client.silent.set(true);
        self.phase = Phase::Ending(farewell);
        Poll::Ready(false)
    }

    fn lost(&mut self) -> Poll<bool> {
        self.client.silent.set(true);
        self.phase = Phase::Lost;
        Poll::Ready(false)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (mut turns, mut asks) = (TURNS, ASKS);
        loop {
            let idle = self.poll_obey(cx, &mut turns).is_ready();
            if idle && let Some(farewell) = self.client.dismissed() {
                self.phase = Phase::Ending(farewell);
                return Poll::Ready(());
            }
            if self.waiting.len() >= READ_AHEAD || turns == 0 {
                if idle {
                    yield_to_others(cx);
                }
                return Poll::Pending;
            }
            match self.poll_read(cx, &mut asks) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => turns -= usize::from(turns > 0 && self.waiting.is_empty()),
                Poll::Ready(false) => return Poll::Ready(()),
            }
        }
    }
}

impl Session {
    /// Gives the seat back, and keeps for a client that was lost what it may come back for.
    fn depart(&mut self) {
        // Whom we send away begins anew; who was lost, or closed, may come back for what it had.
        let sent_away = matches!(self.phase, Phase::Ending(farewell) if farewell != Farewell::ANSWERED);
        let resumable = !sent_away && self.client.dismissed().is_none();
        depart(&self.core, &self.client, self.obeying.take(), resumable);
    }
}

/// Gives a client's seat back and leaves every confirmed subscription, whatever ended the connection; the command in hand is finished first.
pub(crate) fn depart(core: &Rc<Core>, client: &Rc<Client>, obeying: Option<LocalBoxFuture<'static, ()>>, resumable: bool) {
    if !core.leave(client) {
        return;
    }
    if resumable {
        keep(core, client);
    }
    if obeying.is_none() && client.subscriptions.borrow().len() == 0 {
        return;
    }
    let (at, client) = (core.clone(), client.clone());
    core.outlive(async move {
        if let Some(obeying) = obeying {
            obeying.await;
        }
        let subscriptions = client.subscriptions.borrow_mut().take();
        for subscription in subscriptions.into_iter().filter(|one| one.confirmed) {
            if let Some(topic) = subscription.attends() {
                at.hub().attendance().lose(topic, client.id);
            }
            commands::leave(&at, &client, &subscription.identifier).await;
            let identifier = subscription.identifier.clone();
            drop(subscription);
            at.forget(identifier);
        }
    });
}

impl Future for Session {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let client = this.client.clone();
        client.link.attend(cx.waker());
        let _until_it_waits = client.link.cork();
        this.advance(cx)
    }
}

impl Session {
    /// Goes on until it has to wait.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let drained = match self.client.link.poll_drain(cx) {
                Poll::Ready(Err(_)) if !matches!(self.phase, Phase::Lost) => {
                    self.phase = Phase::Lost;
                    continue;
                }
                Poll::Ready(_) => true,
                Poll::Pending => false,
            };
            match &mut self.phase {
                Phase::Open => {
                    if self.poll_open(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Phase::Ending(farewell) => {
                    let farewell = *farewell;
                    if self.poll_obey(cx, &mut TURNS.clone()).is_pending() {
                        return Poll::Pending;
                    }
                    self.depart();
                    self.client.link.send_last(farewell.frames());
                    self.phase = Phase::Closing { until: Box::pin(sleep(FAREWELL)), silent: false };
                }
                Phase::Lost => {
                    if self.poll_obey(cx, &mut TURNS.clone()).is_pending() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(());
                }
                Phase::Closing { until, silent } => {
                    if until.as_mut().poll(cx).is_ready() {
                        self.client.link.break_off();
                        return Poll::Ready(());
                    }
                    if drained && !*silent {
                        if self.client.link.poll_shutdown(cx).is_pending() {
                            return Poll::Pending;
                        }
                        *silent = true;
                    }
                    // Read to the end before closing: unread input would turn our close into a reset, and the farewell would be lost.
                    if poll_discard(&self.client.link, cx).is_pending() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.depart();
        self.core.gone();
    }
}

impl Client {
    fn send_back(&self, message: &Message) {
        let (kind, payload) = match message {
            Message::Text(text) => (TEXT, text.as_bytes()),
            Message::Binary(bytes) => (BINARY, &bytes[..]),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return,
        };
        self.link.send(message_frame(kind, payload, self.deflates));
    }
}
