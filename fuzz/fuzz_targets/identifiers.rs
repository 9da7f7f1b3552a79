//! An identifier is an opaque string: it comes back byte for byte, whatever it holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_protocol::cable::Identifier;

fuzz_target!(|text: &str| {
    let identifier = Identifier::new(text);
    assert_eq!(identifier.text(), text);
    assert_eq!(serde_json::from_str::<String>(identifier.json()).expect("a JSON string"), text);
    let _ = (identifier.channel(), identifier.params());
});
