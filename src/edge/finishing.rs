//! A request in hand: counted from its head to the last byte of its answer, so that a stopping edge knows what it must still wait for.

use std::{
    error::Error as StdError,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{
    ConnectionType, Response,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;

use super::server::{AtWork, Shared};

/// Counts what `answer` answers. While the edge stops, it is its connection's last.
pub(crate) fn attend<F, R, B, E>(
    shared: &Arc<Shared>,
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
        Ok(response.map_body(|_, body| Attended { body: body.boxed(), at_work }))
    }
}

/// A body that is waited for.
pub(crate) struct Attended {
    body: BoxBody,
    at_work: AtWork,
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
        let Self { body, at_work } = self;
        body.try_into_bytes().map_err(|body| Self { body, at_work })
    }
}
