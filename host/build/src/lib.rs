//! Compiles guests to components: used by the build script that embeds the built-in plugins, and by
//! tests that need special guests.
//!
//! Guests live in cargo workspaces of their own, with their own lock files, and are compiled by an
//! inner cargo for [`TARGET`]. Invariant: what an outer cargo (a build script, `cargo test`, clippy)
//! puts into the environment for the host's code never reaches the inner one.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// A guest that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its package's name.
    pub name: String,
    /// The component.
    pub path: PathBuf,
}

/// Why guests could not be built. Each text says what to do, or holds the compiler's own words.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The target's standard library is missing and could not be added.
    #[error(
        "Guests need the Rust target {TARGET}, which is not installed, and adding it failed: {why}\n\
         Run `rustup target add {TARGET}{toolchain}` and build again. Without rustup, install your \
         distribution's Rust standard library for {TARGET}."
    )]
    NoTarget {
        /// What went wrong on the way.
        why: String,
        /// ` --toolchain NAME` where a toolchain is named, else nothing.
        toolchain: String,
    },
    /// A program did not start.
    #[error("Could not start `{program}`: {source}. Is it installed, and on the PATH?")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The compiler refused a guest.
    #[error("The guests of {manifest} could not be built ({status}):\n{output}")]
    Failed {
        /// The guests' manifest.
        manifest: PathBuf,
        /// How the inner cargo ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// The build went well but there is no component where it belongs.
    #[error(
        "Guest \"{name}\" was built, but there is no component at {path}. Its Cargo.toml needs \
         `crate-type = [\"cdylib\"]`."
    )]
    NoComponent {
        /// The package.
        name: String,
        /// Where the component should be.
        path: PathBuf,
    },
}

/// Compile packages of the workspace at `manifest` (a `Cargo.toml`) to components below `target_dir`,
/// in release mode and exactly as locked. Gives back one [`Guest`] for each name, in that order.
///
/// Installs the target through rustup where it is missing.
pub fn build_guests(
    manifest: &Path,
    target_dir: &Path,
    packages: &[&str],
) -> Result<Vec<Guest>, BuildError> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let mut cargo = cargo()?;
    // Cargo starts its compiler in the manifest's folder, which a bare `Cargo.toml` does not name.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (manifest, target_dir) = (&absolute(manifest), &absolute(target_dir));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--color",
            "never",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir);
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = run(&mut cargo)?;
    if !output.status.success() {
        return Err(BuildError::Failed {
            manifest: manifest.to_path_buf(),
            status: output.status.to_string(),
            output: words_of(&output),
        });
    }
    packages
        .iter()
        .map(|name| {
            let file = format!("{}.wasm", name.replace('-', "_"));
            let path = target_dir.join(TARGET).join("release").join(file);
            if path.is_file() {
                Ok(Guest {
                    name: (*name).to_string(),
                    path,
                })
            } else {
                Err(BuildError::NoComponent {
                    name: (*name).to_string(),
                    path,
                })
            }
        })
        .collect()
}

/// A cargo that can compile for [`TARGET`]: the target is there, and nothing of an outer cargo's
/// environment goes along.
///
/// # Errors
/// The target is missing and cannot be added.
pub fn cargo() -> Result<Command, BuildError> {
    ensure_target()?;
    Ok(clean(
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    ))
}

/// The same component with a custom section at its end, in place of any of that name that it carries: how a
/// manifest is carried.
///
/// # Errors
/// The bytes are no whole component.
pub fn with_section(
    component: &[u8],
    name: &str,
    content: &[u8],
) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut kept = Vec::with_capacity(component.len() + content.len() + 32);
    let mut from = 0;
    let mut depth = 0_u32;
    let mut before = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            // The section as a whole begins where the one before it ended.
            Payload::CustomSection(section) if depth == 0 && section.name() == name => {
                kept.extend_from_slice(&component[from..before]);
                from = section.range().end;
                before = from;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(end) => {
                depth = depth.saturating_sub(1);
                before = end;
            }
            Payload::Version { range, .. } => before = range.end,
            other => {
                if let Some((_, range)) = other.as_section() {
                    before = range.end;
                }
            }
        }
    }
    kept.extend_from_slice(&component[from..]);
    let section = CustomSection {
        name: name.into(),
        data: content.into(),
    };
    section.append_to_component(&mut kept);
    Ok(kept)
}

/// Tell cargo, from a build script, to run it again when anything below `dir` changes that guests are
/// made of. Build products and hidden files are left out.
pub fn emit_rerun_if_changed(dir: &Path) {
    for path in watched(dir).paths {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

struct Watched {
    paths: Vec<PathBuf>,
    /// Whether the folder can be watched as a whole.
    whole: bool,
}

/// The paths to watch below a folder. Cargo looks at all that is in a folder that it watches, so one
/// with build products somewhere in it is watched by its other entries.
fn watched(dir: &Path) -> Watched {
    let mut entries: Vec<_> = dir.read_dir().into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut found = Watched {
        paths: Vec::new(),
        whole: true,
    };
    for entry in entries {
        let name = entry.file_name();
        let kind = entry.file_type();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            found.whole = false;
        } else if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
            let below = watched(&entry.path());
            found.whole &= below.whole;
            found.paths.extend(below.paths);
        } else if kind.is_ok_and(|kind| kind.is_file()) {
            found.paths.push(entry.path());
        }
    }
    if found.whole {
        found.paths = vec![dir.to_path_buf()];
    }
    found
}

