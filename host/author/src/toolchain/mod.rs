//! Tools that builds need, pinned, in the user's cache folder.
//!
//! Each is a folder named by what is in it and a hash of that, so versions live side by side and nothing
//! is ever changed in place. Invariants: two processes never make the same one at once; what is there is
//! whole; once it is there no network is needed.

mod npm;
mod python;

pub use python::Venv;

use crate::Progress;
use crate::build::{BuildError, run_told};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Written last into a folder that is whole.
const COMPLETE: &str = ".complete";

/// The user's tools.
pub struct Toolchains<'a> {
    root: PathBuf,
    progress: &'a dyn Progress,
}

/// Why a tool is not there.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// The user has no cache folder.
    #[error(
        "There is no place for tools: neither XDG_CACHE_HOME nor HOME is set. Set ADJUTANT_TOOLCHAINS \
         to a folder."
    )]
    NoCache,
    /// The folder cannot be used.
    #[error(
        "Tools cannot be kept in {}: {source}. Set ADJUTANT_TOOLCHAINS to another folder.",
        .path.display()
    )]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No Python.
    #[error(
        "Python 3.9 or newer is needed, and {why}. Install it (Debian: `apt install python3 \
         python3-venv`; macOS: `brew install python`; Fedora: `dnf install python3`), or name it in \
         ADJUTANT_PYTHON."
    )]
    NoPython {
        /// What was found instead.
        why: String,
    },
    /// A Python that can make no virtual environments.
    #[error(
        "{} is Python {version} without its `venv` module. Debian and Ubuntu have it in a package of \
         its own: `apt install python3-venv`.", .python.display()
    )]
    NoVenv {
        /// The interpreter.
        python: PathBuf,
        /// Its version.
        version: String,
    },
}

impl<'a> Toolchains<'a> {
    /// The tools in `$ADJUTANT_TOOLCHAINS`, else in `adjutant/toolchains` of the user's cache folder.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn of_user(progress: &'a dyn Progress) -> Result<Self, ToolchainError> {
        use etcetera::BaseStrategy;
        if let Some(root) = std::env::var_os("ADJUTANT_TOOLCHAINS").filter(|root| !root.is_empty())
        {
            return Ok(Self::at(PathBuf::from(root), progress));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| ToolchainError::NoCache)?;
        let root = base.cache_dir().join("adjutant/toolchains");
        Ok(Self::at(root, progress))
    }

    /// The tools in a folder.
    pub fn at(root: PathBuf, progress: &'a dyn Progress) -> Self {
        Self { root, progress }
    }

    /// Gives the folder of what `what` describes in full, and has `make` fill it where it is not there.
    /// `make` gets the folder's final path, empty.
    ///
    /// # Errors
    /// What `make` says; then the folder is gone again.
    pub fn folder(
        &self,
        name: &str,
        what: &[&str],
        make: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<PathBuf, BuildError> {
        let dir = self.root.join(format!("{name}-{}", hash(what)));
        if dir.join(COMPLETE).is_file() {
            return Ok(dir);
        }
        let unwritable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ToolchainError::Unwritable { path, source }
        };
        fs::create_dir_all(&self.root).map_err(unwritable(&self.root))?;
        let lock_path = dir.with_extension("lock");
        let lock = File::create(&lock_path).map_err(unwritable(&lock_path))?;
        if lock.try_lock().is_err() {
            self.progress.step(&format!(
                "waiting for another adjutant, which installs {name}"
            ));
            lock.lock().map_err(unwritable(&lock_path))?;
        }
        // Another process may have made it meanwhile.
        if dir.join(COMPLETE).is_file() {
            return Ok(dir);
        }
        // What stands there was cut off half-way.
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(unwritable(&dir))?;
        }
        fs::create_dir_all(&dir).map_err(unwritable(&dir))?;
        let made = make(&dir).and_then(|()| {
            Ok(fs::write(dir.join(COMPLETE), what.join("\n")).map_err(unwritable(&dir))?)
        });
        if made.is_err() {
            // Without its mark it would be made anew anyway.
            let _ = fs::remove_dir_all(&dir);
        }
        made.map(|()| dir)
    }

    fn run(&self, step: &str, command: &mut Command) -> Result<String, BuildError> {
        run_told(self.progress, step, command)
    }
}

fn hash(what: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in what {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
