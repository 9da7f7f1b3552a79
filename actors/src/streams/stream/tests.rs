//! The life of a stream and the leases on its cells, as given / when / then.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use trunkline_protocol::{ConnectionId, Principal, Role, UserId, codec};

use super::*;
use crate::{
    accounts::policy,
    testing::{Given, MOMENT, asking, asking_at, given},
};

const MINUTE: Duration = Duration::from_secs(60);

fn editor(user: u64) -> Principal {
    person(user, Role::Editor, false)
}
fn bot(user: u64) -> Principal {
    person(user, Role::Service, true)
}
fn admin() -> Principal {
    person(1, Role::Admin, false)
}
fn person(user: u64, role: Role, service: bool) -> Principal {
    let email = format!("user{user}@example.com");
    Principal {
        user: UserId(user),
        email: email.as_str().into(),
        role,
        service,
        permissions: policy::permissions(role, service),
        ..Principal::house()
    }
}
fn in_tab(by: &Principal, tab: u128, at: Timestamp) -> Asking {
    Asking { connection: Some(ConnectionId(tab)), ..asking_at(by, at) }
}
fn add(id: u64, body: Value) -> StreamCommand {
    let draft = Draft::try_from(body.as_object().expect("an object")).expect("a draft");
    StreamCommand::Add { id, draft: Arc::new(draft), reclaim: None }
}
fn edit(id: u64, body: Value) -> StreamCommand {
    let changes = Changes::try_from(body.as_object().expect("an object")).expect("changes");
    StreamCommand::Edit { id, changes, expected: None, room: Room::Unknown }
}
fn lent(link: &str) -> Room {
    Room::Lent(link.into())
}
fn taken(link: &str) -> Room {
    Room::Taken(link.into())
}
/// An edit that moves stream 1 to another link.
fn away(room: Room) -> StreamCommand {
    edit(1, json!({"link": "https://kick.com/ana"})).knowing(room)
}
fn posted() -> Value {
    json!({"link": "https://twitch.tv/ana", "source": "Discord", "status": "offline", "posted_by": "bob#1"})
}
/// A stream of user 2's, posted at [`MOMENT`].
fn given_one() -> Given<Stream> {
    given::<Stream>([]).when(add(1, posted()), asking(&editor(2))).and()
}
fn state(given: &Given<Stream>, id: u64) -> &StreamState {
    given.state().session(id).expect("the stream")
}
fn locked(field: StreamField, user: u64, tab: u128, until: Timestamp) -> StreamFact {
    let user_name = format!("user{user}").into();
    StreamFact::CellLocked { id: 1, field, user: UserId(user), user_name, connection: ConnectionId(tab), until }
}
fn unlocked(field: StreamField, user: u64, tab: u128, reason: UnlockReason) -> StreamFact {
    StreamFact::CellUnlocked { id: 1, field, user: UserId(user), connection: ConnectionId(tab), reason }
}
fn lock(field: &str) -> StreamCommand {
    StreamCommand::LockCell { id: 1, field: field.into() }
}
fn update(field: &str, value: &str) -> StreamCommand {
    StreamCommand::UpdateCell { id: 1, cell: field.into(), field: field.into(), value: Some(value.into()), room: Room::Unknown }
}

// ---- Adding.

#[test]
fn adds_a_link_once_and_names_the_one_that_is_there() {
    let came = given_one().when(add(2, posted()), asking(&editor(3)));
    let refusal = came.came().expect_err("a refusal");
    assert_eq!((&*refusal.code, refusal.subject.as_deref()), (DUPLICATE, Some("1")));
}

#[test]
fn keeps_a_post_that_is_no_check_unchecked() {
    let given = given_one();
    let stream = state(&given, 1);
    assert_eq!((stream.status, stream.last_checked_at, stream.last_live_at), (Status::Offline, None, None));
    assert_eq!((stream.version, stream.user, stream.created_at), (1, UserId(2), MOMENT));
    assert_eq!(stream.platform.map(Platform::as_str), Some("twitch"));
}

