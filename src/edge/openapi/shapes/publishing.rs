//! Publishing from outside, and who is there (`cable.md` 2.6, 2.9, 2.10).

use utoipa::{IntoParams, ToSchema};

/// A message for a stream, an array of them, or a command.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Publication {
    Message(PublishedMessage),
    Messages(Vec<PublishedMessage>),
    Command(PublishedCommand),
}

/// A message for a stream.
#[derive(ToSchema)]
#[schema(examples(json!({"stream": "chat/1", "data": "{\"text\":\"hello\"}"})))]
pub struct PublishedMessage {
    /// For whom.
    stream: String,
    /// JSON, in a string.
    data: String,
    meta: Option<PublicationMeta>,
}

/// What is to be done instead.
#[derive(ToSchema)]
pub struct PublishedCommand {
    /// Always `disconnect`.
    command: String,
    payload: Dismissal,
}

/// How a message is told.
#[derive(ToSchema)]
pub struct PublicationMeta {
    /// The `sid` of the connection that is not told.
    exclude_socket: Option<String>,
    /// The frame's `type`.
    #[schema(max_length = 64)]
    broadcast_type: Option<String>,
    /// Now or never: not kept for those who return.
    transient: Option<bool>,
}

/// Whom a `disconnect` is for.
#[derive(ToSchema)]
pub struct Dismissal {
    /// A connection's identifiers: JSON in a string.
    identifier: String,
    /// Whether it may come back; true where it is absent.
    reconnect: Option<bool>,
}

/// Who has joined a stream.
#[derive(ToSchema)]
pub struct Presence {
    /// Always `info`.
    r#type: String,
    total: u64,
    /// Absent where nobody has.
    #[schema(required = false)]
    records: Vec<Attendee>,
}

/// One of them.
#[derive(ToSchema)]
pub struct Attendee {
    id: String,
    /// What it said of itself.
    info: serde_json::Value,
}

/// What to hear: one of these names.
#[derive(IntoParams)]
pub struct Listening {
    /// A whole identifier, as a cable's.
    identifier: Option<String>,
    /// Only a channel's name.
    channel: Option<String>,
    /// A public stream.
    stream: Option<String>,
    signed_stream: Option<String>,
    turbo_signed_stream_name: Option<String>,
    /// What was told since then, too: unix seconds.
    history_since: Option<u64>,
    /// `y`: only the messages, without their frames.
    raw: Option<String>,
}
