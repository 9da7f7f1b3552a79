//! Bytes of a journal that may be damaged, foreign or of the future: opened or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_protocol::{Commit, codec};

fuzz_target!(|bytes: &[u8]| {
    let _ = codec::open::<Commit>(bytes);
    // The same bytes as the payload of a sound envelope, so that the fuzzer need not find a checksum.
    let mut envelope = vec![b'H', 1];
    envelope.extend(codec::kinds::COMMIT.to_be_bytes());
    envelope.push(1);
    envelope.extend(bytes);
    envelope.extend(codec::checksum(&envelope).to_be_bytes());
    if let Ok(commit) = codec::open::<Commit>(&envelope) {
        assert_eq!(codec::open::<Commit>(&codec::seal(&commit)).expect("what was sealed opens"), commit);
    }
});