#[test]
fn takes_a_live_post_for_a_check() {
    let live = json!({"link": "https://a.example/x", "status": "Live", "last_checked": "2025-12-31T23:59:00Z"});
    let given = given::<Stream>([]).when(add(1, live), asking(&editor(2))).and();
    let (stream, checked) = (state(&given, 1), Some(MOMENT.minus(MINUTE)));
    assert_eq!((stream.last_checked_at, stream.last_live_at, stream.started_at), (checked, checked, checked));
    assert_eq!(stream.posted_by.as_deref(), Some("user2@example.com"), "a blank poster is the account");
}

#[test]
fn fills_only_blanks_from_a_repeat_and_never_mixes_two_places() {
    let given = given_one();
    let again = json!({"link": "http://www.twitch.tv/ana/", "source": "Twitch", "status": "live", "title": "Hello", "city": "Seattle",
        "state": "WA", "posted_by": "eve#2", "external_id": "x"});
    let given = given.when(add(2, again), asking(&bot(3))).and();
    let stream = state(&given, 1);
    assert_eq!(
        (stream.title.as_deref(), stream.city.as_deref(), stream.state.as_deref()),
        (Some("Hello"), Some("Seattle"), Some("WA"))
    );
    assert_eq!((stream.status, &*stream.source, stream.posted_by.as_deref()), (Status::Offline, "Discord", Some("bob#1")));
    assert_eq!(stream.external_id, None, "another account's name for it is not the owner's");
    let elsewhere = json!({"link": "https://twitch.tv/ana", "city": "Portland", "state": "OR"});
    given.when(add(3, elsewhere), asking(&bot(3))).then_refused(DUPLICATE);
}

#[test]
fn begins_a_new_session_where_the_twin_is_archived() {
    let given = given_one().when(StreamCommand::Archive { id: 1 }, asking(&editor(2))).and();
    let given = given.when(add(2, posted()), asking(&editor(3))).and();
    assert_eq!(given.state().active().map(|stream| stream.id), Some(2));
    let came = given.when(StreamCommand::Unarchive { id: 1, room: Room::Unknown }, asking(&editor(2))).came();
    assert_eq!(came.expect_err("a refusal").to_string(), "Link has already been taken");
}

#[test]
fn lets_nobody_add_who_may_not() {
    given::<Stream>([]).when(add(1, posted()), asking(&person(9, Role::Default, false))).then_refused("FORBIDDEN");
}

// ---- Changing.

#[test]
fn lets_owners_admins_and_bots_change_a_stream_and_only_owners_and_admins_delete_it() {
    for (who, may_change, may_delete) in [
        (editor(2), true, true),
        (editor(3), false, false),
        (bot(3), true, false),
        (admin(), true, true),
        (person(2, Role::Default, false), false, false),
    ] {
        let changed = given_one().when(edit(1, json!({"title": "x"})), asking(&who)).came();
        assert_eq!(changed.is_ok(), may_change, "{who:?} changes");
        let pinned = given_one().when(StreamCommand::Pin { id: 1 }, asking(&who)).came();
        assert_eq!(pinned.is_ok(), may_change, "{who:?} pins");
        let deleted = given_one().when(StreamCommand::Delete { id: 1 }, asking(&who)).came();
        assert_eq!(deleted.is_ok(), may_delete, "{who:?} deletes");
    }
    given_one().when(edit(9, json!({"title": "x"})), asking(&admin())).then_refused("NOT_FOUND");
}

#[test]
fn records_what_each_field_was_and_writes_nothing_where_nothing_changes() {
    let change = Change { field: StreamField::Title, from: FieldValue::Nothing, to: FieldValue::from("Hi") };
    given_one()
        .when(edit(1, json!({"title": "Hi", "source": "Discord"})), asking(&editor(2)))
        .then([StreamFact::FieldsChanged { id: 1, changes: vec![change] }])
        .when(edit(1, json!({"title": "Hi", "nonsense": 1})), asking(&editor(2)))
        .then_nothing()
        .when(edit(1, json!({})), asking(&editor(2)))
        .then_nothing();
}

