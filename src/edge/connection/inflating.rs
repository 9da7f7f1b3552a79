//! What a client that negotiated permessage-deflate says, on its way to tungstenite, which does not know the extension: compressed messages are
//! gathered, inflated and passed on as one plain frame each; everything else passes as it is, for tungstenite to judge.
//!
//! Bounded by what a message may hold, compressed and inflated; nothing is inflated before it is asked for.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::edge::socket::{NotInflated, inflate};

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const OTHER_RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

/// Why the connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Frames in an order that they cannot have.
    #[error("protocol error")]
    Framing,
    /// It cannot be inflated.
    #[error("not deflated")]
    Broken,
    /// More than a message may hold.
    #[error("message too big")]
    TooLarge,
}

/// A connection's compressed messages.
#[derive(Debug)]
pub(super) struct Inflating {
    bytes_max: usize,
    received: BytesMut,
    at: Place,
    /// A compressed message whose end has not come: its opcode, and what has.
    message: Option<(u8, Vec<u8>)>,
}

#[derive(Debug)]
enum Place {
    Header,
    /// So much of a frame that is passed on is still to come.
    Passing(u64),
    /// So much of a frame of the compressed message is still to come.
    Gathering {
        left: u64,
        mask: [u8; 4],
        last: bool,
    },
}

impl Inflating {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, received: BytesMut::new(), at: Place::Header, message: None }
    }
    /// Takes what was received.
    pub(super) fn take(&mut self, received: &[u8]) {
        self.received.extend_from_slice(received);
    }
    /// What tungstenite is to read next; `None`: more must be received first.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Unreadable> {
        loop {
            match &mut self.at {
                Place::Header => {
                    let Some(header) = Header::read(&self.received) else { return Ok(None) };
                    if let Some(passed) = self.enter(&header)? {
                        return Ok(Some(passed));
                    }
                }
                Place::Passing(0) => self.at = Place::Header,
                Place::Passing(left) => {
                    let length = self.received.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if length == 0 {
                        return Ok(None);
                    }
                    *left -= length as u64;
                    return Ok(Some(self.received.split_to(length).freeze()));
                }
                Place::Gathering { left: 0, last, .. } => {
                    let last = *last;
                    self.at = Place::Header;
                    if last && let Some((opcode, compressed)) = self.message.take() {
                        return Ok(Some(plain(opcode, &self.inflated(&compressed)?)));
                    }
                }
                Place::Gathering { left, mask, .. } => {
                    let length = self.received.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if length == 0 {
                        return Ok(None);
                    }
                    *left -= length as u64;
                    let some = self.received.split_to(length);
                    if let Some((_, compressed)) = &mut self.message {
                        compressed.extend(some.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
                    }
                    mask.rotate_left(length % 4);
                }
            }
        }
    }
    /// Begins a frame; gives its header where it is to be passed on.
    fn enter(&mut self, header: &Header) -> Result<Option<Bytes>, Unreadable> {
        let opcode = header.first & 0x0f;
        let well_formed = header.mask.is_some() && header.first & OTHER_RESERVED == 0;
        let compressed = header.first & COMPRESSED != 0;
        let begins = matches!(opcode, 1 | 2);
        if begins && self.message.is_some() {
            return Err(Unreadable::Framing);
        }
        let ours = if begins { compressed } else { opcode == 0 && !compressed && self.message.is_some() };
        let (true, true, Some(mask)) = (ours, well_formed, header.mask) else {
            self.at = Place::Passing(header.length);
            return Ok(Some(self.received.split_to(header.size).freeze()));
        };
        self.received.advance(header.size);
        let (_, gathered) = self.message.get_or_insert((opcode, Vec::new()));
        if header.length.saturating_add(gathered.len() as u64) > self.bytes_max as u64 {
            return Err(Unreadable::TooLarge);
        }
        self.at = Place::Gathering { left: header.length, mask, last: header.first & FINAL != 0 };
        Ok(None)
    }
    fn inflated(&self, compressed: &[u8]) -> Result<Vec<u8>, Unreadable> {
        inflate(compressed, self.bytes_max).map_err(|error| match error {
            NotInflated::Broken => Unreadable::Broken,
            NotInflated::TooLarge => Unreadable::TooLarge,
        })
    }
}

