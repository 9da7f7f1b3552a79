//! What the tests of this wing share.

use std::fmt::{Debug, Write as _};

use trunkline_protocol::{Record, codec};

/// Every fact ever shipped stays readable, and is still written byte for byte as it was: one sealed record per line, in hexadecimal.
#[track_caller]
pub(crate) fn golden<F: Record + PartialEq + Debug>(shipped: &str, facts: &[F]) {
    let hex = |fact: &F| {
        codec::seal(fact).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes everything");
            text
        })
    };
    let written: Vec<String> = facts.iter().map(hex).collect();
    assert_eq!(shipped.lines().collect::<Vec<_>>(), written, "written otherwise than shipped:\n{}\n", written.join("\n"));
    for (line, fact) in shipped.lines().zip(facts) {
        let digits =
            line.as_bytes().chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hexadecimal"));
        assert_eq!(&codec::open::<F>(&digits.collect::<Vec<u8>>()).expect("readable"), fact);
    }
}
