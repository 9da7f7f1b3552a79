//! WebSocket frames out of a stream of bytes that is cut anywhere. A connection at rest keeps no byte here. It checks what a client must
//! check of a server's frames and understands none of them.

/// The largest message taken; a server that sends more has gone mad.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A whole message, or a control frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard<'a> {
    /// Text; whether it is UTF-8 is not looked at.
    Text(&'a [u8]),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong,
    /// The end: a code and a reason, or nothing.
    Close(&'a [u8]),
}

/// What a server must not send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Garbled {
    /// A server's frames are never masked.
    #[error("a masked frame")]
    Masked,
    /// Nothing was negotiated that would give these bits a meaning.
    #[error("a frame with reserved bits")]
    Reserved,
    /// ActionCable is text.
    #[error("a binary frame")]
    Binary,
    /// Not one of RFC 6455.
    #[error("a frame with the unknown opcode {0}")]
    Opcode(u8),
    /// A control frame is short and whole.
    #[error("a control frame that is long or in pieces")]
    Control,
    /// A continuation of nothing, or a new message within another.
    #[error("a fragment out of turn")]
    Fragment,
    /// More than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {0} bytes")]
    Large(u64),
}

/// What one connection's bytes have left unfinished.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    /// The fragments of a message so far, while there are any.
    fragments: Option<Vec<u8>>,
}

struct Frame<'a> {
    last: bool,
    opcode: u8,
    payload: &'a [u8],
    length: usize,
}

impl Scanner {
    /// Takes what was read and tells each message in it. Stops at the first error, of the server or of `each`.
    ///
    /// # Errors
    /// [`Garbled`], or what `each` answers.
    pub fn scan<E: From<Garbled>>(&mut self, bytes: &[u8], mut each: impl FnMut(Heard<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.rest.is_empty() {
            let taken = self.take(bytes, &mut each)?;
            self.rest.extend_from_slice(&bytes[taken..]);
        } else {
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(bytes);
            let taken = self.take(&whole, &mut each)?;
            if taken < whole.len() {
                whole.drain(..taken);
                self.rest = whole;
            }
        }
        Ok(())
    }

    /// Tells every whole frame of `bytes`, and how many bytes they were.
    fn take<E: From<Garbled>>(&mut self, bytes: &[u8], each: &mut impl FnMut(Heard<'_>) -> Result<(), E>) -> Result<usize, E> {
        let mut at = 0;
        while let Some(frame) = first(&bytes[at..])? {
            at += frame.length;
            match (frame.opcode, frame.last) {
                (0x1, true) if self.fragments.is_none() => each(Heard::Text(frame.payload))?,
                (0x0 | 0x1, _) => self.fragment(&frame, each)?,
                (0x8, _) => each(Heard::Close(frame.payload))?,
                (0x9, _) => each(Heard::Ping(frame.payload))?,
                (0xa, _) => each(Heard::Pong)?,
                (0x2, _) => return Err(Garbled::Binary.into()),
                (opcode, _) => return Err(Garbled::Opcode(opcode).into()),
            }
        }
        Ok(at)
    }
    fn fragment<E: From<Garbled>>(
        &mut self,
        frame: &Frame<'_>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut message = match (frame.opcode, self.fragments.take()) {
            (0x1, None) => Vec::new(),
            (0x0, Some(message)) => message,
            _ => return Err(Garbled::Fragment.into()),
        };
        message.extend_from_slice(frame.payload);
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(Garbled::Large(message.len() as u64).into());
        }
        if frame.last {
            return each(Heard::Text(&message));
        }
        self.fragments = Some(message);
        Ok(())
    }
}

/// The frame that `bytes` begin with, if all of it is there.
fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, Garbled> {
    let [head, size, rest @ ..] = bytes else { return Ok(None) };
    let (opcode, last) = (head & 0x0f, head & 0x80 != 0);
    if head & 0x70 != 0 {
        return Err(Garbled::Reserved);
    }
    if size & 0x80 != 0 {
        return Err(Garbled::Masked);
    }
    if opcode >= 8 && (*size > 125 || !last) {
        return Err(Garbled::Control);
    }
    let (header, length) = match (size, rest) {
        (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, u64::from(*length)),
    };
    if length > MESSAGE_BYTES_MAX as u64 {
        return Err(Garbled::Large(length));
    }
    let end = header + length as usize;
    Ok(bytes.get(header..end).map(|payload| Frame { last, opcode, payload, length: end }))
}

