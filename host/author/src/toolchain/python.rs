//! Virtual environments with pinned packages of PyPI.

use super::{ToolchainError, Toolchains};
use crate::build::BuildError;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The oldest Python that will do.
const OLDEST: (u32, u32) = (3, 9);

/// A virtual environment.
#[derive(Clone, Debug)]
pub struct Venv {
    /// Its interpreter.
    pub python: PathBuf,
    /// The folder of its programs.
    pub bin: PathBuf,
}

impl Toolchains<'_> {
    /// A virtual environment with exactly these packages, each pinned (`componentize-py==0.25.1`).
    ///
    /// # Errors
    /// There is no fitting Python, or a package cannot be had; then nothing is left.
    pub fn python_venv(&self, name: &str, requirements: &[&str]) -> Result<Venv, BuildError> {
        let (python, version) = find_python()?;
        let mut what = vec![version.as_str()];
        what.extend(requirements);
        let dir = self.folder(name, &what, |dir| {
            self.run(
                &format!("making a Python environment for {name}"),
                Command::new(&python).args(["-m", "venv"]).arg(dir),
            )?;
            let mut pip = Command::new(venv(dir.to_path_buf()).python);
            pip.args([
                "-m",
                "pip",
                "install",
                "--no-input",
                "--disable-pip-version-check",
            ])
            .args(["--progress-bar", "off", "--no-warn-script-location"])
            .args(requirements);
            let step = format!("installing {} (once)", requirements.join(", "));
            self.run(&step, &mut pip).map(drop)
        })?;
        Ok(venv(dir))
    }
}

fn venv(dir: PathBuf) -> Venv {
    let bin = dir.join(if cfg!(windows) { "Scripts" } else { "bin" });
    Venv {
        python: bin.join("python"),
        bin,
    }
}

/// The author's Python with its version, as `3.11.7`.
fn find_python() -> Result<(PathBuf, String), ToolchainError> {
    let named = std::env::var("ADJUTANT_PYTHON")
        .ok()
        .filter(|name| !name.is_empty());
    let names = match &named {
        Some(name) => vec![name.as_str()],
        None => vec!["python3", "python"],
    };
    let mut why = format!("no `{}` is on the PATH", names[0]);
    for name in names {
        let ask = "import sys, importlib.util as u\n\
                   print(sys.executable)\nprint('.'.join(map(str, sys.version_info[:3])))\n\
                   print(all(u.find_spec(m) for m in ('venv', 'ensurepip')))";
        let said = Command::new(name)
            .args(["-c", ask])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let said = match said {
            Ok(said) if said.status.success() => said,
            Ok(said) => {
                why = format!("`{name}` does not work ({})", said.status);
                continue;
            }
            Err(_) => continue,
        };
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let mut lines = text.lines();
        let (Some(python), Some(version)) = (lines.next(), lines.next()) else {
            continue;
        };
        if number(version) < OLDEST {
            why = format!("`{name}` is Python {version}");
            continue;
        }
        if lines.next() != Some("True") {
            return Err(ToolchainError::NoVenv {
                python: python.into(),
                version: version.to_owned(),
            });
        }
        return Ok((python.into(), version.to_owned()));
    }
    Err(ToolchainError::NoPython { why })
}

fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(number("3.11.7") > OLDEST);
        assert!(number("3.8.20") < OLDEST);
        assert!(number("2.7") < OLDEST);
    }
}
