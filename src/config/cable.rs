//! `[cable]`: applications' tokens, and how long the cable waits for clients that say nothing or are lost.

use std::time::Duration;

use trunkline_actors::PRESENCE_TTL;

use super::Section;
use crate::edge::{JidConfig, SESSION_TTL};

/// What a deployment may say of its cables.
#[derive(Clone, Debug)]
pub struct CableConfig {
    /// Applications vouch for their users with such tokens; `None`: nobody does.
    pub jid: Option<JidConfig>,
    /// Extended clients that say nothing for so long are sent away; `None`: they may be silent.
    pub pong_timeout: Option<Duration>,
    /// How long a lost connection may be taken up again.
    pub session_ttl: Duration,
    /// How long a lost connection counts as present.
    pub presence_ttl: Duration,
}

impl CableConfig {
    pub(super) fn read(cable: &mut Section<'_>) -> Self {
        let secret = cable.secret("jwt_secret", "jwt_secret_env");
        let (param, enforce) = (cable.text("jwt_param", "jid"), cable.flag("enforce_jwt", false));
        if param.is_empty() || !param.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            cable.mistake("jwt_param", &format!("is `{param}`, must be a word that can be a header's name"));
        }
        if enforce && secret.is_none() {
            cable.mistake("enforce_jwt", "lets nobody in without a `jwt_secret`");
        }
        let pong_timeout = cable.number("pong_timeout_s", 0, 0..=3600);
        if (1..4).contains(&pong_timeout) {
            cable.mistake("pong_timeout_s", "must be longer than the three seconds between pings, or 0");
        }
        Self {
            jid: secret.map(|secret| JidConfig { secret, param, enforce }),
            pong_timeout: (pong_timeout > 0).then(|| Duration::from_secs(pong_timeout)),
            session_ttl: cable.seconds("session_ttl_s", SESSION_TTL.as_secs(), 0..=86_400),
            presence_ttl: cable.seconds("presence_ttl_s", PRESENCE_TTL.as_secs(), 0..=3600),
        }
    }
}
