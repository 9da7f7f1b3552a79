//! Disks to lose: an ext4 image on a loop device, and a small disk in memory. Where the machine permits neither, `None`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn run(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// A file with a file system in it, mounted while this is held.
pub struct Image {
    file: PathBuf,
    mounted: PathBuf,
}

/// A file with a file system in it as a disk had it when the power failed.
pub struct Unmounted {
    file: PathBuf,
    mounted: PathBuf,
}

impl Image {
    pub fn make(home: &Path, name: &str) -> Option<Self> {
        let file = home.join(format!("{name}.image"));
        fs::File::create(&file).and_then(|file| file.set_len(256 << 20)).ok()?;
        if !run("mkfs.ext4", &["-q", "-F", text(&file)]) {
            return None;
        }
        Unmounted { file, mounted: home.join(name) }.mount()
    }

    pub fn mounted(&self) -> &Path {
        &self.mounted
    }

    /// What the disk has now. What the file system still holds back in memory is not in it.
    pub fn copy(&self, home: &Path, name: &str) -> Unmounted {
        let file = home.join(format!("{name}.image"));
        assert!(run("cp", &["--sparse=always", text(&self.file), text(&file)]), "copied");
        Unmounted { file, mounted: home.join(name) }
    }
}

impl Unmounted {
    /// Mounts it, which plays back the file system's own journal.
    pub fn mount(self) -> Option<Image> {
        let Self { file, mounted } = self;
        fs::create_dir_all(&mounted).ok()?;
        run("mount", &["-o", "loop", text(&file), text(&mounted)]).then_some(Image { file, mounted })
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        unmount(&self.mounted);
    }
}

/// A small disk in memory, mounted while this is held.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", text(at)]).then(|| Self(at.into()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn resize(&self, size: &str) {
        assert!(run("mount", &["-o", &format!("remount,size={size}"), text(&self.0)]), "resized");
    }

    /// Leaves this many bytes free.
    pub fn fill_up_to(&self, free_bytes: u64) {
        let disk = rustix::fs::statvfs(&self.0).expect("mounted");
        let filler = disk.f_bavail * disk.f_frsize - free_bytes;
        fs::write(self.0.join("filler"), vec![0; filler as usize]).expect("there was room");
    }

    pub fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("it was filled");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn unmount(at: &Path) {
    // Lazily where somebody still looks: a test must not leave a mount behind.
    if !run("umount", &[text(at)]) {
        run("umount", &["--lazy", text(at)]);
    }
}

pub fn copy_files(from: &Path, to: &Path) {
    assert!(run("cp", &["-r", "--sparse=always", text(from), text(to)]), "copied");
}
