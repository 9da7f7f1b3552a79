//! A cell of the shared grid: one field of one entity, and its spelling on the wire, `stream_42_title`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One field of one row. A lease is held on a cell; an edit is addressed to one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// What sort of row: `stream`.
    pub resource: String,
    /// Which row.
    pub id: u64,
    /// Which of its fields; may itself hold underscores (`started_at`).
    pub field: String,
}

/// The text does not spell a cell.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a cell: expected resource_id_field, as in stream_42_title")]
pub struct NotACell;

impl FromStr for Cell {
    type Err = NotACell;
    fn from_str(text: &str) -> Result<Self, NotACell> {
        let mut parts = text.splitn(3, '_');
        let (Some(resource), Some(id), Some(field)) = (parts.next(), parts.next(), parts.next()) else { return Err(NotACell) };
        let plain = !id.is_empty() && id.len() <= 16 && id.bytes().all(|b| b.is_ascii_digit());
        if resource.is_empty() || field.is_empty() || !plain {
            return Err(NotACell);
        }
        Ok(Self { resource: resource.to_owned(), id: id.parse().map_err(|_| NotACell)?, field: field.to_owned() })
    }
}
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.resource, self.id, self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_spelled_as_the_grid_spells_it() {
        let cell: Cell = "stream_42_started_at".parse().expect("a cell");
        assert_eq!((cell.id, cell.field.as_str()), (42, "started_at"));
        assert_eq!(cell.to_string(), "stream_42_started_at");
        for bad in ["", "stream", "stream_x_title", "stream_1_", "_1_title", "stream_99999999999999999_a", "stream_+1_a"] {
            assert_eq!(bad.parse::<Cell>(), Err(NotACell), "{bad}");
        }
    }
}
