//! The data folder: whose it is, which format it has, and how much room is left on its disk.
//!
//! A folder belongs to one process at a time (a lock on `lock`) and to one format (`format`). The format is written in two steps,
//! `new` and then the number, so that a folder whose making was cut short is known to hold nothing and is made again. Beside the
//! number stands the journal's epoch: sled takes a file that was overwritten or lost for an empty one, and the epoch gives that away.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::OpenJournalError;

/// The format that this version reads and writes.
pub(super) const FORMAT: u32 = 2;
const FIRST_LINE: &str = "trunkline journal";
const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
/// What the store puts into the folder.
const STORE_FILES: [&str; 3] = ["db", "conf", "blobs"];

/// A folder that is ours as long as this is held.
pub(super) struct Folder {
    path: PathBuf,
    /// The epoch of the journal in it; none where it is yet to be made.
    epoch: Option<String>,
    /// Closing it gives the folder back.
    _lock: File,
}

impl Folder {
    /// Takes a folder, and makes it where it is missing. A folder whose making was cut short is emptied first.
    pub(super) fn take(path: &Path) -> Result<Self, OpenJournalError> {
        let unusable = |error: io::Error| OpenJournalError::Unusable { folder: path.into(), reason: error.to_string() };
        // Its owner's alone: the journal holds the secret that signs tokens.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        // Looked at before the lock is made: a stranger's folder is left as it was.
        let store_is_there = STORE_FILES.iter().find(|file| path.join(file).exists());
        let marker = read_marker(&path).map_err(unusable)?;
        if let (None, Some(file)) = (marker, store_is_there) {
            return Err(OpenJournalError::NotAJournal { folder: path.clone(), found: format!("`{file}` without `{FORMAT_FILE}`") });
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenJournalError::InUse { folder: path }),
            Err(fs::TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // Read again now that nobody else can write it.
        let epoch = match read_marker(&path).map_err(unusable)? {
            None => None,
            Some(marker) if marker.format == "new" => None,
            Some(Marker { format, epoch: Some(epoch) }) if format == FORMAT.to_string() => Some(epoch),
            Some(other) => return Err(OpenJournalError::OtherVersion { folder: path, found: other.format, supported: FORMAT }),
        };
        let folder = Self { path, epoch, _lock: lock };
        if folder.epoch.is_none() {
            folder.empty().and_then(|()| folder.mark("new")).map_err(unusable)?;
        }
        Ok(folder)
    }

    /// Says that the folder is whole and holds this journal: from now on it is opened, never made again. An error where it should
    /// hold another one.
    pub(super) fn holds(&mut self, epoch: &str) -> Result<(), OpenJournalError> {
        match &self.epoch {
            Some(known) if known == epoch => Ok(()),
            Some(_) => Err(OpenJournalError::Damaged {
                folder: self.path.clone(),
                reason: "its content is gone or of another journal".into(),
            }),
            None => {
                self.settle(epoch)
                    .map_err(|error| OpenJournalError::Unusable { folder: self.path.clone(), reason: error.to_string() })?;
                self.epoch = Some(epoch.into());
                Ok(())
            }
        }
    }

    fn settle(&self, epoch: &str) -> io::Result<()> {
        for file in ["db", "conf"] {
            File::open(self.path.join(file))?.sync_all()?;
        }
        self.sync()?;
        self.mark(&format!("{FORMAT}\nepoch {epoch}"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the names of the files in it durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// The bytes that may still be written on its disk.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == "blobs" {
                fs::remove_dir_all(entry.path())?;
            } else if STORE_FILES.contains(&&*name) || name.starts_with("snap.") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn mark(&self, format: &str) -> io::Result<()> {
        let draft = self.path.join("format.draft");
        let mut file = File::create(&draft)?;
        write!(file, "{FIRST_LINE}\nformat {format}\n")?;
        file.sync_all()?;
        fs::rename(&draft, self.path.join(FORMAT_FILE))?;
        self.sync()
    }
}

/// What a folder says of itself.
struct Marker {
    format: String,
    epoch: Option<String>,
}

/// `None` where the folder says nothing.
fn read_marker(folder: &Path) -> io::Result<Option<Marker>> {
    let text = match fs::read(folder.join(FORMAT_FILE)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = text.lines();
    let ours = lines.next() == Some(FIRST_LINE);
    let format = lines.next().and_then(|line| line.strip_prefix("format ")).filter(|_| ours).unwrap_or("unknown");
    let epoch = lines.next().and_then(|line| line.strip_prefix("epoch "));
    Ok(Some(Marker { format: format.into(), epoch: epoch.map(str::to_string) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        Folder::take(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("data");
        let first = Folder::take(&path).expect("free");
        assert!(refusal(&path).contains("in use"), "{}", refusal(&path));
        assert!(refusal(&path).contains("data"));
        drop(first);
        assert!(Folder::take(&path).is_ok());
    }

    #[test]
    fn a_folder_of_another_version_or_of_a_stranger_is_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("format"), "trunkline journal\nformat 1\n").expect("written");
        fs::write(home.path().join("db"), "theirs").expect("written");
        assert!(refusal(home.path()).contains("has format 1, and this version reads format 2"), "{}", refusal(home.path()));
        fs::write(home.path().join("format"), "something else").expect("written");
        assert!(refusal(home.path()).contains("format unknown"), "{}", refusal(home.path()));
        fs::remove_file(home.path().join("format")).expect("removed");
        assert!(refusal(home.path()).contains("not a journal of this hub"), "{}", refusal(home.path()));
        assert_eq!(fs::read(home.path().join("db")).expect("still there"), b"theirs");
    }

    #[test]
    fn a_folder_whose_making_was_cut_short_is_made_again() {
        let home = tempfile::tempdir().expect("a folder");
        drop(Folder::take(home.path()).expect("free"));
        fs::write(home.path().join("db"), "half").expect("written");
        let again = Folder::take(home.path()).expect("free");
        assert!(again.epoch.is_none() && !home.path().join("db").exists());
    }
}
