//! A request in hand: counted from its head to the last byte of its answer, so that a stopping edge knows what it must still wait for.

use std::{
    cell::RefCell,
    error::Error as StdError,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{
    ConnectionType, HttpMessage as _, Payload, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    error::PayloadError,
    h1,
};
use bytes::Bytes;
use futures::Stream;

use super::server::{AtWork, Shared};

/// Counts what `answer` answers. While the edge stops, it is its connection's last.
pub(crate) fn attend<F, R, B, E>(
    shared: &Arc<Shared>,
    unread: Unread,
    answer: F,
) -> impl Future<Output = Result<Response<Attended>, E>> + use<F, R, B, E>
where
    F: Future<Output = Result<R, E>>,
    R: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let (shared, at_work) = (shared.clone(), shared.at_work());
    async move {
        let mut response: Response<B> = answer.await?.into();
        if shared.is_stopping() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(response.map_body(|_, body| Attended { body: body.boxed(), unread, at_work }))
    }
}

/// A body that is waited for.
pub(crate) struct Attended {
    body: BoxBody,
    unread: Unread,
    at_work: AtWork,
}

/// A body without a length, held until its answer is out. What is left of one that nobody holds would be read on, without a deadline, and its
/// connection kept for ever; of one that is held, the connection is closed.
pub(crate) struct Unread {
    _held: Option<Held>,
}

impl Unread {
    pub(crate) fn of(request: &mut Request) -> Self {
        if !request.chunked().unwrap_or(false) {
            return Self { _held: None };
        }
        let held = match request.take_payload() {
            Payload::H1 { payload } => Held(Rc::new(RefCell::new(payload))),
            other => {
                *request.payload() = other;
                return Self { _held: None };
            }
        };
        *request.payload() = Payload::Stream { payload: Box::pin(held.clone()) };
        Self { _held: Some(held) }
    }
}

#[derive(Clone)]
struct Held(Rc<RefCell<h1::Payload>>);

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

impl MessageBody for Attended {
    type Error = Box<dyn StdError>;
    fn size(&self) -> BodySize {
        self.body.size()
    }
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().body.as_pin_mut().poll_next(cx)
    }
    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, unread, at_work } = self;
        body.try_into_bytes().map_err(|body| Self { body, unread, at_work })
    }
}
