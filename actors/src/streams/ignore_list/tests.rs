//! The rules of the ignore lists, told as given, when, then.

use trunkline_protocol::{Principal, Role};

use super::{IgnoreCommand as Command, IgnoreFact as Fact, *};
use crate::{
    accounts::policy,
    testing::{asking, given},
};

fn admin() -> Asking {
    asking(&Principal { permissions: policy::permissions(Role::Admin, false), ..Principal::anonymous() })
}
fn wish(list_type: &str, value: &str) -> EntryWish {
    EntryWish { list_type: Some(Some(list_type.into())), value: Some(Some(value.into())), notes: None }
}
fn entry(list_type: ListType, value: &str) -> Entry {
    Entry { list_type, value: value.into(), notes: None }
}

#[test]
fn lists_a_value_once_in_one_spelling_per_list() {
    given::<IgnoreRegistry>([])
        .when(Command::Add { id: 1, wish: wish("twitch_user", " BadUser ") }, admin())
        .then([Fact::Added { id: 1, entry: entry(ListType::TwitchUser, "baduser") }])
        .when(Command::Add { id: 2, wish: wish("discord_user", "baduser") }, admin())
        .then([Fact::Added { id: 2, entry: entry(ListType::DiscordUser, "baduser") }])
        .when(Command::Add { id: 3, wish: wish("twitch_user", "BADUSER") }, admin())
        .then_refused("VALIDATION_FAILED")
        .when(Command::Change { id: 2, wish: wish("twitch_user", "baduser") }, admin())
        .then_refused("VALIDATION_FAILED")
        .when(Command::Remove { id: 1 }, admin())
        .then([Fact::Removed { id: 1 }])
        .when(Command::Change { id: 2, wish: wish("twitch_user", "baduser") }, admin())
        .then([Fact::Changed { id: 2, entry: entry(ListType::TwitchUser, "baduser") }])
        .when(Command::Change { id: 2, wish: EntryWish::default() }, admin())
        .then_nothing();
}

#[test]
fn takes_off_many_at_once_and_passes_over_those_that_are_not_there() {
    let facts = [1, 2, 3].map(|id| Fact::Added { id, entry: entry(ListType::Url, &format!("https://{id}.example")) });
    given::<IgnoreRegistry>(facts)
        .when(Command::RemoveAll { ids: vec![3, 9, 1, 3] }, admin())
        .then([Fact::Removed { id: 1 }, Fact::Removed { id: 3 }])
        .when(Command::RemoveAll { ids: vec![1, 3] }, admin())
        .then_nothing();
}

#[test]
fn lets_only_admins_write() {
    for role in [Role::Default, Role::Editor, Role::Moderator, Role::Service, Role::Manager] {
        let somebody = asking(&Principal { permissions: policy::permissions(role, false), ..Principal::anonymous() });
        for command in
            [Command::Add { id: 1, wish: wish("url", "x") }, Command::Remove { id: 1 }, Command::RemoveAll { ids: vec![] }]
        {
            given::<IgnoreRegistry>([]).when(command, somebody.clone()).then_refused("FORBIDDEN");
        }
    }
}

#[test]
fn reads_every_fact_as_it_was_first_written() {
    let noted = Entry { notes: Some("spam".into()), ..entry(ListType::Domain, "spam.example") };
    let facts = [
        Fact::Added { id: 1, entry: entry(ListType::TwitchUser, "bad") },
        Fact::Changed { id: 1, entry: noted },
        Fact::Added { id: 2, entry: entry(ListType::DiscordUser, "bad") },
        Fact::Added { id: 3, entry: entry(ListType::Url, "https://bad.example") },
        Fact::Removed { id: 1 },
    ];
    crate::streams::tests::golden(include_str!("../../../tests/golden/ignore_list.hex"), &facts);
}
