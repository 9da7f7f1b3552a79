//! The closed words of a stream: its status, platform, kind and orientation, with every spelling that clients use.
//!
//! Spoken by drafts, rows and filters. What is written is read in any casing; what is said is one spelling (`streams.md` C7, C9, 4.4).

use serde::{Deserialize, Serialize};

/// What was last found out about a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Status {
    Checking,
    Live,
    Offline,
    #[default]
    Unknown,
    Error,
}

impl Status {
    /// Every status, with its key and its name on the wall.
    pub const ALL: [(Status, &'static str, &'static str); 5] = [
        (Status::Checking, "checking", "Checking"),
        (Status::Live, "live", "Live"),
        (Status::Offline, "offline", "Offline"),
        (Status::Unknown, "unknown", "Unknown"),
        (Status::Error, "error", "Error"),
    ];
    /// Reads a key in any casing.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, key, _)| key.eq_ignore_ascii_case(text.trim())).map(|(status, ..)| *status)
    }
    /// The key, lower-case: what the API says.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL[self as usize].1
    }
    /// The name on the wall: `Live`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Where a stream is shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the platforms' own")]
pub enum PlatformKey {
    Twitch,
    YouTube,
    TikTok,
    Kick,
    Facebook,
    Instagram,
    Unknown,
}

impl PlatformKey {
    /// Every platform, with its key and its display name.
    pub const ALL: [(PlatformKey, &'static str, &'static str); 7] = [
        (PlatformKey::Twitch, "twitch", "Twitch"),
        (PlatformKey::YouTube, "youtube", "YouTube"),
        (PlatformKey::TikTok, "tiktok", "TikTok"),
        (PlatformKey::Kick, "kick", "Kick"),
        (PlatformKey::Facebook, "facebook", "Facebook"),
        (PlatformKey::Instagram, "instagram", "Instagram"),
        (PlatformKey::Unknown, "unknown", "Unknown"),
    ];
    /// The key, lower-case.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL[self as usize].1
    }
    /// The display name: `YouTube`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// A platform in the spelling that was accepted: clients are answered in the one they used (`streams.md` C9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Platform {
    /// Which.
    pub key: PlatformKey,
    /// Spelled `Twitch` rather than `twitch`.
    pub named: bool,
}

impl Platform {
    /// Reads a display name or a key; any other casing counts as the key.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (key, _, name) = PlatformKey::ALL.iter().find(|(_, key, _)| key.eq_ignore_ascii_case(text))?;
        Some(Self { key: *key, named: *name == text })
    }
    /// As it is said.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        if self.named { self.key.name() } else { self.key.key() }
    }
}

/// What a wall does with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum StreamKind {
    #[default]
    Video,
    Web,
    Overlay,
    Background,
}

impl StreamKind {
    /// Every kind, with its key.
    pub const ALL: [(StreamKind, &'static str); 4] = [
        (StreamKind::Video, "video"),
        (StreamKind::Web, "web"),
        (StreamKind::Overlay, "overlay"),
        (StreamKind::Background, "background"),
    ];
    /// Reads a key in any casing; `livestream` and `stream` are video.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("livestream") || text.eq_ignore_ascii_case("stream") {
            return Some(Self::Video);
        }
        Self::ALL.iter().find(|(_, key)| key.eq_ignore_ascii_case(text)).map(|(kind, _)| *kind)
    }
    /// The key.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Which way the picture stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Orientation {
    Vertical,
    Horizontal,
}

impl Orientation {
    /// Reads a key, a letter or a photographer's word, in any casing.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "vertical" | "v" | "portrait" => Some(Self::Vertical),
            "horizontal" | "h" | "landscape" => Some(Self::Horizontal),
            _ => None,
        }
    }
    /// The key.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Vertical => "vertical",
            Self::Horizontal => "horizontal",
        }
    }
    /// The letter on the wall.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Vertical => "V",
            Self::Horizontal => "H",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_word_at_its_own_place_in_its_table() {
        for (status, key, name) in Status::ALL {
            assert_eq!((status.key(), status.name(), Status::read(name)), (key, name, Some(status)));
        }
        for (platform, key, name) in PlatformKey::ALL {
            assert_eq!((platform.key(), platform.name()), (key, name));
        }
        for (kind, key) in StreamKind::ALL {
            assert_eq!(kind.key(), key);
        }
    }

    #[test]
    fn echoes_the_spelling_of_a_platform_that_it_accepted() {
        for (sent, said) in
            [("Twitch", "Twitch"), ("twitch", "twitch"), ("TWITCH", "twitch"), ("YouTube", "YouTube"), ("Youtube", "youtube")]
        {
            assert_eq!(Platform::read(sent).map(Platform::as_str), Some(said), "{sent}");
        }
        assert_eq!(Platform::read("vimeo"), None);
    }
}