#[test]
fn keeps_the_checkers_own_clock() {
    let at = MOMENT.plus(MINUTE);
    let given = given_one()
        .when(edit(1, json!({"status": "offline", "last_checked": "2026-01-01T00:00:30Z"})), asking_at(&bot(3), at))
        .and();
    assert_eq!(state(&given, 1).last_checked_at, Some(MOMENT.plus(MINUTE / 2)), "also where the status is what it was");
    let given = given.when(edit(1, json!({"status": "checking"})), asking_at(&bot(3), at)).and();
    assert_eq!(state(&given, 1).last_checked_at, Some(MOMENT.plus(MINUTE / 2)), "a wish to check is no check");
    let given = given.when(edit(1, json!({"status": "LIVE"})), asking_at(&bot(3), at)).and();
    let stream = state(&given, 1);
    assert_eq!(
        (stream.last_checked_at, stream.last_live_at, stream.started_at, stream.ended_at),
        (Some(at), Some(at), Some(at), None)
    );
    let later = at.plus(MINUTE);
    let given = given.when(edit(1, json!({"status": "offline"})), asking_at(&bot(3), later)).and();
    let stream = state(&given, 1);
    assert_eq!((stream.last_live_at, stream.started_at, stream.ended_at), (Some(at), Some(at), None));
}

#[test]
fn ends_an_archived_stream_when_it_was_last_looked_at_and_forgets_the_end_when_it_returns() {
    let at = MOMENT.plus(MINUTE);
    let given = given_one().when(edit(1, json!({"status": "offline"})), asking_at(&bot(3), at)).and();
    let given = given.when(edit(1, json!({"is_archived": true})), asking_at(&bot(3), at.plus(MINUTE))).and();
    assert_eq!((state(&given, 1).is_archived, state(&given, 1).ended_at), (true, Some(at)));
    let given = given.when(StreamCommand::Archive { id: 1 }, asking(&bot(3))).then_nothing();
    let given = given.when(StreamCommand::Unarchive { id: 1, room: Room::Unknown }, asking(&editor(2))).and();
    assert_eq!((state(&given, 1).is_archived, state(&given, 1).ended_at), (false, None));
}

#[test]
fn takes_a_stream_out_of_the_archive_when_it_is_found_live_unless_it_has_a_successor() {
    let archived = || given_one().when(StreamCommand::Archive { id: 1 }, asking(&editor(2))).and();
    let given = archived().when(edit(1, json!({"status": "live"})), asking(&bot(3))).and();
    assert_eq!((state(&given, 1).is_archived, state(&given, 1).ended_at), (false, None));
    let given = archived().when(add(2, posted()), asking(&editor(2))).and();
    let given = given.when(edit(1, json!({"status": "live"})), asking(&bot(3))).and();
    let stream = state(&given, 1);
    assert_eq!((stream.is_archived, stream.status, stream.ended_at), (true, Status::Live, Some(MOMENT)));
}

#[test]
fn names_what_happened_by_its_heaviest_part() {
    let one = |body: Value| given_one().when(edit(1, body), asking(&editor(2))).came().map(|decision| decision.facts);
    assert!(matches!(one(json!({"pinned": true})).as_deref(), Ok([StreamFact::StreamPinned { .. }])));
    assert!(matches!(one(json!({"pinned": true, "title": "x"})).as_deref(), Ok([StreamFact::FieldsChanged { .. }])));
    assert!(
        matches!(one(json!({"status": "archived", "title": "x"})).as_deref(), Ok([StreamFact::StreamArchived { automatic: false, changes, .. }]) if changes.len() == 3)
    );
}

