//! Lists the built web pages, so that `src/edge/dashboard.rs` can hold them. Without Node there are none, and the list is empty.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

const PAGES: &str = "dashboard/dist/pages";

fn main() -> io::Result<()> {
    // The folder itself is always there, its `pages` only after `make dashboard`.
    println!("cargo::rerun-if-changed=dashboard/dist");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts")).join(PAGES);
    let mut files = Vec::new();
    list(&root, &mut files)?;
    files.sort();
    let mut text = String::from("&[\n");
    for file in files.iter().filter(|file| kind(file).is_some()) {
        let address = file.strip_prefix(&root).expect("it was found there").to_string_lossy().replace('\\', "/");
        let bytes = fs::read(file)?;
        let _ = write!(
            text,
            "    Page {{ address: {:?}, kind: {:?}, tag: {:?}",
            format!("/{address}"),
            kind(file).unwrap_or(""),
            tag(&bytes)
        );
        let _ = write!(text, ", plain: include_bytes!({file:?})");
        for (name, ending) in [("gzip", "gz"), ("brotli", "br")] {
            let beside = PathBuf::from(format!("{}.{ending}", file.display()));
            let held = if beside.exists() { format!("Some(include_bytes!({beside:?}))") } else { "None".to_owned() };
            let _ = write!(text, ", {name}: {held}");
        }
        text.push_str(" },\n");
    }
    text.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR").expect("cargo sets it for build scripts")).join("pages.rs"), text)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What a file is; `None` for what is not served by itself.
fn kind(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()? {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// Changes when the content does (FNV-1a).
fn tag(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("\"{hash:016x}\"")
}
