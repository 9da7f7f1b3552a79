//! A livestream's link: what counts as one, which spellings mean the same, which platform and whose it is.
//!
//! Asked by whoever reads a draft, by the board and by moderation. Pure: never resolves a name, never opens a connection.

use std::fmt;

use serde::{Deserialize, Serialize};
use trunkline_protocol::Refusal;
use url::Url;

use super::stream::PlatformKey;

/// The longest link that is taken, in bytes: browsers stop at about as much.
pub const LINK_BYTES_MAX: usize = 2048;

/// A valid link: as it was written (trimmed), and the canonical spelling that names its entity (`streams.md` 4.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    written: Box<str>,
    canonical: Box<str>,
}

impl Link {
    /// Reads a link: an http or https URL, blanks around it forgiven.
    ///
    /// # Errors
    /// 422 with the contract's sentences: `Link can't be blank`, `Link must be a valid HTTP or HTTPS URL`.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let written = text.trim();
        if written.is_empty() {
            return Err(Refusal::field("link", "can't be blank"));
        }
        if written.len() > LINK_BYTES_MAX {
            return Err(Refusal::field("link", format!("is too long (maximum is {LINK_BYTES_MAX} characters)")));
        }
        let url = parse(written).ok_or_else(|| Refusal::field("link", "must be a valid HTTP or HTTPS URL"))?;
        Ok(Self { written: written.into(), canonical: canonical(&url).into() })
    }
    /// As it was written, without the blanks around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
    /// The spelling that all spellings of this link share: `twitch.tv/example`.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
    /// The host in lower case, without `www.`.
    #[must_use]
    pub fn host(&self) -> &str {
        let end = self.canonical.find(['/', '?']).unwrap_or(self.canonical.len());
        let host = &self.canonical[..end];
        match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        }
    }
    /// The platform that its host belongs to.
    #[must_use]
    pub fn platform(&self) -> Option<PlatformKey> {
        platform_of(self.host())
    }
    /// Whose page it is, where the path says so (`twitch.tv/<name>`, `tiktok.com/@<name>/live`).
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        let start = self.canonical.find(['/', '?'])?;
        let (path, query) = self.canonical[start..].split_once('?').unwrap_or((&self.canonical[start..], ""));
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let platform = self.platform()?;
        let Some(first) = parts.next() else {
            // The player's own address: `player.twitch.tv/?channel=<name>`.
            let channel = query.split('&').find_map(|pair| pair.strip_prefix("channel="));
            return channel.filter(|name| platform == PlatformKey::Twitch && !name.is_empty());
        };
        let name = match platform {
            PlatformKey::Twitch if TWITCH_FRAMES.contains(&first) => parts.next()?,
            PlatformKey::Twitch if !TWITCH_PAGES.contains(&first) => first,
            PlatformKey::Instagram if first == "stories" => parts.next()?,
            PlatformKey::Kick if !KICK_PAGES.contains(&first) => first,
            PlatformKey::Instagram if !INSTAGRAM_PAGES.contains(&first) => first,
            PlatformKey::Facebook if !FACEBOOK_PAGES.contains(&first) && !first.ends_with(".php") => first,
            PlatformKey::TikTok => first.strip_prefix('@')?,
            PlatformKey::YouTube => match first {
                "c" | "user" => parts.next()?,
                _ => first.strip_prefix('@')?,
            },
            _ => return None,
        };
        (!name.is_empty()).then_some(name)
    }
}
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

// First words of a path that are pages of the platform and nobody's name.
const TWITCH_PAGES: [&str; 8] = ["videos", "directory", "clip", "embed", "p", "settings", "search", "downloads"];
// Pages of the platform that show somebody's: the name follows.
const TWITCH_FRAMES: [&str; 3] = ["popout", "moderator", "u"];
const KICK_PAGES: [&str; 5] = ["video", "videos", "categories", "category", "browse"];
const INSTAGRAM_PAGES: [&str; 5] = ["p", "reel", "reels", "tv", "explore"];
const FACEBOOK_PAGES: [&str; 9] = ["watch", "videos", "groups", "events", "live", "share", "reel", "gaming", "story"];

