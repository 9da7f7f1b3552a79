//! Why a client did not get in, or did not stay: in words for whoever runs the load.

use std::io;

use super::scanner::Garbled;
use crate::client::CableError;

/// Why a client did not get in, or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody answers there, or there is no port left to ask from.
    #[error("the server cannot be reached: {0}")]
    Unreachable(io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The certificate is not trusted, or what came is no TLS.
    #[error("TLS failed: {0}")]
    Sealed(#[from] rustls::Error),
    /// An HTTP answer that is no upgrade.
    #[error("the server refused the upgrade: {0}")]
    Refused(String),
    /// Whoever answered does not know the handshake.
    #[error("the server's Sec-WebSocket-Accept is wrong")]
    Accept,
    /// Another subprotocol than the one that was meant.
    #[error("the server selected the subprotocol {selected} of those offered ({offered})")]
    Subprotocol {
        /// What the handshake offered.
        offered: String,
        /// What the server took.
        selected: String,
    },
    /// No WebSocket server sends this.
    #[error("the server sent {0}")]
    Garbled(#[from] Garbled),
    /// The cable said no, or ended.
    #[error(transparent)]
    Cable(#[from] CableError),
    /// A close frame without a word before it.
    #[error("the server closed with {code} {reason}")]
    Closed {
        /// RFC 6455's code; 1005 where there is none.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// It took too long.
    #[error("the server was silent for too long while {0}")]
    Silent(&'static str),
}
