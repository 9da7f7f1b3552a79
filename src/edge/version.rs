//! Which version of the API a client accepts (`platform.md` 1.5). There is one, and whoever names none means it.

use actix_web::http::header::HeaderValue;

/// Is there anything acceptable in `Accept` (RFC 9110, 12.5.1) that is spoken here? `application/vnd.<anything>.v1+json` is, another
/// version is not, and what names no version is left to the resource; nothing with `q=0` is acceptable.
#[must_use]
pub fn is_spoken<'a>(accept: impl Iterator<Item = &'a HeaderValue>) -> bool {
    let texts: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let mut ranges = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|range| !range.is_empty()).peekable();
    ranges.peek().is_none() || ranges.any(|range| weight(range) > 0.0 && version(range).is_none_or(|version| version == "1"))
}

/// The version that a range names: what follows the last `.v` of a vendor's type.
fn version(range: &str) -> Option<String> {
    let kind = range.split(';').next()?.trim().to_ascii_lowercase();
    let vendor = kind.strip_prefix("application/vnd.")?;
    let (name, _) = vendor.split_once('+').unwrap_or((vendor, ""));
    let start =
        name.match_indices(".v").filter(|(at, _)| name[at + 2..].starts_with(|digit: char| digit.is_ascii_digit())).last()?.0;
    Some(name[start + 2..].to_owned())
}

/// `q`, which is 1 where it is not given or cannot be read.
fn weight(range: &str) -> f32 {
    let parameters = range.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut weights = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, value)| value.trim().parse());
    weights.next().and_then(Result::ok).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(texts: &[&'static str]) -> bool {
        let values: Vec<HeaderValue> = texts.iter().map(|text| HeaderValue::from_static(text)).collect();
        is_spoken(values.iter())
    }

    #[test]
    fn speaks_one_version_and_whatever_names_none() {
        for fine in [
            "application/vnd.streamwall.v1+json",
            "Application/VND.Streamwall.V1+JSON; charset=utf-8",
            "*/*",
            "",
            " , ",
            "application/json",
            "text/csv",
            "application/vnd.github+json",
            "application/vnd.video+json",
            "application/vnd.x.v2+json, application/json",
            "application/vnd.x.v2+json, application/vnd.x.v1+json;q=0.1",
            "application/vnd.x.v2+json;q=0.9, */*;q=0.1",
            "application/vnd.x.v2+json;q=0, application/json;q=nonsense",
        ] {
            assert!(accepts(&[fine]), "{fine}");
        }
        assert!(accepts(&[]));
        assert!(accepts(&["application/vnd.x.v2+json", "application/json"]), "several lines are one list");
    }

    #[test]
    fn speaks_no_other_version_and_nothing_that_is_not_wanted() {
        for other in [
            "application/vnd.streamwall.v2+json",
            "application/vnd.streamwall.v10+json",
            "application/vnd.streamwall.v1.1+json",
            "application/vnd.streamwall.v2-beta+json",
            "application/vnd.streamwall.v0",
            "application/vnd.streamwall.v2+json; q=1, application/vnd.a.v3+json",
            "application/vnd.x.v1+json; q=0",
            "application/vnd.x.v2+json, application/json;q=0.000, */*; Q=0",
        ] {
            assert!(!accepts(&[other]), "{other}");
        }
    }
}
