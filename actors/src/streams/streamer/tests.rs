//! The rules of streamers, told as given, when, then.

use trunkline_protocol::{Principal, Role, UserId};

use super::{StreamerCommand as Command, StreamerFact as Fact, *};
use crate::{
    accounts::policy,
    testing::{asking, given},
};

fn somebody(role: Role) -> Asking {
    asking(&Principal { user: UserId(7), permissions: policy::permissions(role, false), role, ..Principal::anonymous() })
}
fn account(id: u64, platform: &str, username: &str) -> Account {
    let (platform, username) = (platform.to_owned(), username.to_owned());
    Account { id, profile_url: profile_url(&platform, &username), platform, username, is_active: true }
}
fn profile(name: &str, accounts: &[Account]) -> Profile {
    Profile { name: name.into(), notes: None, posted_by: None, user: UserId(7), accounts: accounts.to_vec() }
}
fn named(name: &str) -> ProfileChange {
    ProfileChange { name: Some(Some(name.into())), ..ProfileChange::default() }
}
fn resolve(fresh: u64, source: &str, link: &str) -> Command {
    Command::Resolve { fresh, mention: Mention::of(source, link, None, None).expect("somebody is named") }
}

#[test]
fn knows_whom_a_stream_speaks_of() {
    let of = |source: &str, link: &str, platform: Option<&str>| {
        Mention::of(source, link, platform, None)
            .map(|mention| (mention.name, mention.account.map(|(platform, username)| format!("{platform}/{username}"))))
    };
    let some = |name: &str, account: Option<&str>| Some((name.to_owned(), account.map(str::to_owned)));
    for place in ["Discord", "twitch", "TWITCH_CHAT", "sheets", "api", "manual", "Unknown", "", "  "] {
        assert_eq!(of(place, "https://twitch.tv/Example", Some("Twitch")), some("Example", Some("twitch/example")), "{place}");
        assert_eq!(of(place, "https://www.youtube.com/watch?v=x", Some("YouTube")), None, "{place}");
    }
    assert_eq!(of("Jane Doe", "https://twitch.tv/janedoe", None), some("Jane Doe", Some("twitch/janedoe")));
    assert_eq!(of("jane", "https://www.youtube.com/watch?v=x", None), some("jane", Some("youtube/jane")));
    assert_eq!(of("Jane Doe", "https://www.youtube.com/watch?v=x", None), some("Jane Doe", None));
    assert_eq!(of("jane", "https://example.com/x", Some("Unknown")), some("jane", None));
}

#[test]
fn finds_by_account_then_by_name_and_adds_whoever_is_new() {
    let jane = profile("Jane", &[account(1, "twitch", "jane")]);
    given::<StreamerRegistry>([])
        .when(resolve(1, "Jane", "https://twitch.tv/jane"), somebody(Role::Editor))
        .then([Fact::Added { id: 1, profile: jane }])
        // By the account, whatever they are called here.
        .when(resolve(2, "somebody else", "https://twitch.tv/JANE"), somebody(Role::Editor))
        .then_refused(KNOWN)
        // By the name, on another platform: the account is added.
        .when(resolve(3, "JANE", "https://kick.com/jane_k"), somebody(Role::Editor))
        .then([Fact::AccountAdded { id: 1, account: account(2, "kick", "jane_k") }])
        .when(resolve(4, "discord", "https://kick.com/jane_k"), somebody(Role::Editor))
        .then_refused(KNOWN)
        .when(resolve(5, "discord", "https://kick.com/joe"), somebody(Role::Editor))
        .then([Fact::Added { id: 5, profile: profile("joe", &[account(3, "kick", "joe")]) }]);
}

