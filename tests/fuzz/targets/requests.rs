//! The coordinator's reading of what it is asked: a configuration (up to a line of `---`), and a request
//! that is split into parts.
#![no_main]

#[allow(dead_code, reason = "a part of the plugin, as it is")]
#[path = "../../../plugins/coordinator/src/config.rs"]
mod config;
#[path = "../../../plugins/coordinator/src/split.rs"]
mod split;

use adjutant_sdk::{Join, text};
use config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let (config, request) = data.split_once("\n---\n").unwrap_or(("{}", data));
    if let Ok(config) = serde_json::from_str::<Config>(config)
        && let Join::Quorum(n) = config.join.join(config.parts.len())
    {
        assert!(n as usize <= config.parts.len());
    }
    let pieces = split::split(request);
    let mut from = 0;
    for piece in &pieces {
        assert!(piece.text.contains(char::is_alphanumeric));
        assert!(text::clip(&piece.text, 80).chars().count() <= 80);
        // A part is a piece of the request: its words are there, in its order.
        for word in piece.text.split_whitespace() {
            let at = request[from..].find(word);
            from += at.unwrap_or_else(|| panic!("{word:?} is not in the rest of the request"));
            from += word.len();
        }
    }
    assert!(!pieces.first().is_some_and(|first| first.later));
});
