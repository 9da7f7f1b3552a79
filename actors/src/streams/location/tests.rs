//! The rules of locations, told as given, when, then.

use trunkline_protocol::{Principal, Role};

use super::{LocationCommand as Command, LocationFact as Fact, *};
use crate::{
    accounts::policy,
    testing::{asking, given},
};

fn somebody(role: Role) -> Asking {
    asking(&Principal { permissions: policy::permissions(role, false), role, ..Principal::anonymous() })
}
fn seattle() -> Place {
    Place::named("Seattle", Some("WA"), None, None)
}
fn added(id: u64, place: Place) -> Fact {
    Fact::Added { id, place }
}

#[test]
fn adds_a_place_once_whatever_its_spelling_and_says_which_one_it_is() {
    let hub = given::<LocationRegistry>([])
        .when(Command::Add { id: 1, place: seattle() }, somebody(Role::Editor))
        .then([added(1, seattle())]);
    let twin = Place::named(" SEATTLE ", Some("wa"), Some("west"), None);
    let refusal = hub.when(Command::Add { id: 2, place: twin }, somebody(Role::Editor)).came().expect_err("taken");
    assert_eq!(refusal.messages(), ["Normalized name has already been taken"]);
    assert_eq!((refusal.sentence.as_ref(), refusal.subject.as_deref()), ("Validation failed", Some("1")));
}

#[test]
fn frees_a_name_when_a_place_is_renamed_or_removed() {
    let rename = |city: &str| PlaceChange { city: Some(Some(city.into())), ..PlaceChange::default() };
    given::<LocationRegistry>([added(1, seattle()), added(2, Place::named("Tacoma", Some("WA"), None, None))])
        .when(Command::Change { id: 2, change: rename("seattle") }, somebody(Role::Editor))
        .then_refused("VALIDATION_FAILED")
        .when(Command::Change { id: 1, change: rename("SEATTLE") }, somebody(Role::Editor))
        .then([Fact::Changed { id: 1, place: Place { city: "SEATTLE".into(), ..seattle() } }])
        .when(Command::Change { id: 1, change: rename("Spokane") }, somebody(Role::Editor))
        .and()
        .when(Command::Change { id: 2, change: rename("Seattle") }, somebody(Role::Editor))
        .then([Fact::Changed { id: 2, place: seattle() }])
        .when(Command::Remove { id: 2 }, somebody(Role::Editor))
        .then([Fact::Removed { id: 2 }])
        .when(Command::Add { id: 3, place: seattle() }, somebody(Role::Editor))
        .then([added(3, seattle())])
        .when(Command::Remove { id: 2 }, somebody(Role::Editor))
        .then_refused("NOT_FOUND");
}

#[test]
fn changes_nothing_where_nothing_is_new() {
    given::<LocationRegistry>([added(1, seattle())])
        .when(Command::Change { id: 1, change: PlaceChange::default() }, somebody(Role::Editor))
        .then_nothing();
}

#[test]
fn lets_writers_write_and_readers_read() {
    for (role, may) in
        [(Role::Default, false), (Role::Viewer, false), (Role::Editor, true), (Role::Service, true), (Role::Admin, true)]
    {
        let came = given::<LocationRegistry>([]).when(Command::Add { id: 1, place: seattle() }, somebody(role)).came();
        assert_eq!(came.is_ok(), may, "{role}");
    }
    // A key that may only post streams may still name their city, and nothing more.
    let poster = asking(&Principal { permissions: ["streams:write"].into_iter().collect(), ..Principal::anonymous() });
    given::<LocationRegistry>([])
        .when(Command::Add { id: 1, place: seattle() }, poster.clone())
        .then([added(1, seattle())])
        .when(Command::Remove { id: 1 }, poster)
        .then_refused("FORBIDDEN");
}

#[test]
fn wakes_from_a_snapshot_as_it_was() {
    let before = given::<LocationRegistry>([added(1, seattle()), added(2, Place::named("Lyon", None, None, Some("France")))]);
    let json = serde_json::to_vec(before.state()).expect("plain data");
    let after: LocationRegistry = serde_json::from_slice(&json).expect("its own bytes");
    assert_eq!((&after.places, &after.names), (&before.state().places, &before.state().names));
}

#[test]
fn reads_every_fact_as_it_was_first_written() {
    let place = Place {
        region: Some("West".into()),
        latitude: Some(47_606_200),
        longitude: Some(-122_332_100),
        is_known_city: true,
        ..seattle()
    };
    crate::streams::tests::golden(
        include_str!("../../../tests/golden/location.hex"),
        &[added(1, seattle()), Fact::Changed { id: 1, place }, Fact::Removed { id: 1 }],
    );
}