/// The platform that a host (lower case) belongs to.
#[must_use]
pub fn platform_of(host: &str) -> Option<PlatformKey> {
    const HOSTS: [(&str, PlatformKey); 10] = [
        ("twitch.tv", PlatformKey::Twitch),
        ("youtube.com", PlatformKey::YouTube),
        ("youtu.be", PlatformKey::YouTube),
        ("tiktok.com", PlatformKey::TikTok),
        ("kick.com", PlatformKey::Kick),
        ("facebook.com", PlatformKey::Facebook),
        ("fb.watch", PlatformKey::Facebook),
        ("fb.com", PlatformKey::Facebook),
        ("instagram.com", PlatformKey::Instagram),
        ("instagr.am", PlatformKey::Instagram),
    ];
    HOSTS.iter().find(|(name, _)| belongs_to(host, name)).map(|(_, platform)| *platform)
}

fn belongs_to(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn parse(written: &str) -> Option<Url> {
    // Stricter than a browser, which forgives blanks inside, a missing `//` and a surplus `/`.
    if written.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (scheme, rest) = written.split_once("://")?;
    let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !http || rest.starts_with(['/', '\\']) {
        return None;
    }
    let url = Url::parse(written).ok()?;
    // A name may end in one dot, not in several: `0..` is a name to a browser, `0` a number.
    url.host_str().is_some_and(|host| !host.trim_matches('.').is_empty() && !host.ends_with("..")).then_some(url)
}

fn canonical(url: &Url) -> String {
    let mut host = url.host_str().unwrap_or_default().trim_end_matches('.');
    // `www.com` is a name of its own.
    while let Some(rest) = host.strip_prefix("www.").filter(|rest| rest.contains('.') && !rest.starts_with('.')) {
        host = rest;
    }
    let path = url.path().trim_end_matches('/');
    let query = url.query().filter(|query| !query.is_empty() && !belongs_to(host, "tiktok.com"));
    let mut text = String::with_capacity(host.len() + path.len() + query.map_or(0, |q| q.len() + 1) + 6);
    text.push_str(host);
    if let Some(port) = url.port().filter(|port| !matches!(port, 80 | 443)) {
        text.push_str(&format!(":{port}"));
    }
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical_of(text: &str) -> String {
        Link::read(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}")).canonical().to_owned()
    }

    #[test]
    fn knows_the_spellings_of_one_link() {
        for (written, canonical) in [
            ("https://twitch.tv/example", "twitch.tv/example"),
            ("  http://WWW.Twitch.tv/example/  ", "twitch.tv/example"),
            ("HTTPS://www.twitch.tv/example//", "twitch.tv/example"),
            ("https://www.twitch.tv/Example", "twitch.tv/Example"),
            ("https://www.youtube.com/watch?v=AbC", "youtube.com/watch?v=AbC"),
            ("https://youtube.com/watch/?v=AbC#t=1", "youtube.com/watch?v=AbC"),
            ("https://www.tiktok.com/@a/live?lang=en", "tiktok.com/@a/live"),
            ("https://m.tiktok.com/@a/live?lang=en", "m.tiktok.com/@a/live"),
            ("https://nottiktok.com/@a/live?lang=en", "nottiktok.com/@a/live?lang=en"),
            ("https://www.com/", "www.com"),
            ("https://example.com:443/x", "example.com/x"),
            ("https://example.com:8443/x", "example.com:8443/x"),
            ("https://user:secret@example.com./x?", "example.com/x"),
            ("https://münchen.example/ö", "xn--mnchen-3ya.example/%C3%B6"),
            ("http://[::1]:7070/", "[::1]:7070"),
        ] {
            assert_eq!(canonical_of(written), canonical, "{written}");
        }
    }

    #[test]
    fn refuses_what_is_no_link_with_the_contracts_sentence() {
        for blank in ["", "   ", "\t\n"] {
            assert_eq!(Link::read(blank).expect_err(blank).to_string(), "Link can't be blank");
        }
        for bad in [
            "https://",
            "javascript:alert(1)",
            "ftp://kick.com/x",
            "not a url",
            "https://exa mple.com/x",
            "//twitch.tv/x",
            "twitch.tv/x",
            "http:twitch.tv/x",
            "https:///twitch.tv",
            "https://twitch.tv/a b",
            "https://.",
            "https://0../x",
            "https://twitch.tv/\u{0}x",
        ] {
            assert_eq!(Link::read(bad).expect_err(bad).to_string(), "Link must be a valid HTTP or HTTPS URL", "{bad}");
        }
        assert!(Link::read(&format!("https://a.example/{}", "x".repeat(LINK_BYTES_MAX))).is_err());
    }

    #[test]
    fn knows_the_platform_and_whose_page_it_is() {
        for (link, platform, name) in [
            ("https://www.twitch.tv/metrolens", Some(PlatformKey::Twitch), Some("metrolens")),
            ("https://www.twitch.tv/videos/123", Some(PlatformKey::Twitch), None),
            ("https://www.twitch.tv/popout/metrolens/chat", Some(PlatformKey::Twitch), Some("metrolens")),
            ("https://player.twitch.tv/?parent=x&channel=metrolens", Some(PlatformKey::Twitch), Some("metrolens")),
            ("https://kick.com/?channel=metrolens", Some(PlatformKey::Kick), None),
            ("https://www.instagram.com/stories/openangle/1", Some(PlatformKey::Instagram), Some("openangle")),
            ("https://www.tiktok.com/@valleyangle_tv/live", Some(PlatformKey::TikTok), Some("valleyangle_tv")),
            ("https://www.youtube.com/watch?v=mLh", Some(PlatformKey::YouTube), None),
            ("https://www.youtube.com/@somebody/live", Some(PlatformKey::YouTube), Some("somebody")),
            ("https://youtu.be/mLh", Some(PlatformKey::YouTube), None),
            ("https://kick.com/truewire", Some(PlatformKey::Kick), Some("truewire")),
            ("https://www.facebook.com/quietcam/videos/6460", Some(PlatformKey::Facebook), Some("quietcam")),
            ("https://www.facebook.com/watch?v=1", Some(PlatformKey::Facebook), None),
            ("https://www.instagram.com/openangle_irl/live", Some(PlatformKey::Instagram), Some("openangle_irl")),
            ("https://example.com/somebody", None, None),
            ("https://faketwitch.tv/somebody", None, None),
            ("https://twitch.tv", Some(PlatformKey::Twitch), None),
        ] {
            let link = Link::read(link).expect("a link");
            assert_eq!((link.platform(), link.user_name()), (platform, name), "{link}");
        }
        assert_eq!(Link::read("http://[::1]:7070/x").expect("a link").host(), "[::1]");
    }

    proptest! {
        #[test]
        fn never_panics_whatever_is_sent(text in "\\PC*") {
            let _ = Link::read(&text);
        }

        #[test]
        fn says_the_same_of_a_link_and_of_its_canonical_spelling(
            text in "(http|https|HTTP)://(www\\.){0,2}[a-zA-Z0-9.-]{1,20}(:[0-9]{1,5})?(/[ -~]{0,12}){0,3}(\\?[ -~]{0,8})?",
        ) {
            if let Ok(link) = Link::read(&text) {
                let again = Link::read(&format!("https://{}", link.canonical())).expect("a canonical link is a link");
                prop_assert_eq!(again.canonical(), link.canonical());
                let _ = (link.host(), link.platform(), link.user_name());
            }
        }
    }
}
