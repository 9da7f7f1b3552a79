//! Every frame the hub may say, byte for byte as it was first shipped: clients of every age read them.

use trunkline_protocol::cable::{DisconnectReason, Identifier, Position, ServerFrame};

fn frames() -> Vec<String> {
    let identifier = Identifier::new(r#"{"channel":"Chat <é>","id":1}"#);
    let id = identifier.json();
    let data =
        |message: &'static str, kind, position| ServerFrame::Data { identifier: id, message: message.as_bytes(), kind, position };
    let position = Position { stream: "chat \"1\"", epoch: "vRXl", offset: 44 };
    let kept = [id];
    let mut frames = vec![
        ServerFrame::Welcome { sid: None, restored: None },
        ServerFrame::Welcome { sid: Some("0htC_RyGInjzS4Ujcx0qX"), restored: None },
        ServerFrame::Welcome { sid: Some("h542"), restored: Some(&[]) },
        ServerFrame::Welcome { sid: Some("h542"), restored: Some(&kept) },
        ServerFrame::Ping(1_795_214_129),
        ServerFrame::Pong,
        ServerFrame::Confirm(id),
        ServerFrame::Reject(id),
        ServerFrame::ConfirmHistory(id),
        ServerFrame::RejectHistory(id),
        data(r#"{"x":[1,null]}"#, None, None),
        data(r#""{\"x\":1}""#, None, None),
        data("null", None, None),
        data("7", None, Some(position)),
        data(r#"{"type":"leave","id":"u1"}"#, Some("presence"), None),
    ];
    for reason in [
        DisconnectReason::Unauthorized,
        DisconnectReason::ServerRestart,
        DisconnectReason::Remote,
        DisconnectReason::TokenExpired,
        DisconnectReason::NoPong,
        DisconnectReason::TooSlow,
    ] {
        frames.push(ServerFrame::Disconnect { reason, reconnect: reason == DisconnectReason::ServerRestart });
    }
    frames.iter().map(ServerFrame::to_json).collect()
}

#[test]
fn says_every_frame_as_it_was_first_shipped() {
    let golden: Vec<&str> = include_str!("golden/server_frames.jsonl").lines().collect();
    assert_eq!(frames(), golden);
}

#[test]
fn says_only_json_objects() {
    for frame in frames() {
        assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&frame).is_ok(), "{frame}");
    }
}
