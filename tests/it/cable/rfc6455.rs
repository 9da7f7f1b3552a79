//! RFC 6455, line by line, over the transport that carries the cable: what is right comes back as it was, what is wrong is closed with the
//! code that says so. `docs/cable-proofs.md` says how to run a whole conformance suite against the same echo.

use super::harness::{HANDSHAKE, House, Raw, frame};
use trunkline::actors::Plan;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

async fn echoing() -> House {
    House::with(Plan::new(), |config| {
        config.echo = Some("/echo".to_owned());
        config.frame_bytes_max = 1 << 20;
        config.outbox_bytes_max = 1 << 24;
    })
    .await
}

async fn open(house: &House) -> Raw {
    let mut raw = house.raw().await;
    raw.send(HANDSHAKE.replace("/cable", "/echo").replace("Sec-WebSocket-Protocol: actioncable-v1-json\r\n", "")).await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    raw
}

async fn closes(house: &House, bytes: Vec<u8>, code: Option<u16>) {
    let mut raw = open(house).await;
    raw.send(&bytes).await;
    assert_eq!(raw.closed().await, code, "{:02x?}", &bytes[..bytes.len().min(24)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_back_messages_of_every_length_and_kind() {
    let house = echoing().await;
    let mut raw = open(&house).await;
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 262_144] {
        for (kind, byte) in [(TEXT, b'*'), (BINARY, 0xfe)] {
            let payload = vec![byte; length];
            raw.send(frame(kind, &payload)).await;
            assert!(raw.frame().await == (kind, payload), "{length} bytes");
        }
    }
    // A length may be written longer than it must be.
    let mut long = vec![TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    long.extend_from_slice(b"hi");
    raw.send(long).await;
    assert_eq!(raw.frame().await, (TEXT, b"hi".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_pings_also_within_a_message_and_ignores_pongs() {
    let house = echoing().await;
    let mut raw = open(&house).await;
    for payload in [&b""[..], b"hello", &[0, 0xff, 0xfe], &[0xfe; 125]] {
        raw.send(frame(PING, payload)).await;
        assert_eq!(raw.frame().await, (PONG, payload.to_vec()));
    }
    raw.send([frame(PONG, b"unasked"), frame(PONG, b"")].concat()).await;
    raw.send((0..10).flat_map(|number| frame(PING, &[number])).collect::<Vec<_>>()).await;
    for number in 0..10 {
        assert_eq!(raw.frame().await, (PONG, vec![number]));
    }
    let parts = [frame(0x01, b"a"), frame(PING, b"1"), frame(0x00, b""), frame(PONG, b"x"), frame(0x00, b"b"), frame(PING, b"2")];
    let all = [parts.concat(), frame(0x80, b"c"), frame(0x02, b""), frame(0x80, b"")].concat();
    for way in ["at once", "byte by byte"] {
        if way == "at once" {
            raw.send(&all).await;
        } else {
            for byte in &all {
                raw.send([*byte]).await;
            }
        }
        for expected in [(PONG, &b"1"[..]), (PONG, b"2"), (TEXT, b"abc"), (BINARY, b"")] {
            let (kind, payload) = raw.frame().await;
            assert_eq!((kind, &*payload), expected, "{way}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_what_breaks_the_framing() {
    let house = echoing().await;
    for reserved in [0x40, 0x20, 0x10, 0x70] {
        for kind in [TEXT, BINARY, PING, CLOSE, 0x01] {
            closes(&house, frame(kind | reserved, b"x"), Some(1002)).await;
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        closes(&house, frame(0x80 | opcode, b""), Some(1002)).await;
        closes(&house, frame(0x80 | opcode, b"payload"), Some(1002)).await;
    }
    for broken in [
        // Nothing to continue; a message within a message; a control frame in fragments, or too long.
        frame(0x80, b"x"),
        frame(0x00, b"x"),
        [frame(0x01, b"a"), frame(TEXT, b"b")].concat(),
        [frame(0x02, b"a"), frame(0x01, b"b")].concat(),
        [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat(),
        frame(0x09, b"x"),
        frame(0x0a, b"x"),
        frame(0x08, b""),
        frame(PING, &[b'x'; 126]),
        frame(PONG, &[b'x'; 126]),
        frame(CLOSE, &[b'x'; 126]),
        // Without a mask.
        vec![TEXT, 2, b'h', b'i'],
        vec![PING, 0],
    ] {
        let mut raw = open(&house).await;
        raw.send(&broken).await;
        loop {
            let (kind, payload) = raw.frame().await;
            if kind == CLOSE {
                assert_eq!(payload.get(..2), Some(&1002_u16.to_be_bytes()[..]), "{broken:02x?}");
                break;
            }
            // What was whole before it broke comes back.
            assert_eq!((kind, &*payload), (TEXT, &b"ab"[..]));
        }
    }
    closes(&house, frame(BINARY, &vec![0; (1 << 20) + 1]), Some(1009)).await;
    let half = vec![0; 600_000];
    closes(&house, [frame(0x02, &half), frame(0x80, &half)].concat(), Some(1009)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_with_the_code_it_was_closed_with_where_that_is_one() {
    let house = echoing().await;
    let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        closes(&house, close(code, b"why"), Some(code)).await;
    }
    closes(&house, close(1000, &[b'x'; 123]), Some(1000)).await;
    closes(&house, close(1000, "κόσμε".as_bytes()), Some(1000)).await;
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        closes(&house, close(code, b""), Some(1002)).await;
        closes(&house, close(code, b"why"), Some(1002)).await;
    }
    closes(&house, frame(CLOSE, b"x"), Some(1002)).await;
    closes(&house, close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), Some(1007)).await;
    // Nothing after a close is read.
    closes(&house, [close(1000, b""), frame(TEXT, b"more"), frame(PING, b"")].concat(), Some(1000)).await;
    // A message that was not finished before the close is not told.
    closes(&house, [frame(0x01, b"half"), close(1000, b"")].concat(), Some(1000)).await;
    let mut raw = open(&house).await;
    raw.send(frame(CLOSE, b"")).await;
    assert!(matches!(raw.closed().await, None | Some(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_utf_8_wherever_it_is_cut_and_closes_what_is_none() {
    let house = echoing().await;
    let mut raw = open(&house).await;
    let text = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{0} \u{7f} \u{7ff} \u{800} \u{d7ff} \u{e000} \u{fffd} \u{ffff} \u{10000} \u{10ffff}";
    for at in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(at);
        raw.send([frame(0x01, one), frame(0x80, other)].concat()).await;
        assert_eq!(raw.frame().await, (TEXT, text.as_bytes().to_vec()), "cut at {at}");
    }
    let bytes: Vec<Vec<u8>> =
        text.bytes().enumerate().map(|(at, byte)| frame(if at == 0 { 0x01 } else { 0x00 }, &[byte])).collect();
    raw.send([bytes.concat(), frame(0x80, b"")].concat()).await;
    assert_eq!(raw.frame().await, (TEXT, text.as_bytes().to_vec()));
    let invalid: [&[u8]; 24] = [
        b"\x80",
        b"\xbf",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xaf\xbf",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xfb\xbf\xbf\xbf\xbf",
        // Cut short.
        b"\xce",
        b"\xe1\xbd",
        b"\xf0\x90\x80",
        b"\xce x",
        b"\xe1\xbd x",
    ];
    for bad in invalid {
        closes(&house, frame(TEXT, bad), Some(1007)).await;
        closes(&house, frame(TEXT, &[b"before", bad].concat()), Some(1007)).await;
        closes(&house, [frame(0x01, "κόσμε".as_bytes()), frame(0x00, bad), frame(0x80, b"")].concat(), Some(1007)).await;
    }
    // Binary may be anything.
    raw.send(frame(BINARY, b"\xff\xfe")).await;
    assert_eq!(raw.frame().await, (BINARY, b"\xff\xfe".to_vec()));
}
