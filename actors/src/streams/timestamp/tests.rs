//! The rules of annotations, told as given, when, then.

use serde_json::{Value, json};
use trunkline_protocol::{Principal, Role, Timestamp};

use super::{AnnotationCommand as Command, AnnotationFact as Fact, *};
use crate::{
    accounts::policy,
    testing::{MOMENT, asking, given},
};

fn somebody(user: u64, role: Role) -> Asking {
    asking(&Principal { user: UserId(user), permissions: policy::permissions(role, false), ..Principal::anonymous() })
}
fn change(body: Value) -> NoteChange {
    NoteChange::try_from(body.as_object().expect("an object")).expect("readable")
}
fn note(title: &str, ties: &[(u64, Option<u32>)]) -> Note {
    let ties = ties.iter().map(|(stream, seconds)| Tie { stream: *stream, seconds: *seconds, added_by: UserId(1) }).collect();
    Note { title: title.into(), ties, ..Note::blank(MOMENT) }
}

#[test]
fn reads_both_dialects() {
    let event = Timestamp::parse("2024-01-01T00:00:00Z").expect("a date");
    let rails =
        change(json!({"title": "Fire", "event_timestamp": "2024-01-01T00:00:00Z", "streams": [{"stream_id": 5, "seconds": 930}]}));
    given::<Annotation>([])
        .when(Command::Add { change: rails }, somebody(1, Role::Editor))
        .then([Fact::Added { owner: UserId(1), note: Note { event, ..note("Fire", &[(5, Some(930))]) } }]);
    let docs =
        json!({"timestamp": "00:15:30", "description": "Fire", "priority": "HIGH", "status": "resolved", "stream_ids": [5, "6"]});
    let said = Note {
        description: Some("Fire".into()),
        priority: Priority::High,
        status: Resolution::Resolved,
        ..note("Fire", &[(5, Some(930)), (6, Some(930))])
    };
    given::<Annotation>([])
        .when(Command::Add { change: change(docs) }, somebody(1, Role::Editor))
        .then([Fact::Added { owner: UserId(1), note: said }]);
}

#[test]
fn refuses_what_cannot_be_said_in_the_words_of_the_contract() {
    let said = |body: Value| {
        let read = NoteChange::try_from(body.as_object().expect("an object"));
        let came = read.and_then(|change| given::<Annotation>([]).when(Command::Add { change }, somebody(1, Role::Editor)).came());
        came.expect_err("refused").to_string()
    };
    let at = "2024-01-01T00:00:00Z";
    assert_eq!(said(json!({"title": "Fire"})), "Event timestamp can't be blank");
    assert_eq!(said(json!({"title": "Fire", "event_timestamp": "soon"})), "Event timestamp is not a date and time");
    assert_eq!(said(json!({"event_timestamp": at})), "Title can't be blank");
    assert_eq!(said(json!({"title": "ab", "event_timestamp": at})), "Title is too short (minimum is 3 characters)");
    assert_eq!(said(json!({"title": "a".repeat(201), "event_timestamp": at})), "Title is too long (maximum is 200 characters)");
    assert_eq!(said(json!({"title": "abc", "event_timestamp": at, "priority": "urgent"})), "Priority is not included in the list");
    assert_eq!(said(json!({"title": "abc", "event_timestamp": at, "stream_ids": [1, 1]})), "Stream has already been taken");
    assert_eq!(said(json!({"title": "abc", "event_timestamp": at, "stream_ids": ["x"]})), "Stream must exist");
}

#[test]
fn ties_a_stream_once() {
    let tie = |stream, seconds| Command::Tie { tie: TieWish { stream, seconds } };
    given::<Annotation>([Fact::Added { owner: UserId(1), note: note("Fire", &[(5, None)]) }])
        .when(tie(5, Some(1)), somebody(1, Role::Editor))
        .then_refused("VALIDATION_FAILED")
        .when(tie(6, Some(1)), somebody(1, Role::Editor))
        .then([Fact::Tied { tie: Tie { stream: 6, seconds: Some(1), added_by: UserId(1) } }])
        .when(tie(6, Some(2)), somebody(1, Role::Editor))
        .then_refused("VALIDATION_FAILED");
}

#[test]
fn lets_the_owner_write_and_whoever_may_write_any() {
    let retitle = || Command::Change { change: change(json!({"title": "Flood"})) };
    given::<Annotation>([Fact::Added { owner: UserId(1), note: note("Fire", &[]) }])
        .when(retitle(), somebody(2, Role::Editor))
        .then_refused("FORBIDDEN")
        .when(Command::Remove, somebody(1, Role::Default))
        .then_refused("FORBIDDEN")
        .when(retitle(), somebody(1, Role::Editor))
        .then([Fact::Changed { note: note("Flood", &[]) }])
        .when(retitle(), somebody(1, Role::Editor))
        .then_nothing()
        .when(Command::Remove, somebody(3, Role::Admin))
        .then([Fact::Removed])
        .when(retitle(), somebody(1, Role::Editor))
        .then_refused("NOT_FOUND");
}

#[test]
fn keeps_who_tied_a_stream_when_the_streams_are_set_anew() {
    let tied = Tie { stream: 6, seconds: Some(9), added_by: UserId(4) };
    let came = given::<Annotation>([Fact::Added { owner: UserId(1), note: note("Fire", &[(5, None)]) }, Fact::Tied { tie: tied }])
        .when(Command::Change { change: change(json!({"stream_ids": [7, 6]})) }, somebody(1, Role::Editor))
        .came()
        .expect("changed");
    let [Fact::Changed { note }] = came.facts.as_slice() else { panic!("{came:?}") };
    assert_eq!(note.ties, [Tie { stream: 7, seconds: None, added_by: UserId(1) }, tied]);
}

#[test]
fn reads_every_fact_as_it_was_first_written() {
    let said = Note {
        description: Some("d".into()),
        priority: Priority::High,
        status: Resolution::Dismissed,
        ..note("Fire", &[(5, Some(1))])
    };
    let facts = [
        Fact::Added { owner: UserId(1), note: note("Fire", &[]) },
        Fact::Changed { note: said },
        Fact::Tied { tie: Tie { stream: 6, seconds: None, added_by: UserId(2) } },
        Fact::Removed,
    ];
    crate::streams::tests::golden(include_str!("../../../tests/golden/timestamp.hex"), &facts);
}
