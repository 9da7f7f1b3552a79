//! How a snapshot is stored: in layers, each the pieces of one save, sorted and packed into chunks. A later layer speaks over the earlier.
//!
//! A layer is written once and never changed. The snapshot's head lists those that count, so one small write decides a save, and a
//! reader who finds the same head before and after has read one save whole. What no head lists is rubbish, cleared by the next save.

use std::cmp::Ordering;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{keys, stored::unavailable};
use crate::{JournalError, Loaded, Piece};

/// A chunk is full when it holds so much; the last piece may reach over by what a piece may be long.
const CHUNK_BYTES: usize = 4 * 1024;
/// The length that says: this piece is removed.
const REMOVED: u32 = u32::MAX;

/// One layer of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layer {
    pub(super) number: u64,
    pub(super) chunks: u32,
    pub(super) bytes: u64,
}

impl Layer {
    /// The keys of all chunks of a layer.
    pub(super) fn keys(name: &str) -> impl Fn(&Self) -> Vec<Vec<u8>> {
        move |layer| (0..layer.chunks).map(|chunk| keys::chunk(name, layer.number, chunk)).collect()
    }
}

/// What a snapshot says of itself: what it is whole at, and the layers that count, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Head {
    pub(super) at: u64,
    /// The number of the next layer.
    pub(super) next: u64,
    pub(super) layers: Vec<Layer>,
}

impl Head {
    pub(super) fn read(db: &sled::Db, name: &str) -> Result<Option<Self>, JournalError> {
        let Some(value) = db.get(keys::snapshot_head(name)).map_err(unavailable)? else { return Ok(None) };
        let mut value = &*value;
        Self::unpack(&mut value).map(Some).ok_or_else(|| JournalError::Corrupt(format!("the head of the snapshot {name}")))
    }

    fn unpack(value: &mut &[u8]) -> Option<Self> {
        let (at, next) = (value.try_get_u64().ok()?, value.try_get_u64().ok()?);
        let mut layers = Vec::new();
        while value.has_remaining() {
            let (number, chunks) = (value.try_get_u64().ok()?, value.try_get_u32().ok()?);
            layers.push(Layer { number, chunks, bytes: value.try_get_u64().ok()? });
        }
        Some(Self { at, next, layers })
    }

    /// The place of the first of two neighbours that are to be merged: the elder is not well above the younger in size. So there are no
    /// more layers than sizes can double.
    pub(super) fn alike(&self) -> Option<usize> {
        self.layers.windows(2).position(|pair| pair[0].bytes < 2 * pair[1].bytes)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + 20 * self.layers.len());
        bytes.put_u64(self.at);
        bytes.put_u64(self.next);
        for layer in &self.layers {
            bytes.put_u64(layer.number);
            bytes.put_u32(layer.chunks);
            bytes.put_u64(layer.bytes);
        }
        bytes
    }
}

/// A layer on its way: takes pieces in the order of their keys, gives chunks.
pub(super) struct Packing {
    layer: Layer,
    chunk: BytesMut,
}

impl Packing {
    pub(super) fn new(number: u64) -> Self {
        Self { layer: Layer { number, chunks: 0, bytes: 0 }, chunk: BytesMut::new() }
    }

    /// Adds a piece; a chunk that is full goes into the batch.
    pub(super) fn add(&mut self, name: &str, piece: &Piece, writes: &mut sled::Batch) {
        self.chunk.put_u32(piece.key.len() as u32);
        self.chunk.put_u32(piece.value.as_ref().map_or(REMOVED, |value| value.len() as u32));
        self.chunk.put_slice(&piece.key);
        self.chunk.put_slice(piece.value.as_deref().unwrap_or_default());
        if self.chunk.len() >= CHUNK_BYTES {
            self.finish_chunk(name, writes);
        }
    }

    /// The layer, once its last chunk is in the batch.
    pub(super) fn finish(mut self, name: &str, writes: &mut sled::Batch) -> Layer {
        if !self.chunk.is_empty() {
            self.finish_chunk(name, writes);
        }
        self.layer
    }

    fn finish_chunk(&mut self, name: &str, writes: &mut sled::Batch) {
        writes.insert(keys::chunk(name, self.layer.number, self.layer.chunks), &*self.chunk);
        self.layer.chunks += 1;
        self.layer.bytes += self.chunk.len() as u64;
        self.chunk.clear();
    }
}