#[test]
fn refuses_a_write_on_what_has_changed_since() {
    let expecting = |expected| {
        let StreamCommand::Edit { id, changes, .. } = edit(1, json!({"title": "x"})) else { unreachable!("an edit") };
        given_one()
            .when(StreamCommand::Edit { id, changes, expected: Some(expected), room: Room::Unknown }, asking(&editor(2)))
            .came()
    };
    assert!(expecting(Expected::Version(1)).is_ok() && expecting(Expected::LockVersion(1)).is_ok());
    let kind = |came: Result<Decision<Stream>, Refusal>| came.expect_err("a refusal").kind;
    assert_eq!(kind(expecting(Expected::Version(2))), trunkline_protocol::RefusalKind::Stale);
    assert_eq!(kind(expecting(Expected::LockVersion(0))), trunkline_protocol::RefusalKind::Conflict);
    assert_eq!(kind(expecting(Expected::UnmodifiedSince(MOMENT.minus(MINUTE)))), trunkline_protocol::RefusalKind::Conflict);
    assert!(expecting(Expected::UnmodifiedSince(MOMENT)).is_ok());
}

// ---- Links that move.

#[test]
fn lends_a_free_link_once_and_takes_it_back_when_told_that_it_is_free_again() {
    let lend = |to, reclaim| StreamCommand::Lend { to, reclaim };
    let empty = given::<Stream>([]);
    let given = empty.when(lend(7, None), asking(&editor(2))).then([StreamFact::LinkLent { to: 7 }]);
    let given = given.when(lend(7, None), asking(&editor(2))).then_nothing();
    let given = given.when(lend(8, None), asking(&editor(2))).then_refused(LENT);
    let given = given.when(add(1, posted()), asking(&editor(2))).then_refused(LENT);
    let StreamCommand::Add { id, draft, .. } = add(1, posted()) else { unreachable!("an add") };
    // Taken back from whom it was lent to a while ago, not from whom it is lent to now.
    let given = given.when(lend(9, Some(8)), asking(&editor(2))).then_refused(LENT);
    let given = given.when(lend(8, Some(7)), asking(&editor(2))).then([StreamFact::LinkLent { to: 8 }]);
    let reclaiming = StreamCommand::Add { id, draft: Arc::clone(&draft), reclaim: Some(7) };
    let given = given.when(reclaiming, asking(&editor(2))).then_refused(LENT);
    let given = given.when(StreamCommand::Add { id, draft, reclaim: Some(8) }, asking(&editor(2))).and();
    let came = given.when(lend(7, Some(8)), asking(&editor(2))).came();
    assert_eq!(came.expect_err("a refusal").to_string(), "Link has already been taken");
}

#[test]
fn frees_a_link_whose_stream_moved_away_and_refuses_its_return_while_another_has_it() {
    let given = given_one().when(away(lent("kick.com/ana")), asking(&editor(2))).and();
    assert_eq!(given.state().active().map(|stream| stream.id), None);
    let given = given.when(add(2, posted()), asking(&editor(2))).and();
    let home = || edit(1, json!({"link": "https://www.twitch.tv/ana"}));
    let refused = given.when(home(), asking(&editor(2)));
    assert_eq!(refused.came().expect_err("a refusal").to_string(), "Link has already been taken");
    let given = given_one().when(away(lent("kick.com/ana")), asking(&editor(2))).and();
    let given = given.when(home(), asking(&editor(2))).and();
    assert_eq!(given.state().active().map(|stream| stream.id), Some(1));
}

