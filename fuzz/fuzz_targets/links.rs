//! A link, however it is spelled: refused, or canonical; and a canonical link read again is itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_actors::streams::link::Link;

fuzz_target!(|text: &str| {
    if let Ok(link) = Link::read(text) {
        let again = Link::read(&format!("https://{}", link.canonical())).expect("what is canonical is a link");
        assert_eq!(again.canonical(), link.canonical());
        let _ = (link.platform(), link.user_name(), link.host());
    }
});
