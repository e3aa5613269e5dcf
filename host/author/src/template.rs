//! New projects: an example, under another name.
//!
//! An example's own name, as its `plugin.toml` has it, is a word that stands for nothing else in it
//! (`python-boss`, by convention `LANGUAGE-WORLD`): everywhere in its texts and its files' names it is
//! replaced, with hyphens or underscores.

use crate::project::{self, FILE, Project};
use crate::{Language, build, embedded};
use adjutant_model::World;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why no project was made.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name, or the language, cannot be.
    #[error("{0}")]
    Wrong(String),
    /// There is something already.
    #[error(
        "{} is there already and is not empty; name another folder, or empty this one.", .0.display()
    )]
    Occupied(PathBuf),
    /// A file could not be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The example is no project; this would be a fault of the binary.
    #[error(transparent)]
    Project(#[from] project::ProjectError),
}

/// What a project ignores in git, where its example says nothing.
const IGNORED: &str = "/.adjutant\n/target\n";

/// Makes a project called `name` in `dir`, which must be empty or not there.
///
/// # Errors
/// Nothing is written unless the folder is free and the name good.
pub fn new(language: Language, world: World, name: &str, dir: &Path) -> Result<Project, NewError> {
    project::check_name(name).map_err(NewError::Wrong)?;
    let Some(folder) = language.examples() else {
        return Err(NewError::Wrong(
            "with `--lang other` there is nothing to begin with: write a plugin.toml whose [build] \
             says which command makes the component, and see the contract's WIT."
                .to_owned(),
        ));
    };
    let folder = format!("plugins/{folder}/{}", world.as_str());
    let Some((_, example)) = embedded::below(&folder).find(|(path, _)| *path == FILE) else {
        return Err(NewError::Wrong(format!(
            "this adjutant has no example of a {} in {language}.",
            world.as_str()
        )));
    };
    let old = example_name(example)
        .ok_or_else(|| NewError::Wrong(format!("{folder}/{FILE} has no name.")))?;
    if dir.read_dir().is_ok_and(|mut dir| dir.next().is_some()) {
        return Err(NewError::Occupied(dir.to_path_buf()));
    }
    for (path, bytes) in embedded::below(&folder) {
        put(
            &dir.join(renamed(path, &old, name)),
            &content(bytes, &old, name),
        )?;
    }
    if !dir.join(".gitignore").exists() {
        put(&dir.join(".gitignore"), IGNORED.as_bytes())?;
    }
    let project = Project::open(dir)?;
    // An editor finds the SDK before the first build.
    build::write_hidden(&project).map_err(|error| NewError::Wrong(error.to_string()))?;
    Ok(project)
}

fn put(path: &Path, content: &[u8]) -> Result<(), NewError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, content))
        .map_err(|source| NewError::Unwritable {
            path: path.to_path_buf(),
            source,
        })
}

fn example_name(plugin_toml: &[u8]) -> Option<String> {
    let table: toml::Table = toml::from_str(std::str::from_utf8(plugin_toml).ok()?).ok()?;
    Some(table.get("name")?.as_str()?.to_owned())
}

fn content(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => renamed(text, old, new).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

fn renamed(text: &str, old: &str, new: &str) -> String {
    text.replace(old, new)
        .replace(&old.replace('-', "_"), &new.replace('-', "_"))
}
