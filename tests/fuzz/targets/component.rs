//! An uploaded component: whatever the bytes are, it is fit for a world or there is a sentence that is
//! short enough to be read. Nothing is compiled or run.
#![no_main]

use adjutant_component::{World, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for world in [
        None,
        Some(World::Selector),
        Some(World::Subordinate),
        Some(World::Boss),
    ] {
        match check(bytes, 1 << 20, world) {
            Ok(found) => assert!(world.is_none_or(|world| world == found)),
            Err(error) => {
                let told = error.to_string();
                assert!(
                    !told.is_empty() && told.len() < 5_000,
                    "{} bytes",
                    told.len()
                );
            }
        }
    }
});