#[test]
fn is_active_under_a_link_that_is_kept_elsewhere_only_where_it_was_lent() {
    let given = given_one().when(away(Room::Unknown), asking(&editor(2))).then_refused(ELSEWHERE);
    let came = given.when(away(taken("kick.com/ana")), asking(&editor(2))).came();
    assert_eq!(came.expect_err("a refusal").to_string(), "Link has already been taken");
    // Archived, it may have any link; it comes back only where that was lent to it, and a check alone does not bring it back.
    let given = given_one().when(StreamCommand::Archive { id: 1 }, asking(&editor(2))).and();
    let given = given.when(away(Room::Unknown), asking(&editor(2))).and();
    let given = given.when(StreamCommand::Unarchive { id: 1, room: Room::Unknown }, asking(&editor(2))).then_refused(ELSEWHERE);
    let live = edit(1, json!({"status": "live"}));
    let given = given.when(live.clone(), asking(&editor(2))).then_refused(ELSEWHERE);
    let given = given.when(live.clone().knowing(taken("kick.com/ana")), asking(&editor(2))).and();
    assert_eq!((state(&given, 1).status, state(&given, 1).is_archived), (Status::Live, true));
    let given = given.when(live.knowing(lent("kick.com/ana")), asking(&editor(2))).and();
    assert!(!state(&given, 1).is_archived);
}

#[test]
fn does_not_call_another_spelling_of_the_link_a_move() {
    given_one().when(edit(1, json!({"link": "http://www.twitch.tv/ana/"})), asking(&editor(2))).then([StreamFact::FieldsChanged {
        id: 1,
        changes: vec![Change {
            field: StreamField::Link,
            from: FieldValue::from("https://twitch.tv/ana"),
            to: FieldValue::from("http://www.twitch.tv/ana/"),
        }],
    }]);
}

// ---- What is forgotten.

#[test]
fn archives_what_nothing_was_heard_of_but_nothing_pinned_live_or_just_looked_at() {
    let after = 30 * MINUTE;
    let forgotten = |given: Given<Stream>, at: Timestamp| {
        let house = Principal::house();
        given.when(StreamCommand::ArchiveForgotten { id: 1, after }, asking_at(&house, at)).came().expect("no refusal").facts
    };
    let late = MOMENT.plus(31 * MINUTE);
    assert!(matches!(forgotten(given_one(), late).as_slice(), [StreamFact::StreamArchived { automatic: true, .. }]));
    assert_eq!(forgotten(given_one(), MOMENT.plus(29 * MINUTE)), []);
    for spared in [json!({"pinned": true}), json!({"status": "live"}), json!({"status": "checking"})] {
        assert_eq!(forgotten(given_one().when(edit(1, spared), asking(&editor(2))).and(), late), []);
    }
    let checked = given_one().when(edit(1, json!({"status": "offline"})), asking_at(&bot(3), late)).and();
    assert_eq!(forgotten(checked, late.plus(29 * MINUTE)), []);
}

// ---- Cells.

#[test]
fn refuses_a_second_editor_and_says_who_holds_the_cell() {
    let until = MOMENT.plus(LEASE);
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).then([locked(StreamField::Title, 2, 21, until)]);
    let refusal = given.when(lock("title"), in_tab(&editor(3), 31, MOMENT)).came().expect_err("a refusal");
    assert_eq!((&*refusal.code, refusal.subject.as_deref()), (CELL_LOCKED, Some("2")));
    assert_eq!(refusal.to_string(), "Cell is locked by another user");
}

#[test]
fn renews_the_holders_lease_without_writing_and_lets_another_tab_take_it_over() {
    let later = MOMENT.plus(MINUTE / 4);
    let renewed = StreamNotice::LeaseRenewed {
        id: 1,
        field: StreamField::Title,
        user: UserId(2),
        user_name: "user2".into(),
        connection: ConnectionId(21),
        until: later.plus(LEASE),
    };
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).and();
    let given = given.when(lock("title"), in_tab(&editor(2), 21, later)).then_told([renewed]);
    assert_eq!(given.state().alarm().map(|(at, _)| at), Some(later.plus(LEASE)));
    let given =
        given.when(lock("title"), in_tab(&editor(2), 22, later)).then([locked(StreamField::Title, 2, 22, later.plus(LEASE))]);
    let given = given.when(StreamCommand::ReleaseConnection { connection: ConnectionId(21) }, asking(&editor(2))).then_nothing();
    given.when(StreamCommand::ReleaseConnection { connection: ConnectionId(22) }, asking(&editor(2))).then([unlocked(
        StreamField::Title,
        2,
        22,
        UnlockReason::Disconnected,
    )]);
}

