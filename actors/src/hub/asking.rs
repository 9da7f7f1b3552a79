//! How an ask finds the one actor that decides it: awake, or woken; and looked up again where that actor leaves meanwhile.

use std::fmt;

use tokio::{sync::oneshot, time::timeout};
use trunkline_protocol::{EntityId, RefusalKind, limits::ASK_DEADLINE};

use super::Hub;
use crate::{
    AskError, Asking, Entity, Outcome,
    engine::mailbox::{NotPosted, Resident as _, Wish},
};

/// How often an ask looks an entity up again that retires or dies under its hands.
const LOOKUPS_MAX: usize = 64;

impl Hub {
    /// Asks one entity; answered when what came of it is durable. To try again after a failure, ask with the same command id.
    ///
    /// # Errors
    /// [`AskError::Refused`] where a rule says no; the others where the world fails.
    pub async fn ask<E: Entity>(
        &self,
        key: impl fmt::Display + Send,
        command: E::Command,
        asking: Asking,
    ) -> Result<Outcome<E>, AskError> {
        let id = EntityId::new(E::KIND, key);
        let on_cable = asking.connection.map(|_| asking.by.clone());
        let answer = self.post::<E>(&id, command, asking).await?;
        match timeout(ASK_DEADLINE, answer).await {
            Ok(Ok(answer)) => {
                if let (Some(by), Err(AskError::Refused(refusal))) = (&on_cable, &answer)
                    && refusal.kind == RefusalKind::Forbidden
                    && let Some(denied) = &self.inner.denied
                {
                    denied(by, &id);
                }
                answer
            }
            Ok(Err(_)) => Err(AskError::Unavailable("it crashed before it answered".into())),
            Err(_) => Err(AskError::Deadline),
        }
    }
    async fn post<E: Entity>(
        &self,
        id: &EntityId,
        command: E::Command,
        asking: Asking,
    ) -> Result<oneshot::Receiver<Result<Outcome<E>, AskError>>, AskError> {
        let house = &self.inner.house;
        let (reply, answer) = oneshot::channel();
        let mut wish = Box::new(Wish::<E> { command, asking, reply: Some(reply), permit: None });
        for _ in 0..LOOKUPS_MAX {
            if !house.takes(E::KIND) {
                return Err(AskError::Unavailable(house.failed().unwrap_or_else(|| "the hub is closing".into())));
            }
            let mailbox = match house.directory.awake::<E>(id) {
                Some(mailbox) => mailbox,
                None => {
                    let resident =
                        house.resident(id).ok_or_else(|| AskError::Unavailable(format!("no {} is kept here", E::KIND)))??;
                    resident.as_any().downcast().map_err(|_| AskError::Unavailable(format!("two kinds are called {}", E::KIND)))?
                }
            };
            match mailbox.enter(house.elapsed_ms()) {
                Ok(permit) => wish.permit = Some(permit),
                Err(NotPosted::Overloaded) => return Err(AskError::Overloaded),
                Err(NotPosted::Gone) => {
                    // Its actor is about to take it out of the directory; the processor may have been taken from it before it could.
                    house.directory.forget(id, mailbox.actor());
                    continue;
                }
            }
            match mailbox.post(wish) {
                Ok(()) => return Ok(answer),
                Err(back) => {
                    wish = back;
                    house.crashed(id, mailbox.actor(), "its actor was gone");
                }
            }
        }
        Err(AskError::Unavailable("it retires and wakes too often".into()))
    }
}
