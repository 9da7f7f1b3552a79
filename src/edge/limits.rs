//! How often somebody may ask: fixed windows of a minute, aligned to the minute (`streams.md` section 3). It counts; who is counted and
//! what a refusal looks like is the threshold's business.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use trunkline_protocol::{Credential, Principal, UserId};

use super::RateLimits;

const SHARDS: usize = 16;
/// Visitors that one shard tells apart within a minute; later ones share one count. 16 × 16,384 visitors are some 16 MB.
const VISITORS_MAX: usize = 16_384;

/// Whose requests are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Visitor {
    Address(IpAddr),
    User(UserId),
    ApiKey(u64),
    /// Whoever comes when too many were seen in this minute.
    Crowd,
}

/// What is left of somebody's minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Requests per minute.
    pub limit: u32,
    /// Of them left after this one.
    pub remaining: u32,
    /// When the minute ends, in unix seconds.
    pub reset_s: i64,
    /// This request was one too many.
    pub exceeded: bool,
}

impl Allowance {
    /// `X-RateLimit-*`.
    pub fn answer(&self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(self.limit));
        headers.insert(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(self.remaining));
        headers.insert(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from(self.reset_s));
    }
}

/// The counts of the present minute, shared by all cores.
#[derive(Debug, Default)]
pub struct Minutes {
    hasher: RandomState,
    shards: [Mutex<Minute>; SHARDS],
}

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    counts: HashMap<Visitor, u32>,
}

impl Minutes {
    /// Counts a request of `who`, who came from `address`, at `now_s` (unix seconds).
    pub fn count(&self, rates: &RateLimits, who: &Principal, address: Option<IpAddr>, now_s: i64) -> Allowance {
        let (visitor, limit) = visitor(rates, who, address);
        let number = now_s.div_euclid(60);
        let mut minute = self.shards[(self.hasher.hash_one(visitor) as usize) % SHARDS].lock();
        if minute.number != number {
            // The map keeps its room: the next minute will need about as much.
            *minute = Minute { number, counts: std::mem::take(&mut minute.counts) };
            minute.counts.clear();
        }
        let full = minute.counts.len() >= VISITORS_MAX;
        let count = match minute.counts.entry(visitor) {
            Entry::Occupied(count) => count.into_mut(),
            Entry::Vacant(vacant) if !full => vacant.insert(0),
            Entry::Vacant(_) => minute.counts.entry(Visitor::Crowd).or_insert(0),
        };
        *count = count.saturating_add(1);
        Allowance { limit, remaining: limit.saturating_sub(*count), reset_s: (number + 1) * 60, exceeded: *count > limit }
    }
}

fn visitor(rates: &RateLimits, who: &Principal, address: Option<IpAddr>) -> (Visitor, u32) {
    match who.credential {
        Credential::ApiKey { id, .. } => (Visitor::ApiKey(id), rates.service),
        Credential::Anonymous | Credential::Application { .. } => (Visitor::Address(network(address)), rates.anonymous),
        Credential::Token { .. } | Credential::House => {
            (Visitor::User(who.user), if who.service { rates.service } else { rates.user })
        }
    }
}

/// An IPv6 subscriber holds a whole /64; counting single addresses would count nobody.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
        },
        Some(v4) => v4,
        None => IpAddr::from([0, 0, 0, 0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> RateLimits {
        RateLimits { anonymous: 2, user: 3, service: 4, exempt: Vec::new() }
    }

    #[test]
    fn counts_each_visitor_apart_and_begins_anew_with_the_minute() {
        let (minutes, who) = (Minutes::default(), Principal::anonymous());
        let count = |address: &str, now_s| minutes.count(&rates(), &who, address.parse().ok(), now_s);
        assert_eq!(count("10.0.0.1", 119), Allowance { limit: 2, remaining: 1, reset_s: 120, exceeded: false });
        assert_eq!(count("10.0.0.1", 119), Allowance { limit: 2, remaining: 0, reset_s: 120, exceeded: false });
        assert!(count("10.0.0.1", 119).exceeded);
        assert!(!count("10.0.0.2", 119).exceeded);
        assert!(!count("10.0.0.1", 120).exceeded, "a new minute");
    }

    #[test]
    fn counts_a_v6_subscriber_as_one_however_many_addresses_they_use() {
        let (minutes, who) = (Minutes::default(), Principal::anonymous());
        let mut last = None;
        for host in 1..=3 {
            last = Some(minutes.count(&rates(), &who, format!("2001:db8::{host}").parse().ok(), 0));
        }
        assert!(last.is_some_and(|allowance| allowance.exceeded));
        assert!(!minutes.count(&rates(), &who, "2001:db8:0:1::1".parse().ok(), 0).exceeded);
    }

    #[test]
    fn does_not_grow_with_the_crowd() {
        let (minutes, who) = (Minutes::default(), Principal::anonymous());
        for number in 0..400_000_u32 {
            minutes.count(&rates(), &who, Some(IpAddr::from(number.to_be_bytes())), 0);
        }
        let kept: usize = minutes.shards.iter().map(|shard| shard.lock().counts.len()).sum();
        assert!(kept <= SHARDS * (VISITORS_MAX + 1), "{kept}");
    }
}