#[test]
fn writes_the_cell_then_frees_it_in_one_turn_and_forgives_the_next_autosave() {
    let change = |from: FieldValue, to: &str| StreamFact::FieldsChanged {
        id: 1,
        changes: vec![Change { field: StreamField::Title, from, to: FieldValue::from(to) }],
    };
    let at = MOMENT.plus(MINUTE / 6);
    let given = given_one().when(lock("title"), in_tab(&editor(3), 31, MOMENT)).and();
    let given = given
        .when(update("title", "One"), in_tab(&editor(3), 31, at))
        .then([change(FieldValue::Nothing, "One"), unlocked(StreamField::Title, 3, 31, UnlockReason::Updated)]);
    // Another tab never held it; this one may go on typing.
    let given = given.when(update("title", "Two"), in_tab(&editor(3), 32, at)).then_refused(CELL_NOT_LOCKED);
    let given = given.when(update("title", "Two"), in_tab(&editor(3), 31, at)).then([
        locked(StreamField::Title, 3, 31, at.plus(LEASE)),
        change(FieldValue::from("One"), "Two"),
        unlocked(StreamField::Title, 3, 31, UnlockReason::Updated),
    ]);
    let given = given.when(lock("title"), in_tab(&editor(2), 21, at)).and();
    given.when(update("title", "Three"), in_tab(&editor(3), 31, at)).then_refused(CELL_LOCKED);
}

#[test]
fn checks_lock_then_field_then_value_and_leaves_the_lease_after_a_refusal() {
    let mine = in_tab(&editor(3), 31, MOMENT);
    let given = given_one().when(update("bogus", "x"), mine.clone()).then_refused(CELL_NOT_LOCKED);
    let given = given.when(lock("bogus"), mine.clone()).then_refused(INVALID_FIELD);
    let given = given.when(lock("link"), mine.clone()).and();
    let other = |field: &str| StreamCommand::UpdateCell {
        id: 1,
        cell: "link".into(),
        field: field.into(),
        value: None,
        room: Room::Unknown,
    };
    let given = given.when(other("bogus"), mine.clone()).then_refused(INVALID_FIELD);
    let given = given.when(other("title"), mine.clone()).then_refused(INVALID_FIELD);
    let given = given.when(update("link", "nope"), mine.clone()).then_refused("VALIDATION_FAILED");
    assert!(given.state().holder(1, StreamField::Link).is_some());
    given_one().when(lock("title"), in_tab(&person(9, Role::Default, false), 91, MOMENT)).then_refused("FORBIDDEN");
    given_one().when(lock("title"), asking(&editor(3))).then_refused("NO_CONNECTION");
}

#[test]
fn ends_leases_that_ran_out_and_says_so_before_the_next_grant() {
    let until = MOMENT.plus(LEASE);
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).and();
    let Some((at, alarm)) = given.state().alarm() else { panic!("an alarm is set") };
    assert_eq!(at, until);
    let given = given
        .when(lock("title"), in_tab(&editor(3), 31, until))
        .then([unlocked(StreamField::Title, 2, 21, UnlockReason::Expired), locked(StreamField::Title, 3, 31, until.plus(LEASE))]);
    let house = Principal::house();
    given.when(alarm, asking_at(&house, until.plus(LEASE))).then([unlocked(StreamField::Title, 3, 31, UnlockReason::Expired)]);
}

