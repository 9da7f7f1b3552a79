//! From which pages a browser may open a cable. A browser always names its page's origin and cannot lie about it; other clients name none.

use actix_http::header::{self, HeaderMap};

/// Which origins may open a cable (`cable.md` 1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins {
    /// The page that the hub itself serves: the origin's host is the request's (`X-Forwarded-Host` and `-Proto` respected).
    pub same_as_host: bool,
    /// Others: `https://app.example.com`, `app.example.com`, `*.example.com`, `http://localhost:*`, or `*` for every one.
    pub allowed: Vec<String>,
    /// Clients that name no origin: not browsers, so nobody can be tricked into being one.
    pub missing: bool,
}

impl Default for Origins {
    fn default() -> Self {
        Self { same_as_host: true, allowed: Vec::new(), missing: true }
    }
}

impl Origins {
    /// May a request with these headers open a cable? `secure`: it came over TLS.
    #[must_use]
    pub fn admit(&self, headers: &HeaderMap, secure: bool) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return self.missing };
        let Ok(origin) = origin.to_str() else { return false };
        let origin = origin.trim().to_ascii_lowercase();
        (self.same_as_host && is_same(&origin, headers, secure)) || self.allowed.iter().any(|pattern| matches(pattern, &origin))
    }
}

fn is_same(origin: &str, headers: &HeaderMap, secure: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(first);
    let Some(host) = text("x-forwarded-host").or_else(|| text("host")) else { return false };
    let proto = text("x-forwarded-proto").map(str::to_ascii_lowercase);
    let behind_tls = text("x-forwarded-ssl").is_some_and(|value| value.eq_ignore_ascii_case("on"));
    let scheme = match proto.as_deref() {
        Some("https" | "wss") => "https",
        Some(_) => "http",
        None if secure || behind_tls => "https",
        None => "http",
    };
    let Some((origin_scheme, origin_host)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.to_ascii_lowercase();
    origin_scheme == scheme
        && origin_host.strip_suffix(default_port).unwrap_or(origin_host) == host.strip_suffix(default_port).unwrap_or(&host)
}

/// The first of a list: what the outermost proxy saw.
fn first(value: &str) -> Option<&str> {
    value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

fn matches(pattern: &str, origin: &str) -> bool {
    let pattern = pattern.trim().to_ascii_lowercase();
    if pattern == "*" {
        return true;
    }
    let (pattern, origin) = match pattern.split_once("://") {
        Some(_) => (pattern.as_str(), origin),
        None => (pattern.as_str(), origin.split_once("://").map_or(origin, |(_, host)| host)),
    };
    match (pattern.strip_prefix("*."), pattern.strip_suffix(":*")) {
        (Some(suffix), _) => origin.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        (None, Some(prefix)) => {
            let rest = origin.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
        }
        (None, None) => pattern == origin,
    }
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    fn admits(origins: &Origins, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        origins.admit(&map, false)
    }

    #[test]
    fn lets_its_own_page_in_also_behind_a_proxy() {
        let own = Origins::default();
        assert!(admits(&own, &[("host", "hub.example:7070"), ("origin", "http://hub.example:7070")]));
        assert!(admits(&own, &[("host", "Hub.Example"), ("origin", "http://hub.example:80")]));
        assert!(!admits(&own, &[("host", "hub.example"), ("origin", "https://hub.example")]));
        assert!(!admits(&own, &[("host", "hub.example"), ("origin", "http://evil.example")]));
        let forwarded = [("host", "10.0.0.1"), ("x-forwarded-host", "hub.example, inner"), ("x-forwarded-proto", "https")];
        assert!(admits(&own, &[&forwarded[..], &[("origin", "https://hub.example")]].concat()));
        assert!(!admits(&own, &[&forwarded[..], &[("origin", "http://10.0.0.1")]].concat()));
        assert!(!admits(&own, &[("host", "hub.example"), ("origin", "null")]));
    }

    #[test]
    fn lets_listed_origins_in_and_those_without_one_only_by_policy() {
        let allowed = ["https://app.example", "*.trusted.example", "http://localhost:*", "other.example:8080"];
        let listed = Origins { same_as_host: false, allowed: allowed.map(str::to_owned).to_vec(), missing: false };
        for origin in ["https://app.example", "https://a.b.trusted.example", "http://localhost:3000", "https://other.example:8080"]
        {
            assert!(admits(&listed, &[("host", "hub"), ("origin", origin)]), "{origin}");
        }
        for origin in
            ["http://app.example", "https://trusted.example", "https://xtrusted.example", "http://localhost:x", "http://hub"]
        {
            assert!(!admits(&listed, &[("host", "hub"), ("origin", origin)]), "{origin}");
        }
        assert!(!admits(&listed, &[("host", "hub")]));
        assert!(admits(&Origins::default(), &[("host", "hub")]));
    }
}
