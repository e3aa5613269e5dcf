//! The binary's own copy of the contract, and of each language's SDK and examples.
//!
//! Paths are those of the repository, such as `wit/world.wit` and `plugins/rust/boss/plugin.toml`.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// All files, by path, in order.
pub static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The files below a folder, named from there.
pub fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let prefix = format!("{folder}/");
    FILES
        .iter()
        .filter_map(move |(path, bytes)| Some((path.strip_prefix(&prefix)?, *bytes)))
}

/// Writes the files below a folder into `to`. What is the same already keeps its time, so that tools do
/// not build again.
///
/// # Errors
/// The path that could not be written, and why.
pub fn write(
    folder: &str,
    to: &Path,
    change: impl Fn(&str, &'static [u8]) -> Vec<u8>,
) -> Result<(), (PathBuf, io::Error)> {
    for (name, bytes) in below(folder) {
        let path = to.join(name);
        let content = change(name, bytes);
        if fs::read(&path).is_ok_and(|there| there == content) {
            continue;
        }
        let parent = path.parent().unwrap_or(to);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| (path, error))?;
    }
    Ok(())
}
