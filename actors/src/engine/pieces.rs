//! Something long cut into pieces that a snapshot may hold, and put together again.

use bytes::Bytes;
use trunkline_persistence::Piece;

/// Well below [`RECORD_BYTES_MAX`](trunkline_protocol::limits::RECORD_BYTES_MAX): a backend may add words of its own.
const PIECE_BYTES: usize = 60 * 1024;

/// Cuts `whole` into pieces whose keys begin with `prefix` and sort in order; at least one.
pub(crate) fn cut(prefix: &[u8], whole: &Bytes) -> Vec<Piece> {
    let count = count(whole.len());
    let slice = |place: usize| whole.slice(place * PIECE_BYTES..((place + 1) * PIECE_BYTES).min(whole.len()));
    (0..count).map(|place| Piece { key: key(prefix, place), value: Some(slice(place)) }).collect()
}

/// How many pieces so many bytes make.
pub(crate) fn count(bytes: usize) -> usize {
    bytes.div_ceil(PIECE_BYTES).max(1)
}

/// Takes away what was cut into so many pieces under `prefix`.
pub(crate) fn doomed(prefix: &[u8], count: usize) -> impl Iterator<Item = Piece> {
    (0..count).map(|place| Piece { key: key(prefix, place), value: None })
}

/// Puts together what was cut under `prefix`; `None` where there is nothing of the sort.
pub(crate) fn join(pieces: &[(Vec<u8>, Bytes)], prefix: &[u8]) -> Option<Bytes> {
    let mut own = pieces.iter().filter(|(key, _)| key.len() == prefix.len() + 4 && key.starts_with(prefix)).map(|(_, value)| value);
    let first = own.next()?;
    let Some(second) = own.next() else { return Some(first.clone()) };
    let mut whole = first.to_vec();
    whole.extend_from_slice(second);
    own.for_each(|piece| whole.extend_from_slice(piece));
    Some(whole.into())
}

fn key(prefix: &[u8], place: usize) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend((place as u32).to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_what_it_cut_whatever_its_length() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 7] {
            let whole: Bytes = (0..length).map(|n| n as u8).collect::<Vec<_>>().into();
            let pieces: Vec<_> = cut(b"p", &whole).into_iter().filter_map(|piece| Some((piece.key, piece.value?))).collect();
            assert_eq!(join(&pieces, b"p"), Some(whole));
            assert_eq!(join(&pieces, b"q"), None);
        }
    }
}