/// Check that the target's standard library is there, and add it where it is not.
fn ensure_target() -> Result<(), BuildError> {
    if has_target()? {
        return Ok(());
    }
    // The name that rustup gives the toolchain, when this runs under one.
    let toolchain = env::var("RUSTUP_TOOLCHAIN")
        .ok()
        .filter(|name| !name.is_empty());
    let mut rustup = clean("rustup".into());
    rustup.args(["target", "add", TARGET]);
    if let Some(name) = &toolchain {
        rustup.args(["--toolchain", name]);
    }
    let why = match run(&mut rustup) {
        Ok(output) if output.status.success() && has_target()? => return Ok(()),
        Ok(output) if output.status.success() => {
            "rustup added it to another toolchain than the one that compiles.".to_string()
        }
        Ok(output) => words_of(&output),
        Err(error) => error.to_string(),
    };
    let toolchain = toolchain
        .map(|name| format!(" --toolchain {name}"))
        .unwrap_or_default();
    Err(BuildError::NoTarget { why, toolchain })
}

fn has_target() -> Result<bool, BuildError> {
    let mut rustc = clean(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = run(rustc.args(["--print", "sysroot"]))?;
    if !output.status.success() {
        return Err(BuildError::NoTarget {
            why: words_of(&output),
            toolchain: String::new(),
        });
    }
    let sysroot = String::from_utf8_lossy(&output.stdout);
    let libraries = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    Ok(libraries.is_dir())
}

/// A program without what an outer cargo sets for the crate that it is compiling: flags, wrappers and
/// targets of the host's, and the outer crate's own variables.
fn clean(program: OsString) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_the_outer_cargos) {
            command.env_remove(name);
        }
    }
    command
}

fn is_the_outer_cargos(name: &str) -> bool {
    const EXACT: [&str; 16] = [
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "__CARGO_DEFAULT_LIB_METADATA",
    ];
    const PREFIXES: [&str; 5] = [
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "DEP_",
    ];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn run(command: &mut Command) -> Result<Output, BuildError> {
    command.output().map_err(|source| BuildError::NotStarted {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

/// What a program said, on both streams.
fn words_of(output: &Output) -> String {
    let mut words = String::from_utf8_lossy(&output.stderr).trim().to_string();
    let more = String::from_utf8_lossy(&output.stdout);
    if !more.trim().is_empty() {
        words.push('\n');
        words.push_str(more.trim());
    }
    if words.is_empty() {
        words = format!("it said nothing and ended with {}", output.status);
    }
    words
}

/// A folder for what tests make, existing: `target_tmp` (cargo's `CARGO_TARGET_TMPDIR`), unless that is
/// a temporary folder of the system, where a host keeps no worktrees; then one in the user's home.
///
/// # Panics
/// Where no folder can be made: a test cannot go on without one.
pub fn scratch(target_tmp: &str) -> PathBuf {
    let temporary = ["/tmp", "/var/tmp", "/dev/shm"];
    let real = std::fs::canonicalize(target_tmp).unwrap_or_else(|_| target_tmp.into());
    if !temporary.iter().any(|folder| real.starts_with(folder)) {
        return target_tmp.into();
    }
    let home = std::env::var_os("HOME").unwrap_or_else(|| ".".into());
    let folder = Path::new(&home).join(".cache/adjutant-tests");
    std::fs::create_dir_all(&folder).expect("a folder for tests can be made in the user's home");
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_cargos_environment_is_known() {
        for name in [
            "RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_PKG_NAME",
            "CARGO_PROFILE_RELEASE_LTO",
        ] {
            assert!(is_the_outer_cargos(name), "{name}");
        }
        // What finds the registry, the toolchain and the job server has to stay.
        for name in [
            "CARGO_HOME",
            "CARGO_MAKEFLAGS",
            "RUSTUP_TOOLCHAIN",
            "PATH",
            "CARGO_NET_OFFLINE",
        ] {
            assert!(!is_the_outer_cargos(name), "{name}");
        }
    }

    #[test]
    fn a_compilers_refusal_is_told_in_its_own_words() {
        let nowhere = Path::new(env!("CARGO_MANIFEST_DIR")).join("nowhere/Cargo.toml");
        let error = build_guests(&nowhere, Path::new("unused"), &["x"]).expect_err("no manifest");
        let text = error.to_string();
        assert!(
            text.contains("nowhere") && text.contains("does not exist"),
            "{text}"
        );
    }

    #[test]
    fn build_products_are_not_watched() {
        let root = env::temp_dir().join(format!("adjutant-build-{}", std::process::id()));
        for folder in ["a/src", "b/src", "b/target/release", ".git"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder for the test");
        }
        for file in ["a/src/lib.rs", "b/src/lib.rs", "b/target/x", "Cargo.toml"] {
            std::fs::write(root.join(file), "").expect("a file for the test");
        }
        let paths: Vec<String> = watched(&root)
            .paths
            .iter()
            .filter_map(|path| Some(path.strip_prefix(&root).ok()?.display().to_string()))
            .collect();
        std::fs::remove_dir_all(&root).expect("to clean up");
        assert_eq!(paths, ["Cargo.toml", "a", "b/src"]);
    }

    #[test]
    fn no_packages_are_no_build() {
        assert_eq!(
            build_guests(Path::new("/"), Path::new("/"), &[]).expect("nothing to do"),
            []
        );
    }
}
