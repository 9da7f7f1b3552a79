//! ActionCable frames, exactly: what a client may say and what the hub answers (`cable.md` section 1).
//!
//! Pure functions over text: the edge calls them for every frame, the load tool and the fuzz targets call the same ones.
//! Nothing here is an error towards a client: what cannot be read is [`Ignored`], as `cable.md` 1.6.7 asks.

pub mod extended;
pub mod events;
pub mod publication;
mod identifier;
mod reading;
mod writing;

pub use events::Events;
pub use identifier::Identifier;
pub use reading::{ClientFrame, Data, Ignored};
pub use writing::{DisconnectReason, Position, ServerFrame};

/// What client and server agreed to speak. Offers are matched in the client's order (`cable.md` 1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subprotocol {
    /// `actioncable-v1-json`; also what a client speaks that offers nothing.
    Base,
    /// `actioncable-v1-ext-json`: resume, positions, history, presence keepalive.
    Extended,
    /// `actioncable-unsupported`: selected, it tells the client to give up.
    Unsupported,
    /// Server-sent events; never negotiated, only ever read.
    Events(Events),
}

impl Subprotocol {
    const SUPPORTED: [(Subprotocol, &'static str); 3] = [
        (Subprotocol::Base, "actioncable-v1-json"),
        (Subprotocol::Extended, "actioncable-v1-ext-json"),
        (Subprotocol::Unsupported, "actioncable-unsupported"),
    ];
    /// Its name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::SUPPORTED.iter().find(|(protocol, _)| *protocol == self).map_or("", |(_, name)| name)
    }
    /// The first of the client's offers that the hub supports; `None`: the answer names none, and the base protocol is spoken.
    pub fn select<'a>(offers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offers.into_iter().find_map(|offer| {
            let offer = offer.trim();
            Self::SUPPORTED.iter().find(|(_, name)| *name == offer).map(|(protocol, _)| *protocol)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_the_first_offer_it_supports_and_never_an_extra_one() {
        assert_eq!(Subprotocol::select(["actioncable-v1-json", "actioncable-unsupported"]), Some(Subprotocol::Base));
        assert_eq!(Subprotocol::select(["x", " actioncable-v1-ext-json", "actioncable-v1-json"]), Some(Subprotocol::Extended));
        assert_eq!(Subprotocol::select(["actioncable-unsupported", "actioncable-v1-json"]), Some(Subprotocol::Unsupported));
        assert_eq!(Subprotocol::select(["anycable-token.abc", "chat"]), None);
        assert_eq!(Subprotocol::select([]), None);
    }
}