/// A frame's header, as it came.
struct Header {
    first: u8,
    length: u64,
    mask: Option<[u8; 4]>,
    /// How many bytes it takes.
    size: usize,
}

impl Header {
    /// `None`: it is not all here.
    fn read(received: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = received.split_first_chunk()?;
        let (length, rest) = match second & 0x7f {
            126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
            127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
            short => (u64::from(short), rest),
        };
        let (mask, rest) =
            if second & MASKED == 0 { (None, rest) } else { rest.split_first_chunk().map(|(mask, rest)| (Some(*mask), rest))? };
        Some(Self { first, length, mask, size: received.len() - rest.len() })
    }
}

/// A whole message in one frame, under a mask that changes nothing.
fn plain(opcode: u8, message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 14);
    out.push(FINAL | opcode);
    match message.len() {
        short @ 0..126 => out.push(MASKED | short as u8),
        middle @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(message);
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::edge::socket::deflate;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = plain(0, payload).to_vec();
        out[0] = first;
        let at = out.len() - payload.len();
        let mask = [7, 1, 9, 200];
        out[at - 4..at].copy_from_slice(&mask);
        out[at..].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        out
    }
    fn read(inflating: &mut Inflating) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::new();
        while let Some(some) = inflating.next()? {
            out.extend_from_slice(&some);
        }
        Ok(out)
    }
    fn all(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut inflating = Inflating::new(1000);
        inflating.take(bytes);
        read(&mut inflating)
    }

    #[test]
    fn inflates_a_message_of_several_frames_with_a_ping_between_them() {
        let message = "abc ".repeat(50);
        let compressed = deflate(message.as_bytes()).expect("smaller");
        let (one, two) = compressed.split_at(compressed.len() / 2);
        let ping = frame(0x89, b"beat");
        let said = [frame(0x41, one), ping.clone(), frame(0x80, two), frame(0x81, b"plain")].concat();
        let expected = [ping, plain(1, message.as_bytes()).to_vec(), frame(0x81, b"plain")].concat();
        assert_eq!(all(&said), Ok(expected));
    }

    #[test]
    fn leaves_to_tungstenite_what_only_looks_compressed() {
        for said in [frame(0xc9, b"x"), frame(0xf1, b"x"), frame(0xc0, b"x"), frame(0xc3, b"x"), vec![0xc1, 0x01, b'x']] {
            assert_eq!(all(&said), Ok(said));
        }
    }

    #[test]
    fn refuses_what_has_no_order_no_sense_or_no_bounds() {
        assert_eq!(all(&[frame(0x41, b"x"), frame(0x81, b"y")].concat()), Err(Unreadable::Framing));
        assert_eq!(all(&[frame(0x41, b"x"), frame(0xc1, b"y")].concat()), Err(Unreadable::Framing));
        assert_eq!(all(&frame(0xc1, &[0xff; 9])), Err(Unreadable::Broken));
        assert_eq!(all(&frame(0xc1, &[0; 1001])), Err(Unreadable::TooLarge));
        assert_eq!(all(&[frame(0x41, &[0; 600]), frame(0x00, &[0; 401])].concat()), Err(Unreadable::TooLarge));
        let bomb = deflate(&[b'x'; 1001]).expect("smaller");
        assert_eq!(all(&frame(0xc1, &bomb)), Err(Unreadable::TooLarge));
        assert_eq!(all(&[0xc1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn reads_the_same_however_it_is_cut(texts in vec("[a-e ]{0,300}", 1..6), cut in 1_usize..40) {
            let said: Vec<u8> = texts.iter().flat_map(|text| match deflate(text.as_bytes()) {
                Some(compressed) => frame(0xc1, &compressed),
                None => frame(0x81, text.as_bytes()),
            }).collect();
            let mut inflating = Inflating::new(1000);
            let mut out = Vec::new();
            for some in said.chunks(cut) {
                inflating.take(some);
                out.extend(read(&mut inflating).expect("readable"));
            }
            prop_assert_eq!(Ok(out), all(&said));
        }
        #[test]
        fn survives_anything(said in vec(any::<u8>(), 0..400)) {
            let _ = all(&said);
        }
    }
}
