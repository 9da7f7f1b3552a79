//! An ask sealed for later or for another node: its name, and the record that it carries.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{CodecError, Record, codec};

/// A sealed ask. Whoever makes it finds by its name what is to be done; what it carries was sealed when it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// What is asked: `streams.add`.
    pub name: String,
    /// What it carries.
    pub sealed: Bytes,
}

impl Call {
    /// Seals an ask.
    #[must_use]
    pub fn seal<R: Record>(name: &str, carried: &R) -> Self {
        Self { name: name.to_owned(), sealed: codec::seal(carried) }
    }
    /// What it carries.
    ///
    /// # Errors
    /// Every [`CodecError`].
    pub fn open<R: Record>(&self) -> Result<R, CodecError> {
        codec::open(&self.sealed)
    }
}