/// The pieces of one layer in order, read chunk by chunk.
pub(super) struct Reading {
    db: sled::Db,
    name: String,
    layer: Layer,
    next: u32,
    chunk: Bytes,
}

impl Reading {
    pub(super) fn new(db: &sled::Db, name: &str, layer: Layer) -> Self {
        Self { db: db.clone(), name: name.into(), layer, next: 0, chunk: Bytes::new() }
    }

    pub(super) fn piece(&mut self) -> Result<Option<Piece>, JournalError> {
        if self.chunk.is_empty() {
            if self.next == self.layer.chunks {
                return Ok(None);
            }
            let chunk = self.db.get(keys::chunk(&self.name, self.layer.number, self.next)).map_err(unavailable)?;
            self.chunk = Bytes::copy_from_slice(&chunk.ok_or_else(|| self.corrupt())?);
            self.next += 1;
        }
        self.unpack().map(Some).ok_or_else(|| self.corrupt())
    }

    /// The next piece of this chunk; its value shares the chunk's memory.
    fn unpack(&mut self) -> Option<Piece> {
        let chunk = &mut self.chunk;
        let (key_bytes, value_bytes) = (chunk.try_get_u32().ok()?, chunk.try_get_u32().ok()?);
        let key = (chunk.len() >= key_bytes as usize).then(|| chunk.split_to(key_bytes as usize).to_vec())?;
        let value = match value_bytes {
            REMOVED => None,
            length => Some((chunk.len() >= length as usize).then(|| chunk.split_to(length as usize))?),
        };
        Some(Piece { key, value })
    }

    fn corrupt(&self) -> JournalError {
        JournalError::Corrupt(format!("layer {} of the snapshot {}", self.layer.number, self.name))
    }
}

/// Two neighbours read as one: where both have a piece, the newer one's counts.
pub(super) struct Merged {
    sides: [Reading; 2],
    /// What each side has next.
    next: [Option<Piece>; 2],
}

impl Merged {
    pub(super) fn new(mut older: Reading, mut newer: Reading) -> Result<Self, JournalError> {
        let next = [older.piece()?, newer.piece()?];
        Ok(Self { sides: [older, newer], next })
    }

    pub(super) fn piece(&mut self) -> Result<Option<Piece>, JournalError> {
        let order = match &self.next {
            [None, None] => return Ok(None),
            [Some(_), None] => Ordering::Less,
            [None, Some(_)] => Ordering::Greater,
            [Some(older), Some(newer)] => older.key.cmp(&newer.key),
        };
        if order == Ordering::Equal {
            self.advance(0)?;
        }
        self.advance(usize::from(order != Ordering::Less))
    }

    fn advance(&mut self, side: usize) -> Result<Option<Piece>, JournalError> {
        let next = self.sides[side].piece()?;
        Ok(std::mem::replace(&mut self.next[side], next))
    }
}

/// The whole snapshot as of one moment: whoever finds the same head before and after has read between two saves.
pub(super) fn load(db: &sled::Db, name: &str) -> Result<Option<Loaded>, JournalError> {
    loop {
        let Some(head) = Head::read(db, name)? else { return Ok(None) };
        let pieces = pieces(db, name, &head.layers);
        if Head::read(db, name)?.as_ref() == Some(&head) {
            return Ok(Some(Loaded { at: head.at, pieces: pieces? }));
        }
    }
}

fn pieces(db: &sled::Db, name: &str, layers: &[Layer]) -> Result<Vec<(Vec<u8>, Bytes)>, JournalError> {
    let mut whole = Vec::new();
    for layer in layers {
        let mut reading = Reading::new(db, name, *layer);
        let mut under = std::mem::take(&mut whole).into_iter().peekable();
        while let Some(Piece { key, value }) = reading.piece()? {
            whole.extend(std::iter::from_fn(|| under.next_if(|(below, _): &(Vec<u8>, Bytes)| *below < key)));
            under.next_if(|(below, _)| *below == key);
            whole.extend(value.map(|value| (key, value)));
        }
        whole.extend(under);
    }
    Ok(whole)
}
