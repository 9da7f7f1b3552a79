//! The server's half of RFC 6455 framing: unmasked, unfragmented, final. (tungstenite reads; this writes.)

use bytes::Bytes;
use trunkline_protocol::cable::{ServerFrame, Subprotocol};

use super::{LatestKey, deflate::deflate};

/// The first byte of a whole text message.
pub(crate) const TEXT: u8 = 0x81;
/// The first byte of a whole binary message.
pub(crate) const BINARY: u8 = 0x82;
/// Set on the only frame of a compressed message (RFC 7692).
const COMPRESSED: u8 = 0x40;
const CLOSE: u8 = 0x88;
const HEADER_BYTES_MAX: usize = 10;

/// Appends one text frame.
pub(crate) fn append_text(out: &mut Vec<u8>, frame: &ServerFrame<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES_MAX]);
    frame.write(out);
    let length = out.len() - start - HEADER_BYTES_MAX;
    let (header, used) = header(TEXT, length);
    out[start + HEADER_BYTES_MAX - used..start + HEADER_BYTES_MAX].copy_from_slice(&header[..used]);
    out.drain(start..start + HEADER_BYTES_MAX - used);
}

/// Appends a frame as a client reads it; nothing where it is not told of such a frame.
pub(crate) fn append_frame(out: &mut Vec<u8>, frame: &ServerFrame<'_>, speaks: Subprotocol) {
    match speaks {
        Subprotocol::Events(events) => events.write(out, frame),
        Subprotocol::Base | Subprotocol::Extended | Subprotocol::Unsupported => append_text(out, frame),
    }
}

/// The same for those who negotiated permessage-deflate; plain where compressing gains nothing.
pub(crate) fn append_compressed(out: &mut Vec<u8>, frame: &ServerFrame<'_>) {
    let mut text = Vec::with_capacity(1024);
    frame.write(&mut text);
    append_message(out, TEXT, &text, true);
}

/// One text frame.
pub(crate) fn text_frame(frame: &ServerFrame<'_>) -> Bytes {
    let mut out = Vec::with_capacity(192);
    append_text(&mut out, frame);
    out.into()
}

/// A whole message of bytes that are none of ours, compressed where that was negotiated and makes it smaller.
pub(crate) fn message_frame(kind: u8, payload: &[u8], deflates: bool) -> Bytes {
    let mut out = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
    append_message(&mut out, kind, payload, deflates);
    out.into()
}

fn append_message(out: &mut Vec<u8>, kind: u8, payload: &[u8], deflates: bool) {
    let compressed = if deflates { deflate(payload) } else { None };
    let (kind, payload) = match &compressed {
        Some(compressed) => (kind | COMPRESSED, compressed.as_slice()),
        None => (kind, payload),
    };
    let (header, used) = header(kind, payload.len());
    out.extend_from_slice(&header[..used]);
    out.extend_from_slice(payload);
}

/// A close frame. `reason` is at most 123 bytes: all of them are literals of ours.
pub(crate) fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason.as_bytes()[..reason.len().min(123)];
    let mut out = Vec::with_capacity(4 + reason.len());
    out.push(CLOSE);
    out.push((2 + reason.len()) as u8);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason);
    out.into()
}

fn header(kind: u8, length: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = kind;
    match length {
        0..126 => {
            header[1] = length as u8;
            (header, 2)
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            (header, 10)
        }
    }
}

/// Frames that go out together: one buffer for those who keep up, and where each frame ends for those who do not.
#[derive(Debug, Default)]
pub(crate) struct FrameRun {
    /// All of them, one behind the other.
    pub bytes: Bytes,
    ends: Vec<(usize, Option<LatestKey>)>,
}

impl FrameRun {
    /// A single frame that nothing may replace.
    pub(crate) fn of(frame: Bytes) -> Self {
        let ends = vec![(frame.len(), None)];
        Self { bytes: frame, ends }
    }
    /// Frames in order, each with its end in `bytes` and the key under which only the latest counts.
    pub(crate) fn new(bytes: Bytes, ends: Vec<(usize, Option<LatestKey>)>) -> Self {
        debug_assert_eq!(ends.last().map_or(0, |(end, _)| *end), bytes.len());
        Self { bytes, ends }
    }
    /// How many frames.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
    /// The frames after the first `written` bytes: the rest of each, its key, and whether its beginning has been written.
    pub(crate) fn from(&self, written: usize) -> impl Iterator<Item = (Bytes, Option<LatestKey>, bool)> {
        let mut start = 0;
        self.ends.iter().filter_map(move |(end, key)| {
            let begin = std::mem::replace(&mut start, *end);
            if *end <= written {
                return None;
            }
            let piece = self.bytes.slice(begin.max(written)..*end);
            // What may be replaced may stay long after the others have gone, and must not keep the whole run until then.
            let is_kept_apart = key.is_some() && self.ends.len() > 1;
            let piece = if is_kept_apart { Bytes::copy_from_slice(&piece) } else { piece };
            Some((piece, key.clone(), begin < written))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use trunkline_protocol::{Topic, cable::Identifier};

    use super::*;

    #[test]
    fn frames_every_length_with_the_shortest_header() {
        let message = |length: usize| format!("\"{}\"", "x".repeat(length));
        for (length, used) in [(0, 2), (40, 2), (200, 4), (70_000, 10)] {
            let message = message(length);
            let frame = ServerFrame::Data { identifier: "\"a\"", message: message.as_bytes(), kind: None, position: None };
            let bytes = text_frame(&frame);
            let json = frame.to_json();
            assert_eq!(bytes.len(), json.len() + used);
            assert_eq!(&bytes[used..], json.as_bytes());
        }
    }

    #[test]
    fn cuts_a_run_where_the_kernel_stopped() {
        let run = FrameRun::new(Bytes::from_static(b"aabbbc"), vec![(2, None), (5, None), (6, None)]);
        let rest = |written| run.from(written).map(|(piece, _, cut)| (piece, cut)).collect::<Vec<_>>();
        assert_eq!(rest(3), [(Bytes::from_static(b"bb"), true), (Bytes::from_static(b"c"), false)]);
        assert_eq!(rest(2), [(Bytes::from_static(b"bbb"), false), (Bytes::from_static(b"c"), false)]);
        assert_eq!(rest(0).len(), 3);
    }

    #[test]
    fn keeps_no_run_for_the_sake_of_one_frame_that_may_be_replaced() {
        let key = LatestKey { topic: Topic::channel("rows"), identifier: Rc::new(Identifier::new("1")), key: "a".into() };
        let run = FrameRun::new(Bytes::from(vec![b'x'; 6]), vec![(2, None), (5, Some(key.clone())), (6, None)]);
        let mut kept: Vec<_> = run.from(0).filter(|(_, key, _)| key.is_some()).map(|(piece, ..)| piece).collect();
        drop(run);
        assert!(kept.pop().is_some_and(|piece| piece.is_unique() && piece.len() == 3));
        // A run of one is the frame, and shared.
        let run = FrameRun::new(Bytes::from(vec![b'x'; 3]), vec![(3, Some(key))]);
        assert!(run.from(0).all(|(piece, ..)| piece.as_ptr() == run.bytes.as_ptr()));
    }

    #[test]
    fn leaves_nothing_of_a_run_that_was_written() {
        let run = FrameRun::new(Bytes::from_static(b"aabbbc"), vec![(2, None), (5, None), (6, None)]);
        let rest = |written| run.from(written).map(|(piece, _, cut)| (piece, cut)).collect::<Vec<_>>();
        assert_eq!(rest(6), []);
    }
}
