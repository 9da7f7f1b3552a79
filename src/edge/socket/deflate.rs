//! permessage-deflate (RFC 7692), for those who ask. Neither side keeps a context between messages: so one compressed frame serves everybody
//! who negotiated it, and a connection at rest holds nothing of it. One compressor and one inflater per core.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What the answer to an acceptable offer says; and to one that names the largest window of ours, which must be said back (7.1.2.1).
const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const ACCEPTED_WITH_WINDOW: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";
/// Smaller messages gain nothing worth the client's time.
const WORTHWHILE_BYTES: usize = 128;
/// What a sync flush ends with; not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// How much is made room for at once.
const STEP_BYTES: usize = 8 * 1024;

thread_local! {
    // 6 is where ratio stops growing for JSON.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(6), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The answer to the first of the client's offers that can be accepted. A smaller window of ours cannot be promised; what is not understood
/// is declined.
pub(crate) fn negotiate<'a>(headers: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    headers.flat_map(|line| line.split(',')).find_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        (parts.next() == Some("permessage-deflate")).then(|| accept(parts)).flatten()
    })
}

fn accept<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut seen = Vec::new();
    for parameter in parameters {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (parameter, None),
        };
        let bits = |text: &str| text.parse().is_ok_and(|bits: u8| (8..=15).contains(&bits) && !text.starts_with('0'));
        let fine = match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits", None) => true,
            ("client_max_window_bits", Some(value)) => bits(value),
            ("server_max_window_bits", Some(value)) => value == "15",
            _ => false,
        };
        if !fine || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(if seen.contains(&"server_max_window_bits") { ACCEPTED_WITH_WINDOW } else { ACCEPTED })
}

/// The message compressed; `None` where that would not make it smaller.
pub(crate) fn deflate(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < WORTHWHILE_BYTES {
        return None;
    }
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut out = Vec::with_capacity(message.len() + 64);
        loop {
            let read = usize::try_from(compress.total_in()).ok()?;
            compress.compress_vec(&message[read..], &mut out, FlushCompress::Sync).ok()?;
            if out.len() >= message.len() + TAIL.len() {
                return None;
            }
            // Room left over: everything is out.
            if out.len() < out.capacity() && out.ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
                return Some(out);
            }
            out.reserve(STEP_BYTES);
        }
    })
}

/// Why a compressed message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotInflated {
    /// It is no compressed message.
    Broken,
    /// It holds more than a message may.
    TooLarge,
}

/// The message that was compressed, of at most `bytes_max`: however much more it would come to, no more than that is ever held.
pub(crate) fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, NotInflated> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        let mut out = Vec::with_capacity((compressed.len() * 4).min(STEP_BYTES).min(bytes_max + 1));
        for mut input in [compressed, &TAIL] {
            loop {
                if out.len() == out.capacity() {
                    let more = STEP_BYTES.min((bytes_max + 1).saturating_sub(out.len()));
                    out.reserve_exact(more.max(1));
                }
                let (read, written) = (decompress.total_in(), out.len());
                let status = decompress.decompress_vec(input, &mut out, FlushDecompress::Sync).map_err(|_| NotInflated::Broken)?;
                let read = usize::try_from(decompress.total_in() - read).map_err(|_| NotInflated::Broken)?;
                input = &input[read..];
                if out.len() > bytes_max {
                    return Err(NotInflated::TooLarge);
                }
                match status {
                    // A last block: what may follow is padding.
                    Status::StreamEnd => return Ok(out),
                    _ if input.is_empty() && out.len() < out.capacity() => break,
                    _ if read == 0 && out.len() == written && out.len() < out.capacity() => return Err(NotInflated::Broken),
                    _ => {}
                }
            }
        }
        Ok(out)
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn accepts_what_browsers_offer_and_declines_what_it_cannot_keep() {
        for (offer, accepted) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate;client_max_window_bits=10; server_no_context_takeover", true),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; server_max_window_bits=\"15\"", true),
            ("permessage-deflate; client_max_window_bits=16", false),
            ("permessage-deflate; client_max_window_bits=08", false),
            ("permessage-deflate; client_no_context_takeover=1", false),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", false),
            ("permessage-deflate; unheard_of", false),
            ("x-webkit-deflate-frame", false),
            ("", false),
        ] {
            assert_eq!(negotiate([offer].into_iter()).is_some(), accepted, "{offer}");
        }
        assert_eq!(negotiate(["foo", "permessage-deflate"].into_iter()), Some(ACCEPTED));
        assert_eq!(negotiate(["permessage-deflate; server_max_window_bits=15"].into_iter()), Some(ACCEPTED_WITH_WINDOW));
        assert_eq!(negotiate([].into_iter()), None);
    }

    #[test]
    fn reads_the_examples_of_the_standard() {
        // RFC 7692, 7.2.3: one block, one block without compression, a last block, two blocks.
        for compressed in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflate(compressed, 5).as_deref(), Ok(&b"Hello"[..]));
            assert_eq!(inflate(compressed, 4), Err(NotInflated::TooLarge));
        }
        assert_eq!(inflate(&[0x02, 0x00], 100).as_deref(), Ok(&b""[..]));
        assert_eq!(inflate(&[0xff; 20], 100), Err(NotInflated::Broken));
    }

    #[test]
    fn never_holds_more_than_a_message_may() {
        let mut bomb = Compress::new(Compression::best(), false);
        let mut compressed = Vec::with_capacity(1 << 20);
        bomb.compress_vec(&vec![b'x'; 64 << 20], &mut compressed, FlushCompress::Sync).expect("compressed");
        assert!(compressed.len() < 128 * 1024);
        assert_eq!(inflate(&compressed, 64 * 1024), Err(NotInflated::TooLarge));
    }

    #[test]
    fn leaves_alone_what_would_not_become_smaller() {
        assert_eq!(deflate(b"short"), None);
        let noise: Vec<u8> = (0_u32..300).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(deflate(&noise), None);
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(words in vec("[a-f]{1,8}", 20..3000)) {
            let message = words.join(" ").into_bytes();
            if let Some(compressed) = deflate(&message) {
                prop_assert!(compressed.len() < message.len());
                prop_assert_eq!(inflate(&compressed, message.len()), Ok(message));
            }
        }
        #[test]
        fn survives_anything(bytes in vec(any::<u8>(), 0..500)) {
            if let Ok(message) = inflate(&bytes, 1000) {
                prop_assert!(message.len() <= 1000);
            }
        }
    }
}
