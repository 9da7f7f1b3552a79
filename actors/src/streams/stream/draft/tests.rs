use serde_json::json;

use super::*;

fn draft(body: Value) -> Result<Draft, Refusal> {
    Draft::try_from(body.as_object().expect("an object"))
}
fn changes(body: Value) -> Result<Changes, Refusal> {
    Changes::try_from(body.as_object().expect("an object"))
}
fn sentence<T: std::fmt::Debug>(read: Result<T, Refusal>) -> String {
    read.expect_err("a refusal").to_string()
}

#[test]
fn reads_the_request_of_the_document() {
    let read = draft(json!({"url": "https://twitch.tv/example", "source": "discord", "posted_by": "discord_user#1234",
        "platform": "twitch", "status": "checking", "city": "Seattle", "state": "WA", "external_id": "monitor_abc123"}))
    .expect("a draft");
    assert_eq!(read.link.canonical(), "twitch.tv/example");
    assert_eq!(read.changes.text(StreamField::Status), Some("checking"));
    assert_eq!(read.changes.text(StreamField::City), Some("Seattle"));
}

#[test]
fn says_everything_that_is_wrong_at_once_in_the_contracts_words() {
    let wrong =
        draft(json!({"source": "  ", "link": "ftp://x", "status": "dead", "platform": "vimeo", "last_checked": "yesterday"}));
    assert_eq!(
        sentence(wrong),
        "Source can't be blank, Status is not included in the list, Platform is not included in the list, \
         Last checked at is not a valid date, Link must be a valid HTTP or HTTPS URL"
    );
    assert_eq!(
        sentence(draft(json!({"source": "", "link": "nope"}))),
        "Source can't be blank, Link must be a valid HTTP or HTTPS URL"
    );
    assert_eq!(sentence(draft(json!({}))), "Link can't be blank");
    assert_eq!(sentence(draft(json!({"link": null, "source": null}))), "Source can't be blank, Link can't be blank");
    assert_eq!(sentence(changes(json!({"source": "x".repeat(256)}))), "Source is too long (maximum is 255 characters)");
}

#[test]
fn takes_every_alias_and_prefers_link_to_url() {
    let read = changes(json!({"url": "https://a.example", "link": "https://b.example", "pinned": "1", "isExpired": true,
        "last_checked": "2024-01-01T00:00:00Z", "liveAt": "2024-01-02", "region": "WA", "postedBy": "ana", "orientation": "PORTRAIT",
        "kind": "livestream", "notes": [], "embedLink": "x", "nonsense": {}}))
    .expect("changes");
    assert_eq!(read.link.as_ref().map(Link::as_str), Some("https://b.example"));
    assert_eq!(read.get(StreamField::IsPinned), Some(&FieldValue::Flag(true)));
    assert_eq!(read.get(StreamField::IsArchived), Some(&FieldValue::Flag(true)));
    assert_eq!(read.get(StreamField::LastCheckedAt), Some(&FieldValue::At(Timestamp::from_millis(1_704_067_200_000))));
    assert_eq!(read.text(StreamField::State), Some("WA"));
    assert_eq!(read.text(StreamField::PostedBy), Some("ana"));
    assert_eq!(read.text(StreamField::Orientation), Some("vertical"));
    assert_eq!(read.text(StreamField::Kind), Some("video"));
    assert_eq!(read.get(StreamField::Notes), Some(&FieldValue::Nothing));
    assert!(read.get(StreamField::LastLiveAt).is_some());
    assert_eq!(read.fields.len(), 9);
}

#[test]
fn archives_where_the_written_status_is_archived() {
    let read = changes(json!({"status": "Archived"})).expect("changes");
    assert_eq!(read.fields, [(StreamField::IsArchived, FieldValue::Flag(true))]);
    assert!(changes(json!({})).expect("changes").is_empty());
}

#[test]
fn derives_a_source_that_was_not_given_and_a_platform_from_the_host() {
    let source = |body: Value| draft(body).expect("a draft").changes.text(StreamField::Source).map(str::to_owned);
    assert_eq!(source(json!({"link": "https://kick.com/ana", "posted_by": "bob#1"})).as_deref(), Some("bob#1"));
    assert_eq!(source(json!({"link": "https://kick.com/ana"})).as_deref(), Some("ana"));
    assert_eq!(source(json!({"link": "https://www.example.com/ana"})).as_deref(), Some("example.com"));
    let platform = |body: Value| draft(body).expect("a draft").changes.text(StreamField::Platform).map(str::to_owned);
    assert_eq!(platform(json!({"link": "https://kick.com/ana"})).as_deref(), Some("kick"));
    assert_eq!(platform(json!({"link": "https://kick.com/ana", "platform": "Twitch"})).as_deref(), Some("Twitch"));
    assert_eq!(platform(json!({"link": "https://a.example"})), None);
}

#[test]
fn reads_a_place_in_every_shape() {
    let read = changes(json!({"location": {"city": "Seattle", "state_province": "WA", "country": "USA"}})).expect("changes");
    assert_eq!((read.text(StreamField::City), read.text(StreamField::State)), (Some("Seattle"), Some("WA")));
    assert_eq!(read.place, Place::Described { region: None, country: Some("USA".into()) });
    assert_eq!(changes(json!({"location": null})).expect("changes").place, Place::Cleared);
    assert_eq!(changes(json!({"location_id": "5"})).expect("changes").place, Place::Known(5));
    assert_eq!(sentence(changes(json!({"location_id": "x"}))), "Location must exist");
    assert_eq!(sentence(changes(json!({"streamer_id": 9_007_199_254_740_992_u64}))), "Streamer must exist");
}

#[test]
fn reads_a_cell_as_an_editor_types_it() {
    let cell = |field, text| Changes::of_cell(field, text).map(|read| read.get(field).cloned());
    assert_eq!(cell(StreamField::Kind, Some("bogus")), Ok(Some(FieldValue::from("video"))));
    assert_eq!(cell(StreamField::Status, Some("LIVE")), Ok(Some(FieldValue::from("live"))));
    assert_eq!(cell(StreamField::StartedAt, Some("")), Ok(Some(FieldValue::Nothing)));
    assert_eq!(cell(StreamField::Title, None), Ok(Some(FieldValue::Nothing)));
    assert_eq!(sentence(cell(StreamField::StartedAt, Some("soon"))), "Started at is not a valid date");
    assert_eq!(sentence(Changes::of_cell(StreamField::Link, Some("nope"))), "Link must be a valid HTTP or HTTPS URL");
    assert_eq!(sentence(cell(StreamField::Status, Some("dead"))), "Status is not included in the list");
    assert!(Changes::of_cell(StreamField::Status, Some("archived")).expect("changes").get(StreamField::IsArchived).is_some());
}

proptest::proptest! {
    #[test]
    fn never_panics_on_any_value_of_any_field(at in 0..40_usize, text in "\\PC*", number in proptest::num::i64::ANY, shape in 0..6_u8) {
        let names: Vec<&str> = SPELLINGS.iter().flat_map(|(_, names)| names.iter().copied()).chain(["link", "url", "location", "location_id", "streamer_id", "streamer_name"]).collect();
        let value = match shape {
            0 => json!(text), 1 => json!(number), 2 => json!([text]), 3 => json!({"city": text, "id": number}), 4 => json!(true), _ => Value::Null,
        };
        let body = json!({names[at % names.len()]: value, "link": "https://a.example"});
        let _ = (draft(body.clone()), changes(body));
    }
}
