//! Whose page a link is: the platform and user name that its address tells.

use url::Url;

/// What a link's address tells of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkUser {
    /// The platform's key: `twitch`, `tiktok` …
    pub platform: &'static str,
    /// The user name, lower-case, without `@`.
    pub username: String,
}

/// The platform of a host, by its key; `None` for hosts of no platform.
#[must_use]
pub fn platform_of_host(host: &str) -> Option<&'static str> {
    const HOSTS: [(&str, &str); 9] = [
        ("twitch.tv", "twitch"),
        ("tiktok.com", "tiktok"),
        ("youtube.com", "youtube"),
        ("youtu.be", "youtube"),
        ("kick.com", "kick"),
        ("facebook.com", "facebook"),
        ("fb.watch", "facebook"),
        ("fb.com", "facebook"),
        ("instagram.com", "instagram"),
    ];
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let within = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    HOSTS.iter().find(|(domain, _)| within(domain)).map(|(_, platform)| *platform)
}

/// The owner that a link's address tells; `None` where it tells none (a video's id is nobody's name).
#[must_use]
pub fn user_in_link(link: &str) -> Option<LinkUser> {
    let url = Url::parse(link.trim()).ok()?;
    let platform = platform_of_host(url.host_str()?)?;
    let mut segments = url.path_segments()?.filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default().to_ascii_lowercase();
    let second = segments.next().unwrap_or_default();
    let name = match (platform, first.as_str()) {
        ("twitch", "") => url.query_pairs().find(|(key, _)| key == "channel").map(|(_, channel)| channel.into_owned())?,
        ("twitch", "popout" | "moderator" | "u") => second.to_owned(),
        ("twitch", "videos" | "directory" | "clip" | "embed" | "p" | "settings" | "downloads" | "search" | "team") => return None,
        ("tiktok", name) => name.strip_prefix('@')?.to_owned(),
        ("youtube", "c" | "user") => second.to_owned(),
        ("youtube", name) => name.strip_prefix('@')?.to_owned(),
        ("kick", "video" | "categories" | "browse" | "category" | "search") => return None,
        ("instagram", "stories") => second.to_owned(),
        ("instagram", "p" | "reel" | "reels" | "tv" | "explore" | "accounts" | "share") => return None,
        ("facebook", "watch" | "groups" | "events" | "live" | "reel" | "share" | "people" | "pages" | "gaming" | "video.php") => {
            return None;
        }
        ("facebook", name) if name.ends_with(".php") => return None,
        (_, name) => name.to_owned(),
    };
    let username = name.trim_start_matches('@').to_lowercase();
    let plain = !username.is_empty() && username.chars().count() <= 100 && !username.contains(char::is_whitespace);
    plain.then_some(LinkUser { platform, username })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_owner_in_an_address_and_nobody_in_a_video() {
        for (link, owner) in [
            ("https://www.twitch.tv/Example", Some(("twitch", "example"))),
            ("https://m.twitch.tv/example/videos", Some(("twitch", "example"))),
            ("https://player.twitch.tv/?channel=Example&parent=x", Some(("twitch", "example"))),
            ("https://www.twitch.tv/videos/123", None),
            ("https://www.tiktok.com/@Some.One/live", Some(("tiktok", "some.one"))),
            ("https://www.tiktok.com/t/ZZ", None),
            ("https://www.youtube.com/watch?v=abc", None),
            ("https://www.youtube.com/@press/live", Some(("youtube", "press"))),
            ("https://youtube.com/c/Press", Some(("youtube", "press"))),
            ("https://youtu.be/abc", None),
            ("https://kick.com/truewire", Some(("kick", "truewire"))),
            ("https://www.facebook.com/nightwire/videos/265985881835744", Some(("facebook", "nightwire"))),
            ("https://www.facebook.com/watch?v=1", None),
            ("https://www.instagram.com/openangle_irl/live", Some(("instagram", "openangle_irl"))),
            ("https://www.instagram.com/p/Cx", None),
            ("https://nottwitch.tv/example", None),
            ("https://spamcast.example/civiceye", None),
            ("not a url", None),
            ("https://www.twitch.tv/", None),
        ] {
            let found = user_in_link(link);
            assert_eq!(found.as_ref().map(|found| (found.platform, found.username.as_str())), owner, "{link}");
        }
    }
}
