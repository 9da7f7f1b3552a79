//! permessage-deflate: for those who ask, where the hub offers it; messages whole in both directions, bombs and nonsense closed with their code.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use trunkline::actors::Plan;

use super::harness::{HANDSHAKE, House, Raw, frame, stream};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

async fn house() -> House {
    House::with(Plan::new(), |config| config.deflate = true).await
}

/// A welcomed client that offered to compress; and the head of the answer, in small letters.
async fn offering(house: &House) -> (Raw, String) {
    let mut raw = house.raw().await;
    raw.send(HANDSHAKE.replace("Sec-WebSocket-Key", &format!("{OFFER}Sec-WebSocket-Key"))).await;
    let head = raw.answer().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert_eq!(raw.text().await, r#"{"type":"welcome"}"#);
    (raw, head)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * message.len() + 1024);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(message, &mut out, FlushCompress::Sync).expect("compressed");
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn inflated(message: &[u8]) -> String {
    String::from_utf8(inflated_bytes(message)).expect("UTF-8")
}
fn inflated_bytes(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 << 20);
    let whole = [message, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false).decompress_vec(&whole, &mut out, FlushDecompress::Sync).expect("a compressed message");
    out
}

/// The next data frame: whether it was compressed, and the JSON in it.
async fn hear(raw: &mut Raw) -> (bool, Value) {
    loop {
        let (first, payload) = raw.frame().await;
        let text = match first {
            0x81 => String::from_utf8(payload).expect("UTF-8"),
            0xc1 => inflated(&payload),
            other => panic!("{other:#x}"),
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["type"] != "ping" {
            return (first == 0xc1, frame);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compresses_for_those_who_offered_to_and_tells_everybody_the_same() {
    let house = house().await;
    let chat = stream("chat");
    let mut plain = house.client().await;
    plain.subscribe(&chat).await;
    let (mut one, head) = offering(&house).await;
    let agreed = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert!(head.lines().any(|line| line == agreed), "{head}");
    let (mut two, _) = offering(&house).await;
    let subscribe = json!({"command":"subscribe","identifier":chat}).to_string();
    // Compressed in two frames, with a ping between them; and not compressed at all.
    let compressed = deflated(subscribe.as_bytes());
    let (front, back) = compressed.split_at(20);
    one.send([frame(0x41, front), frame(0x89, b"beat"), frame(0x80, back)].concat()).await;
    assert_eq!(one.frame().await, (0x8a, b"beat".to_vec()));
    two.send(frame(0x81, subscribe.as_bytes())).await;
    for client in [&mut one, &mut two] {
        assert_eq!(hear(client).await.1, json!({"identifier":chat,"type":"confirm_subscription"}));
    }
    for (message, compressed) in [(json!("short"), false), (json!(["long", "x".repeat(30_000), "é😀"]), true)] {
        house.say("chat", message.clone()).await;
        let expected = json!({"identifier":chat,"message":message});
        assert_eq!(plain.hear().await, expected);
        for client in [&mut one, &mut two] {
            assert_eq!(hear(client).await, (compressed, expected.clone()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_back_compressed_messages_of_every_kind_and_length_however_they_are_cut() {
    let house = House::with(Plan::new(), |config| {
        config.deflate = true;
        config.echo = Some("/echo".to_owned());
        config.frame_bytes_max = 1 << 20;
        config.outbox_bytes_max = 1 << 24;
    })
    .await;
    let mut raw = house.raw().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\nSec-WebSocket-Key";
    raw.send(HANDSHAKE.replace("/cable", "/echo").replace("Sec-WebSocket-Key", offer)).await;
    let head = raw.answer().await.to_ascii_lowercase();
    assert!(head.contains("server_max_window_bits=15"), "what was asked for and granted is said: {head}");
    let line = json!({"action":"created","stream":{"title":"é😀","link":"https://example.org/"}}).to_string();
    for length in [0, 1, 100, 1_000, 70_000, 900_000] {
        let text: String = line.chars().cycle().take(length).collect();
        for (kind, message) in [(1, text.as_bytes()), (2, &vec![0xfe; length][..])] {
            let compressed = deflated(message);
            for parts in [1, 2, 7] {
                let size = compressed.len().div_ceil(parts).max(1);
                let pieces: Vec<&[u8]> = compressed.chunks(size).collect();
                for (number, piece) in pieces.iter().enumerate() {
                    let opcode = if number == 0 { 0x40 | kind } else { 0 };
                    let last = if number + 1 == pieces.len() { 0x80 } else { 0 };
                    raw.send(frame(opcode | last, piece)).await;
                }
                let (first, payload) = raw.frame().await;
                assert_eq!(first, 0x80 | kind | if message.len() < 128 { 0 } else { 0x40 }, "{length} bytes in {parts} parts");
                let back = if first & 0x40 == 0 { payload } else { inflated_bytes(&payload) };
                assert!(back == message, "{length} bytes in {parts} parts");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_on_bombs_and_nonsense_and_still_judges_what_is_not_compressed() {
    let house = house().await;
    let bomb = deflated(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < 64 * 1024);
    let ping = deflated(br#"{"command":"ping"}"#);
    for (bytes, code) in [
        (frame(0xc1, &bomb), 1009),
        (frame(0xc1, &[0xff; 20]), 1007),
        (frame(0xc1, &deflated(b"\xff\xfe")), 1007),
        ([frame(0x41, &ping), frame(0xc0, b"")].concat(), 1002),
        ([frame(0x41, &ping), frame(0x81, b"{}")].concat(), 1002),
        ([frame(0x01, b"{"), frame(0xc1, &ping)].concat(), 1002),
        (frame(0xc9, b"x"), 1002),
        (frame(0xe1, &ping), 1002),
        (vec![0xc1, 0x02, b'{', b'}'], 1002),
        (frame(0x88, &[0x03, 0xe8]), 1000),
    ] {
        let (mut raw, _) = offering(&house).await;
        raw.send(&bytes).await;
        assert_eq!(raw.closed().await, Some(code), "{:x?}", &bytes[..bytes.len().min(16)]);
    }
    // A small message that is cut byte by byte, and many in one packet.
    let (mut raw, _) = offering(&house).await;
    for byte in frame(0xc1, &ping) {
        raw.send([byte]).await;
    }
    assert_eq!(hear(&mut raw).await.1, json!({"type":"pong"}));
    raw.send(frame(0xc1, &ping).repeat(200)).await;
    for _ in 0..200 {
        assert_eq!(hear(&mut raw).await.1, json!({"type":"pong"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_agreed_on_where_it_is_off_or_cannot_be_kept() {
    let off = House::open().await;
    let (mut raw, head) = offering(&off).await;
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    raw.send(frame(0xc1, &deflated(br#"{"command":"ping"}"#))).await;
    assert_eq!(raw.closed().await, Some(1002));
    let on = house().await;
    for offer in ["permessage-deflate; server_max_window_bits=9", "permessage-deflate; unheard_of", "x-webkit-deflate-frame"] {
        let mut raw = on.raw().await;
        raw.send(HANDSHAKE.replace("Host: hub", &format!("Host: hub\r\nSec-WebSocket-Extensions: {offer}"))).await;
        let head = raw.answer().await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101") && !head.contains("sec-websocket-extensions"), "{head}");
    }
}