/// A frame as a client sends it. The mask is zero: it hides nothing on a connection whose peer is the one under test, and costs nothing.
#[must_use]
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, PartialEq, Eq, Debug)]
    enum Said {
        Text(Vec<u8>),
        Ping(Vec<u8>),
        Close(Vec<u8>),
    }

    fn server_frame(head: u8, payload: &[u8], out: &mut Vec<u8>) {
        out.push(head);
        match payload.len() {
            length @ 0..=125 => out.push(length as u8),
            length @ 126..=0xffff => {
                out.push(126);
                out.extend((length as u16).to_be_bytes());
            }
            length => {
                out.push(127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        out.extend(payload);
    }

    fn hear(scanner: &mut Scanner, bytes: &[u8], said: &mut Vec<Said>) -> Result<(), Garbled> {
        scanner.scan(bytes, |heard| {
            match heard {
                Heard::Text(text) => said.push(Said::Text(text.to_vec())),
                Heard::Ping(payload) => said.push(Said::Ping(payload.to_vec())),
                Heard::Close(payload) => said.push(Said::Close(payload.to_vec())),
                Heard::Pong => {}
            }
            Ok(())
        })
    }

    /// A message, in how many fragments it is sent, and whether a ping stands within.
    fn messages() -> impl Strategy<Value = Vec<(Vec<u8>, usize, bool)>> {
        let long = prop_oneof![4 => 0..300_usize, 1 => 65_000..67_000_usize];
        let payload = long.prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length));
        proptest::collection::vec((payload, 1..4_usize, any::<bool>()), 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn hears_the_same_however_the_bytes_are_cut(messages in messages(), cuts in proptest::collection::vec(1..400_usize, 1..40)) {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (payload, pieces, ping) in &messages {
                let size = payload.len().div_ceil(*pieces).max(1);
                let mut chunks: Vec<&[u8]> = payload.chunks(size).collect();
                if chunks.is_empty() {
                    chunks.push(&[]);
                }
                let count = chunks.len();
                for (at, chunk) in chunks.into_iter().enumerate() {
                    let last = if at + 1 == count { 0x80 } else { 0 };
                    server_frame(last | u8::from(at == 0), chunk, &mut bytes);
                    if *ping && at + 1 < count {
                        server_frame(0x89, b"well?", &mut bytes);
                        expected.push(Said::Ping(b"well?".to_vec()));
                    }
                }
                expected.push(Said::Text(payload.clone()));
            }
            let (mut scanner, mut said, mut left) = (Scanner::default(), Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (now, later) = left.split_at((*cut).min(left.len()));
                hear(&mut scanner, now, &mut said).expect("nothing is wrong with it");
                left = later;
            }
            prop_assert_eq!(said, expected);
            prop_assert!(scanner.rest.is_empty() && scanner.fragments.is_none(), "nothing is kept at rest");
        }

        #[test]
        fn answers_any_bytes_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = hear(&mut Scanner::default(), &bytes, &mut Vec::new());
        }
    }

    #[test]
    fn names_what_a_server_must_not_send() {
        let wrong = |bytes: &[u8]| hear(&mut Scanner::default(), bytes, &mut Vec::new()).expect_err("it is wrong");
        assert_eq!(wrong(&[0x81, 0x80, 0, 0, 0, 0]), Garbled::Masked);
        assert_eq!(wrong(&[0xc1, 0]), Garbled::Reserved);
        assert_eq!(wrong(&[0x82, 0]), Garbled::Binary);
        assert_eq!(wrong(&[0x83, 0]), Garbled::Opcode(3));
        assert_eq!(wrong(&[0x09, 0]), Garbled::Control);
        assert_eq!(wrong(&[0x80, 0]), Garbled::Fragment);
        assert_eq!(wrong(&[0x01, 0, 0x81, 0]), Garbled::Fragment);
        assert_eq!(wrong(&[0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0]), Garbled::Large(1 << 56));
    }

    #[test]
    fn masks_what_a_client_says() {
        assert_eq!(client_frame(0x9, b"ab"), [0x89, 0x82, 0, 0, 0, 0, b'a', b'b']);
        assert_eq!(client_frame(0x1, &[7; 126])[..8], [0x81, 0xfe, 0, 126, 0, 0, 0, 0]);
        assert_eq!(client_frame(0x1, &vec![7; 0x1_0000])[..6], [0x81, 0xff, 0, 0, 0, 0]);
    }
}
