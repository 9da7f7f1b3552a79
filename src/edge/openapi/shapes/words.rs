//! The closed words of bodies and answers, each list taken from where the domain reads it.

use std::borrow::Cow;

use trunkline_actors::streams::{
    ignore_list::ListType as ListTypes,
    stream::{PlatformKey as Platforms, Status as Statuses, StreamField as StreamFields, StreamKind as Kinds},
    timestamp::{Priority as Priorities, Resolution as Resolutions},
};
use trunkline_protocol::Role as Roles;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema, SchemaFormat,
        schema::{KnownFormat, ObjectBuilder, SchemaType, Type},
    },
};

macro_rules! word {
    ($(#[doc = $about:literal])+ $name:ident: $words:expr) => {
        $(#[doc = $about])+
        pub struct $name;
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of(concat!($($about),+), $words)
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

fn one_of<'a>(about: &str, words: impl IntoIterator<Item = &'a str>) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(about.trim()));
    text.enum_values(Some(words)).into()
}

word!(/// What was last found out about a stream; read in any casing.
    Status: Statuses::ALL.map(|(_, key, _)| key));
word!(/// A status as a wall prints it.
    WallStatus: Statuses::ALL.map(|(_, _, name)| name));
word!(/// Where a stream is shown.
    PlatformKey: Platforms::ALL.map(|(_, key, _)| key));
word!(/// What a wall does with it.
    StreamKind: Kinds::ALL.map(|(_, key)| key));
word!(/// Which way it is held; `portrait`, `V`, `landscape` and `H` are read, too.
    Orientation: ["vertical", "horizontal"]);
word!(/// Which way it is held, as a wall reads it.
    WallOrientation: ["V", "H"]);
word!(/// A field of a stream.
    StreamField: StreamFields::ALL.map(|(_, name)| name));
word!(/// What was done to a stream.
    StreamEvent: ["created", "filled", "updated", "pinned", "unpinned", "archived", "unarchived"]);
word!(/// Which list.
    ListType: ListTypes::ALL.map(|(_, name, _)| name));
word!(/// How much it matters.
    Priority: Priorities::ALL.map(|(_, name)| name));
word!(/// What became of it.
    Resolution: Resolutions::ALL.map(|(_, name)| name));
word!(/// A role; it becomes permissions in one place.
    Role: Roles::ALL.map(|(_, name)| name));
word!(/// How an actor is.
    ActorState: ["awake", "asleep", "backing_off", "quarantined"]);
word!(/// What became of one item of a batch.
    ItemOutcome: ["updated", "unchanged", "not_found", "forbidden", "invalid", "failed"]);
word!(/// What became of one imported item.
    ImportOutcome: ["created", "duplicate", "held", "failed"]);
word!(/// Which way a list is sorted.
    Direction: ["asc", "desc"]);
word!(/// How a list is written: pages; `array`, the wall's feed; `ndjson`, every stream whole, a line each.
    ListFormat: ["array", "ndjson"]);
word!(/// How an export is written.
    ExportFormat: ["json", "csv"]);
word!(/// The one word of `wrap`.
    DataWord: ["data"]);

/// A moment: RFC 3339, UTC.
pub struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).description(Some("A moment: RFC 3339, UTC.")).into()
    }
}
impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        "Moment".into()
    }
}