#[test]
fn frees_a_cell_only_for_its_holder_and_every_cell_of_a_deleted_stream() {
    let unlock = || StreamCommand::UnlockCell { id: 1, field: "title".into() };
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).and();
    let given = given.when(unlock(), in_tab(&editor(2), 22, MOMENT)).then_nothing();
    let given =
        given.when(unlock(), in_tab(&editor(2), 21, MOMENT)).then([unlocked(StreamField::Title, 2, 21, UnlockReason::Released)]);
    let given = given.when(lock("city"), in_tab(&editor(3), 31, MOMENT)).and();
    let given = given
        .when(StreamCommand::Delete { id: 1 }, asking(&editor(2)))
        .then([unlocked(StreamField::City, 3, 31, UnlockReason::Released), StreamFact::StreamDeleted { id: 1 }]);
    assert!(given.state().alarm().is_none());
}

#[test]
fn gives_every_holder_a_fresh_term_after_waking() {
    let woken = MOMENT.plus(10 * MINUTE);
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).and().waken(woken);
    assert_eq!(given.state().alarm().map(|(at, _)| at), Some(woken.plus(LEASE)));
}

// ---- The journal's bytes.

/// One of every fact ever shipped.
fn facts() -> Vec<StreamFact> {
    let changes = vec![
        Change { field: StreamField::Title, from: FieldValue::Nothing, to: FieldValue::from("Hi") },
        Change { field: StreamField::IsArchived, from: FieldValue::Flag(false), to: FieldValue::Flag(true) },
        Change { field: StreamField::EndedAt, from: FieldValue::Nothing, to: FieldValue::At(MOMENT) },
        Change { field: StreamField::Location, from: FieldValue::Id(1), to: FieldValue::Id(2) },
    ];
    let every_field = StreamField::ALL.map(|(field, name)| (field, FieldValue::from(name))).to_vec();
    vec![
        StreamFact::StreamAdded { id: 1, user: UserId(2), key: "twitch.tv/ana".into(), fields: every_field },
        StreamFact::BlanksFilled { id: 1, changes: changes.clone() },
        StreamFact::FieldsChanged { id: 1, changes: changes.clone() },
        StreamFact::StreamPinned { id: 1, changes: changes.clone() },
        StreamFact::StreamUnpinned { id: 1, changes: changes.clone() },
        StreamFact::StreamArchived { id: 1, automatic: true, changes: changes.clone() },
        StreamFact::StreamUnarchived { id: 1, changes },
        StreamFact::StreamDeleted { id: 1 },
        locked(StreamField::Title, 2, 21, MOMENT),
        unlocked(StreamField::Title, 2, 21, UnlockReason::Released),
        unlocked(StreamField::Title, 2, 21, UnlockReason::Updated),
        unlocked(StreamField::Title, 2, 21, UnlockReason::Expired),
        unlocked(StreamField::Title, 2, 21, UnlockReason::Disconnected),
        StreamFact::LinkLent { to: 7 },
        StreamFact::LinkMoved { id: 1, to: "kick.com/ana".into() },
    ]
}

#[test]
fn writes_and_reads_every_fact_in_the_bytes_it_shipped_with() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let written: Vec<String> = facts().iter().map(|fact| hex(&codec::seal(fact))).collect();
    let golden: Vec<&str> = include_str!("../../../tests/golden/stream_facts.hex").lines().collect();
    assert_eq!(written, golden, "a fact's bytes changed: add a schema and an upcast, and keep the old line");
    for (line, fact) in golden.iter().zip(facts()) {
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).expect("hex")).collect();
        assert_eq!(codec::open::<StreamFact>(&bytes), Ok(fact));
    }
}

#[test]
fn keeps_its_whole_state_through_a_snapshot() {
    let given = given_one().when(lock("title"), in_tab(&editor(2), 21, MOMENT)).and();
    let json = serde_json::to_string(given.state()).expect("a state");
    let again: Stream = serde_json::from_str(&json).expect("a state");
    assert_eq!(format!("{again:?}"), format!("{:?}", given.state()));
}