#[test]
fn keeps_names_and_accounts_unique_and_says_who_has_them() {
    let refusal = given::<StreamerRegistry>([Fact::Added { id: 1, profile: profile("Jane", &[]) }])
        .when(Command::Add { id: 2, change: named(" jane") }, somebody(Role::Editor))
        .came()
        .expect_err("taken");
    assert_eq!((refusal.to_string().as_str(), refusal.subject.as_deref()), ("Name has already been taken", Some("1")));
    let twice =
        ProfileChange { accounts: vec![AccountWish::named("twitch", "a"), AccountWish::named("Twitch", " @A ")], ..named("Joe") };
    given::<StreamerRegistry>([])
        .when(Command::Add { id: 1, change: twice }, somebody(Role::Editor))
        // The second wish names the account that the first one made.
        .then([Fact::Added { id: 1, profile: profile("Joe", &[account(1, "twitch", "a")]) }])
        .when(Command::Add { id: 2, change: ProfileChange::default() }, somebody(Role::Editor))
        .then_refused("VALIDATION_FAILED");
}

#[test]
fn changes_accounts_one_by_one() {
    let before = profile("Jane", &[account(1, "twitch", "jane"), account(2, "kick", "jane")]);
    let wish = |id: u64| AccountWish { id: Some(id), ..AccountWish::default() };
    let accounts = vec![
        AccountWish { remove: true, ..wish(1) },
        AccountWish { username: Some("jane2".into()), ..wish(2) },
        AccountWish::named("tiktok", "jane"),
    ];
    given::<StreamerRegistry>([Fact::Added { id: 1, profile: before }])
        .when(Command::Change { id: 1, change: ProfileChange { accounts, ..ProfileChange::default() } }, somebody(Role::Editor))
        .then([Fact::Changed { id: 1, profile: profile("Jane", &[account(2, "kick", "jane2"), account(3, "tiktok", "jane")]) }])
        // The account that was taken away names nobody any more.
        .when(resolve(2, "discord", "https://kick.com/jane2"), somebody(Role::Editor))
        .then_refused(KNOWN)
        .when(
            Command::Change { id: 1, change: ProfileChange { accounts: vec![wish(99)], ..ProfileChange::default() } },
            somebody(Role::Editor),
        )
        .then_refused("NOT_FOUND");
}

#[test]
fn lets_only_admins_remove_a_streamer() {
    let hub = given::<StreamerRegistry>([Fact::Added { id: 1, profile: profile("Jane", &[account(1, "twitch", "jane")]) }]);
    hub.when(Command::Remove { id: 1 }, somebody(Role::Editor))
        .then_refused("FORBIDDEN")
        .when(Command::Remove { id: 1 }, somebody(Role::Admin))
        .then([Fact::Removed { id: 1 }])
        .when(Command::Add { id: 2, change: named("x") }, somebody(Role::Default))
        .then_refused("FORBIDDEN")
        // Her name and her account are free again; an account's id is not given twice.
        .when(resolve(3, "Jane", "https://twitch.tv/jane"), somebody(Role::Editor))
        .then([Fact::Added { id: 3, profile: profile("Jane", &[account(2, "twitch", "jane")]) }]);
}

#[test]
fn wakes_from_a_snapshot_as_it_was() {
    let before = given::<StreamerRegistry>([Fact::Added { id: 1, profile: profile("Jane", &[account(4, "twitch", "jane")]) }]);
    let json = serde_json::to_vec(before.state()).expect("plain data");
    let after: StreamerRegistry = serde_json::from_slice(&json).expect("its own bytes");
    assert_eq!((after.account_id_last, after.accounts.holder("twitch", "jane"), after.names.get("jane")), (4, Some(1), Some(&1)));
}

#[test]
fn reads_every_fact_as_it_was_first_written() {
    let jane =
        Profile { notes: Some("n".into()), posted_by: Some("p#1".into()), ..profile("Jane", &[account(1, "twitch", "jane")]) };
    crate::streams::tests::golden(
        include_str!("../../../tests/golden/streamer.hex"),
        &[
            Fact::Added { id: 1, profile: jane.clone() },
            Fact::Changed { id: 1, profile: Profile { accounts: Vec::new(), ..jane } },
            Fact::AccountAdded { id: 1, account: Account { profile_url: None, is_active: false, ..account(2, "other", "x") } },
            Fact::Removed { id: 1 },
        ],
    );
}
