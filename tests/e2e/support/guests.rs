//! The guests that tests need: compiled once for each process, and cached by cargo beyond that.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const GUESTS: [&str; 10] = [
    "scripted",
    "scripted-sub",
    "scripted-mended",
    "spin",
    "sleeper",
    "hoarder",
    "trapper",
    "wrong-world",
    "mender",
    "bad-output",
];

/// A guest's component.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = &built()[name];
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn built() -> &'static HashMap<String, PathBuf> {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/Cargo.toml");
        // Cargo locks the folder, so that several processes can do this at once.
        adjutant_build::build_guests(&manifest, &super::base().join("guests"), &GUESTS)
            .unwrap_or_else(|error| panic!("{error}"))
            .into_iter()
            .map(|guest| (guest.name, guest.path))
            .collect()
    })
}
