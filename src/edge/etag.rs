//! Entity tags (RFC 9110, section 13): does a client have the present version already? Asked by whatever answers with an `ETag`.

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};
use sha2::{Digest as _, Sha256};

/// The tag of a content.
#[must_use]
pub fn of(content: &[u8]) -> String {
    format!("\"{:.24x}\"", Sha256::digest(content))
}

/// Whether `If-None-Match` names this tag: compared weakly, as the standard asks; `*` names any.
#[must_use]
pub fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(IF_NONE_MATCH).filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    known.map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn knows_a_tag_among_others_weak_or_not() {
        for (sent, known) in [
            (&["\"1\""][..], true),
            (&["\"0\", W/\"1\""], true),
            (&["\"0\"", "\"1\""], true),
            (&["*"], true),
            (&["\"11\""], false),
            (&["1"], false),
            (&[], false),
        ] {
            let mut asked = HeaderMap::new();
            sent.iter().for_each(|tags| asked.append(IF_NONE_MATCH, HeaderValue::from_static(tags)));
            assert_eq!(is_known(&asked, "\"1\""), known, "{sent:?}");
        }
    }
}
