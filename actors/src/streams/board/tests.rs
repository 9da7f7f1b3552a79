//! The board: one JSON shape, filters, orders and pages that neither repeat nor skip.

use proptest::prelude::*;
use serde_json::{Value, json};
use trunkline_protocol::{CommandId, EntityId, Turn};

use super::*;
use crate::{
    streams::{
        stream::{Change, Draft, FieldValue, StreamField},
        wall::WallRow,
    },
    testing::MOMENT,
};

fn board() -> Board {
    Board::new(Arc::default(), Arc::default(), Arc::new(NoOwners), true)
}

fn tell(board: &Board, key: &str, at: Timestamp, facts: &[StreamFact]) {
    let facts = facts.iter().map(codec::seal).collect();
    let turn = Turn { command: CommandId::new(), by: UserId(1), connection: None, facts };
    let commit = Commit { entity: EntityId::new(Stream::KIND, key), version: 1, position: 1, at, turns: vec![turn] };
    board.fold(&commit).expect("known facts");
}

fn add(board: &Board, id: u64, at: Timestamp, body: Value) {
    let draft = Draft::try_from(body.as_object().expect("an object")).expect("a draft");
    let mut fields = draft.changes.fields;
    fields.push((StreamField::Link, FieldValue::from(draft.link.as_str())));
    let key = draft.link.canonical();
    tell(board, key, at, &[StreamFact::StreamAdded { id, user: UserId(id % 3), key: key.into(), fields }]);
}

fn ids(board: &Board, query: &[(&str, &str)]) -> Vec<u64> {
    let filter =
        Filter::read(|names| names.iter().find_map(|name| query.iter().find(|(key, _)| key == name)).map(|(_, value)| *value));
    board.page(&filter, Sort::DEFAULT, 1, 100).rows.iter().map(StreamRow::id).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(MOMENT.as_millis() + second * 1000)
}

fn four() -> Board {
    let board = board();
    add(
        &board,
        1,
        at(1),
        json!({"link": "https://twitch.tv/ana", "source": "Discord", "status": "live", "platform": "Twitch", "city": "Seattle", "title": "Große Demo"}),
    );
    add(
        &board,
        2,
        at(2),
        json!({"link": "https://kick.com/bob", "source": "Twitch", "status": "offline", "pinned": true, "external_id": "x2", "posted_by": "Bob#1"}),
    );
    add(&board, 3, at(3), json!({"link": "https://a.example/c", "source": "sheets", "kind": "overlay", "orientation": "v"}));
    add(&board, 4, at(4), json!({"link": "https://twitch.tv/dan", "source": "Discord", "status": "error", "archived": true}));
    board
}

#[test]
fn shows_every_key_of_the_contract_with_its_aliases() {
    let row = serde_json::to_value(four().row(1).expect("a row")).expect("JSON");
    for key in "id source link url status platform platform_key title notes city state posted_by external_id orientation kind is_pinned \
                pinned is_archived archived last_checked_at last_checked checked_at last_live_at started_at ended_at location_id location \
                streamer_id streamer user analytics_url tags created_at updated_at"
        .split_whitespace()
    {
        assert!(row.get(key).is_some(), "{key}");
    }
    assert_eq!((&row["status"], &row["platform"], &row["platform_key"]), (&json!("live"), &json!("Twitch"), &json!("twitch")));
    assert_eq!((&row["link"], &row["url"]), (&json!("https://twitch.tv/ana"), &json!("https://twitch.tv/ana")));
    assert_eq!(row["created_at"], json!("2026-01-01T00:00:01.000Z"));
    assert_eq!((&row["analytics_url"], &row["user"]["id"]), (&json!("/api/v1/streams/1/analytics"), &json!(1)));
}

#[test]
fn speaks_the_walls_dialect() {
    let board = four();
    let tile = |id: u64| serde_json::to_value(WallRow(&board.row(id).expect("a row"))).expect("JSON");
    assert_eq!((&tile(1)["status"], &tile(1)["label"], tile(1).get("orientation")), (&json!("Live"), &json!("Große Demo"), None));
    assert_eq!((&tile(3)["orientation"], &tile(3)["label"], &tile(3)["kind"]), (&json!("V"), &json!("sheets"), &json!("overlay")));
    assert!(tile(1).get("_id").is_none() && tile(1).get("_dataSource").is_none());
}

#[test]
fn lists_pinned_first_then_the_newest_and_leaves_the_archive_out_unless_asked() {
    let board = four();
    for (query, expected) in [
        (&[][..], &[2, 3, 1][..]),
        (&[("is_archived", "true")], &[4]),
        (&[("archived", "all")], &[2, 4, 3, 1]),
        (&[("isExpired", "false")], &[2, 3, 1]),
        (&[("status", "archived")], &[4]),
        (&[("status", "LIVE,Offline")], &[2, 1]),
        (&[("status", "live,archived")], &[4, 1]),
        (&[("status", "dead")], &[]),
        (&[("notStatus", "live")], &[2, 3]),
        (&[("not_status", "live,offline")], &[3]),
        (&[("platform", "TWITCH")], &[1]),
        (&[("notPlatform", "twitch")], &[2, 3]),
        (&[("kind", "overlay")], &[3]),
        (&[("orientation", "vertical")], &[3]),
        (&[("user_id", "2")], &[2]),
        (&[("user_id", "99")], &[]),
        (&[("user_id", "x")], &[]),
        (&[("streamer_id", "x")], &[]),
        (&[("pinned", "1")], &[2]),
        (&[("isPinned", "false")], &[3, 1]),
        (&[("link", "http://www.TWITCH.tv/ana/")], &[1]),
        (&[("url", "https://twitch.tv/nobody")], &[]),
        (&[("link", "not a link")], &[]),
        (&[("link", "https://twitch.tv/dan")], &[]),
        (&[("link", "https://twitch.tv/dan"), ("archived", "all")], &[4]),
        (&[("external_id", "x2")], &[2]),
        (&[("posted_by", "bob#1")], &[2]),
        (&[("city", "seattle")], &[1]),
        (&[("search", "GROSSE")], &[]),
        (&[("search", "große d")], &[1]),
        (&[("search", "KICK.com")], &[2]),
        (&[("search", "discord"), ("status", "live")], &[1]),
        (&[("updated_since", "2026-01-01T00:00:02Z")], &[2, 3]),
        (&[("nonsense", "x")], &[2, 3, 1]),
    ] {
        assert_eq!(ids(&board, query), expected, "{query:?}");
    }
}

