//! How what is published on a topic is kept for clients that return. The plan says it; the hub, the relay and both backlogs ask.
//!
//! Only topics of `$pubsub` differ: what channels say of commits is always kept by the journal's positions, in the backlog.

use std::time::Duration;

use trunkline_protocol::{
    Topic,
    limits::{BACKLOG_BROADCASTS_MAX, BACKLOG_TTL},
};

/// Where what is published on a topic is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nowhere: whoever is away misses it.
    Nowhere,
    /// In the memory of this hub: gone when it ends.
    Memory,
    /// In the journal: there after a restart.
    Journal,
}

/// How a topic is kept, and how much of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Where.
    pub kept: Kept,
    /// How many of its last broadcasts can be asked for.
    pub broadcasts_max: usize,
    /// For how long.
    pub ttl: Duration,
}

impl Retention {
    /// That of what channels say, and of everything where a plan says nothing else.
    pub const STANDARD: Self = Self { kept: Kept::Journal, broadcasts_max: BACKLOG_BROADCASTS_MAX, ttl: BACKLOG_TTL };
}

/// Names of topics: `*` stands for any text, `/` included; everything else for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern of this spelling.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
    /// Is this one of the names?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, mut pattern)) = self.0.split_once('*') else { return *self.0 == *name };
        let Some(mut rest) = name.strip_prefix(head) else { return false };
        while let Some((part, later)) = pattern.split_once('*') {
            let Some(at) = rest.find(part) else { return false };
            (rest, pattern) = (&rest[at + part.len()..], later);
        }
        rest.ends_with(pattern)
    }
}

/// How each topic is kept: the first rule whose pattern matches its name, or else the last resort.
#[derive(Clone, Debug)]
pub struct Retentions {
    rules: Vec<(Pattern, Retention)>,
    otherwise: Retention,
}

impl Default for Retentions {
    fn default() -> Self {
        Self { rules: Vec::new(), otherwise: Retention::STANDARD }
    }
}

impl Retentions {
    /// These rules, in order; `otherwise` for topics that none of them names.
    #[must_use]
    pub fn new(rules: Vec<(Pattern, Retention)>, otherwise: Retention) -> Self {
        Self { rules, otherwise }
    }
    /// That of a topic.
    #[must_use]
    pub fn of(&self, topic: &Topic) -> Retention {
        if !topic.is_pubsub() {
            return Retention::STANDARD;
        }
        let rule = self.rules.iter().find(|(pattern, _)| pattern.matches(topic.name()));
        rule.map_or(self.otherwise, |(_, retention)| *retention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, matches) in [
            ("chat", "chat", true),
            ("chat", "chat/1", false),
            ("chat/*", "chat/1/2", true),
            ("chat/*", "chat", false),
            ("*", "", true),
            ("*:log", "a:log", true),
            ("*:log", "a:logs", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("é*", "été", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_rule_counts_and_channels_have_none() {
        let memory = Retention { kept: Kept::Memory, broadcasts_max: 7, ttl: Duration::from_secs(9) };
        let nowhere = Retention { kept: Kept::Nowhere, ..memory };
        let rules = Retentions::new(vec![(Pattern::new("chat/*"), memory), (Pattern::new("*"), nowhere)], Retention::STANDARD);
        assert_eq!(rules.of(&Topic::pubsub("chat/1")), memory);
        assert_eq!(rules.of(&Topic::pubsub("other")), nowhere);
        assert_eq!(rules.of(&Topic::channel("chat/1")), Retention::STANDARD);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_on_any_pattern(pattern in "[a*é]{0,8}", name in "[aé]{0,8}") {
            let _ = Pattern::new(&pattern).matches(&name);
            proptest::prop_assert!(Pattern::new(&name).matches(&name));
            proptest::prop_assert!(Pattern::new("*").matches(&name));
        }
    }
}
