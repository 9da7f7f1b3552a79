//! The number in a message: `tl5f0c11aa-<topic>-<number>.`, only letters and digits, so that it survives whatever a server's JSON does to the
//! text around it, and with a word of this run, so that another's messages are not ours.

use memchr::memmem::Finder;

/// How the messages of one run are recognised.
#[derive(Clone, Debug)]
pub struct Mark {
    finder: Finder<'static>,
}

impl Default for Mark {
    fn default() -> Self {
        Self::new(rand::random())
    }
}

impl Mark {
    /// The mark of a run.
    #[must_use]
    pub fn new(run: u32) -> Self {
        Self { finder: Finder::new(&format!("tl{run:08x}-")).into_owned() }
    }
    /// A message: a JSON object of about `bytes` bytes that carries a number. It is as long as it must be, where that is longer.
    #[must_use]
    pub fn message(&self, topic: u32, number: u32, bytes: usize) -> String {
        let word = String::from_utf8_lossy(self.finder.needle());
        let mut text = format!(r#"{{"mark":"{word}{topic}-{number}.","pad":""#);
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len() + 2)));
        text.push_str("\"}");
        text
    }
    /// The topic and the number that a frame carries, if it is one of ours.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<(u32, u32)> {
        let at = self.finder.find(text)? + self.finder.needle().len();
        let (topic, rest) = digits(&text[at..], b'-')?;
        let (number, _) = digits(rest, b'.')?;
        Some((topic, number))
    }
}

/// A number up to `end`, and what follows.
fn digits(text: &[u8], end: u8) -> Option<(u32, &[u8])> {
    let length = text.iter().take(11).position(|byte| *byte == end)?;
    let number = text[..length].iter().try_fold(0_u32, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u32::from(digit))
    });
    number.filter(|_| length > 0).map(|number| (number, &text[length + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_in_whatever_a_server_makes_of_the_message() {
        let mark = Mark::new(7);
        let message = mark.message(3, 4_294_967_295, 120);
        assert_eq!(message.len(), 120);
        assert!(serde_json::from_str::<serde_json::Value>(&message).is_ok());
        assert_eq!(mark.find(message.as_bytes()), Some((3, u32::MAX)));
        let wrapped = serde_json::json!({"identifier": "{}", "message": message}).to_string();
        assert_eq!(mark.find(wrapped.as_bytes()), Some((3, u32::MAX)), "a text in a text");
        assert_eq!(Mark::new(8).find(message.as_bytes()), None, "another's");
    }

    #[test]
    fn takes_no_half_number() {
        let mark = Mark::new(7);
        for text in [
            "tl00000007-",
            "tl00000007-1",
            "tl00000007-1-",
            "tl00000007-1-2",
            "tl00000007--2.",
            "tl00000007-1-99999999999.",
            "tl00000007-1-a.",
        ] {
            assert_eq!(mark.find(text.as_bytes()), None, "{text}");
        }
    }
}