#[test]
fn follows_a_stream_through_its_changes_and_forgets_it_when_it_is_deleted() {
    let board = four();
    let moved = Change { field: StreamField::Link, from: FieldValue::Nothing, to: FieldValue::from("https://kick.com/ana") };
    let renamed = Change { field: StreamField::ExternalId, from: FieldValue::Nothing, to: FieldValue::from("x1") };
    tell(&board, "twitch.tv/ana", at(9), &[StreamFact::FieldsChanged { id: 1, changes: vec![moved, renamed] }]);
    let kept = board.active_with_link("kick.com/ana").expect("found under its new link");
    assert_eq!((kept.stream.id, &*kept.home, kept.stream.version, kept.stream.updated_at), (1, "twitch.tv/ana", 2, at(9)));
    assert!(board.active_with_link("twitch.tv/ana").is_none());
    assert_eq!(board.active_with_external_id(UserId(1), "x1").map(|kept| kept.stream.id), Some(1));
    tell(&board, "twitch.tv/ana", at(9), &[StreamFact::StreamDeleted { id: 1 }]);
    assert!(board.row(1).is_none() && board.with_link("kick.com/ana").is_empty() && board.len() == 3);
    assert!(board.active_with_external_id(UserId(1), "x1").is_none());
}

#[test]
fn starts_from_its_pieces_where_it_left_off() {
    let board = four();
    tell(&board, "twitch.tv/ana", at(9), &[StreamFact::StreamDeleted { id: 1 }]);
    let pieces: Vec<_> = board.changed().into_iter().filter_map(|piece| Some((piece.key, piece.value?))).collect();
    assert_eq!((pieces.len(), board.changed().len()), (3, 0));
    let again = self::board();
    again.restore(pieces).expect("readable pieces");
    assert_eq!(ids(&again, &[("archived", "all")]), [2, 4, 3]);
    assert_eq!(again.row(2).map(|row| row.kept), board.row(2).map(|row| row.kept));
}

#[test]
fn reads_every_dialect_of_sorting() {
    let sort = |by, descending| Sort { by, descending };
    for (given, direction, expected) in [
        (None, None, Sort::DEFAULT),
        (Some("bogus"), Some("asc"), Sort::DEFAULT),
        (Some("name"), None, sort(SortBy::Source, false)),
        (Some("-name"), None, sort(SortBy::Source, true)),
        (Some("created"), None, sort(SortBy::CreatedAt, false)),
        (Some("-created"), None, sort(SortBy::CreatedAt, true)),
        (Some("checked_at"), None, sort(SortBy::LastCheckedAt, true)),
        (Some("title"), Some("ASC"), sort(SortBy::Title, false)),
    ] {
        assert_eq!(Sort::read(given, direction), expected, "{given:?}");
    }
}

const COLUMNS: [&str; 17] = [
    "",
    "name",
    "-name",
    "created",
    "created_at",
    "updated_at",
    "checked_at",
    "last_live_at",
    "started_at",
    "title",
    "source",
    "link",
    "platform",
    "status",
    "city",
    "kind",
    "streamer",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn turns_pages_without_repeating_or_skipping_whatever_the_ties(
        streams in proptest::collection::vec((0..3_i64, 0..3_u8, any::<bool>(), any::<bool>(), 0..3_usize), 0..60),
        column in 0..COLUMNS.len(), ascending in any::<bool>(), per_page in 1..20_usize, all in any::<bool>(),
    ) {
        let board = board();
        for (id, (second, title, pinned, archived, status)) in (1_u64..).zip(&streams) {
            let mut body = json!({"link": format!("https://a.example/{id}"), "source": format!("s{title}"), "pinned": pinned, "archived": archived,
                "status": (["live", "offline", "unknown"][*status])});
            if *title > 0 { body["title"] = json!(format!("T{title}")); }
            if *status == 1 { body["last_checked_at"] = json!(at(*second).to_string()); }
            add(&board, id, at(*second), body);
        }
        let filter = Filter::default().with_archived(if all { Archive::All } else { Archive::Active });
        let sort = Sort::read(Some(COLUMNS[column]).filter(|name| !name.is_empty()), Some(if ascending { "asc" } else { "desc" }));
        let total = board.page(&filter, sort, 1, 1).total;
        let mut seen = Vec::new();
        for page in 1..=total.div_ceil(per_page) + 1 {
            let found = board.page(&filter, sort, page, per_page);
            prop_assert_eq!(found.total, total);
            seen.extend(found.rows.iter().map(StreamRow::id));
        }
        let whole: Vec<u64> = board.all(&filter, sort).iter().map(|kept| kept.stream.id).collect();
        prop_assert_eq!(&seen, &whole);
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), total);
        let expected = streams.iter().filter(|stream| all || !stream.3).count();
        prop_assert_eq!(total, expected);
    }
}
