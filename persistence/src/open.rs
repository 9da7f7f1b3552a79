//! Opens a journal by its address: one arm per backend.
//!
//! Who talks to it: whoever starts a hub. It knows the backends' names and nothing of their insides.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Journal, MemoryJournal, SledJournal};

/// Why a journal could not be opened. Each says what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenJournalError {
    /// No backend has an address like this.
    #[error("`{url}` is no journal: expected `memory:` or `sled:FOLDER`")]
    UnknownBackend {
        /// What was asked for.
        url: String,
    },
    /// A clustered journal was asked of a build without it.
    #[error(
        "`{url}` names a cluster, and this build has no cluster support: use `sled:FOLDER`, or a build with the feature `cluster`"
    )]
    NoClusterSupport {
        /// What was asked for.
        url: String,
    },
    /// `sled:` without a folder.
    #[error("`sled:` needs a folder, as in `sled:./data`")]
    NoFolder,
    /// Another process has it open.
    #[error("the data folder {} is in use by another process: two hubs cannot share one folder", folder.display())]
    InUse {
        /// Which one.
        folder: PathBuf,
    },
    /// It was written by a version that wrote another format.
    #[error("the data folder {} has format {found}, and this version reads format {supported}: open it with the version that wrote it", folder.display())]
    OtherVersion {
        /// Which one.
        folder: PathBuf,
        /// The format that it says it has.
        found: String,
        /// The format that this version reads and writes.
        supported: u32,
    },
    /// It holds something that is not a journal of this hub.
    #[error("the folder {} holds data that is not a journal of this hub ({found}): choose an empty folder", folder.display())]
    NotAJournal {
        /// Which one.
        folder: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// It is a journal, and cannot be read.
    #[error("the journal in {} is damaged ({reason}): restore it from a backup", folder.display())]
    Damaged {
        /// Which one.
        folder: PathBuf,
        /// What the store said.
        reason: String,
    },
    /// The folder cannot be made, read or written.
    #[error("the data folder {} cannot be used: {reason}", folder.display())]
    Unusable {
        /// Which one.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// Opens the journal at `url`: `memory:`, or `sled:` and a folder, which is made where it is missing. Blocks while it recovers:
/// milliseconds to a few seconds.
///
/// # Errors
/// Every [`OpenJournalError`].
pub fn open(url: &str) -> Result<Arc<dyn Journal>, OpenJournalError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(MemoryJournal::new()),
        Some(("sled", folder)) if folder.trim_start_matches('/').is_empty() => Err(OpenJournalError::NoFolder),
        Some(("sled", folder)) => Ok(SledJournal::open(Path::new(folder))?),
        Some(("etcd", _)) => Err(OpenJournalError::NoClusterSupport { url: url.into() }),
        _ => Err(OpenJournalError::UnknownBackend { url: url.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        open(url).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        assert!(refusal("etcd://a,b,c").contains("no cluster support"), "{}", refusal("etcd://a,b,c"));
        assert!(refusal("redis://x").contains("expected `memory:` or `sled:FOLDER`"));
        assert!(refusal("./data").contains("expected"));
        assert_eq!(refusal("sled:"), OpenJournalError::NoFolder.to_string());
        assert!(refusal("sled:/proc/nowhere").contains("/proc/nowhere"));
        assert!(open("memory:").is_ok());
    }
}
