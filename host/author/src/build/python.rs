//! Python, by componentize-py: CPython itself, with the strategy's modules already imported.
//!
//! The search path is: the sources, the SDK, the module that is generated here, and what
//! `requirements.txt` names. Nothing of the author's own Python installation is on it.
//!
//! Two runs of the compiler on the same sources differ in their bytes, for each has its own secret for the
//! hashes of strings. So what it has made is kept as long as nothing that it was made of changes: the host
//! and the tests have compiled that component already.

use super::{BuildError, Context, make_dir, read, unwritable};
use crate::toolchain::Venv;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler, as pip has it.
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// The Python that it brings along: packages are chosen for it.
const PYTHON: &str = "3.14";
/// The module that the component begins with.
const ENTRY: &str = "adjutant_entry";
/// In a folder of packages: what it was filled for.
const STAMP: &str = "stamp";
/// Runs the compiler and tidies its errors.
const RUNNER: &str = include_str!("python.py");

/// Makes a component of the project; gives back its path.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    let source = context.source(&["src/main.py", "main.py"])?;
    let module = module_name(&source)?;
    let folder = source.parent().unwrap_or(context.project.root());
    // As the author calls it, for tracebacks.
    let called = folder
        .strip_prefix(context.project.root())
        .unwrap_or(folder)
        .to_string_lossy()
        .into_owned();
    let venv = context
        .toolchains
        .python_venv("componentize-py", &[COMPONENTIZE])?;
    let packages = packages(context, &venv)?;
    let entry = context.work.join("entry");
    make_dir(&entry)?;
    put(
        &entry.join(format!("{ENTRY}.py")),
        &entry_module(context.world(), &module, &called),
    )?;
    let component = context.work.join("component.wasm");
    let made_of = made_of(context, folder, &packages)?;
    let stamp = context.work.join("component.stamp");
    if component.is_file() && fs::read_to_string(&stamp).ok().as_ref() == Some(&made_of) {
        return Ok(component);
    }
    if stamp.exists() {
        fs::remove_file(&stamp).map_err(unwritable(&stamp))?;
    }
    // The folders in the order of the search path; the packages come last.
    let names = json!({ "0": called, "3": "" });
    let mut command = python(&venv);
    command
        .args(["-c", RUNNER, &names.to_string(), "--quiet", "--wit-path"])
        .arg(&context.wit)
        .args(["--world", context.world(), "componentize"]);
    for folder in [folder, &context.sdk, &entry] {
        command.arg("--python-path").arg(folder);
    }
    command
        .arg("--output")
        .arg(&component)
        .arg(ENTRY)
        .env("VIRTUAL_ENV", &packages)
        .env("RUST_BACKTRACE", "0")
        .current_dir(context.project.root());
    let name = source.strip_prefix(context.project.root());
    let name = name.unwrap_or(&source).display();
    context.run(&format!("making a component of {name}"), &mut command)?;
    put(&stamp, &made_of)?;
    Ok(component)
}

/// Stands for all that a component is made of.
fn made_of(context: &Context<'_>, sources: &Path, packages: &Path) -> Result<String, BuildError> {
    let mut hash = Sha256::new();
    for text in [COMPONENTIZE, RUNNER] {
        hash.update(text);
    }
    let entry = context.work.join("entry");
    for folder in [sources, &context.sdk, &context.wit, &entry] {
        add_files(folder, &mut hash)?;
    }
    hash.update(read(&packages.join(STAMP))?);
    Ok(super::hex(&hash.finalize()))
}

/// Adds a folder's files with their names, in order; not what tools leave there.
fn add_files(folder: &Path, hash: &mut Sha256) -> Result<(), BuildError> {
    let unreadable = |source| BuildError::Unreadable {
        path: folder.to_path_buf(),
        source,
    };
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut entries = entries.map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || ["__pycache__", "target"].contains(&&*name) {
            continue;
        }
        let path = entry.path();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        if path.is_dir() {
            add_files(&path, hash)?;
        } else {
            let content = read(&path)?;
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(content);
        }
    }
    Ok(())
}

/// What the component begins with.
fn entry_module(world: &str, module: &str, source: &str) -> String {
    // The strings are written as JSON, which is Python as well.
    let [world, module, source] = [world, module, source].map(|text| json!(text).to_string());
    format!(
        "import sys\n\n\
         # The sources' folder stays as it is.\n\
         sys.dont_write_bytecode = True\n\n\
         from adjutant import _component\n\n\
         WitWorld = _component.build({world}, {module}, {source})\n"
    )
}

/// The name under which the main source file is imported.
fn module_name(source: &Path) -> Result<String, BuildError> {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let fits = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_numeric())
        && !["adjutant", "wit_world", ENTRY, ""].contains(&&*name);
    if fits && source.extension().is_some_and(|ending| ending == "py") {
        Ok(name.into_owned())
    } else {
        Err(BuildError::Refused(format!(
            "{} cannot be imported as a Python module: its name is letters, digits and underscores \
             with `.py`, and not `adjutant.py`.",
            source.display()
        )))
    }
}

/// Installs what `requirements.txt` names, where that has changed. Gives back a folder with
/// `site-packages`, empty where nothing is named.
fn packages(context: &Context<'_>, venv: &Venv) -> Result<PathBuf, BuildError> {
    let folder = context.work.join("packages");
    // As in a virtual environment: that is where the compiler looks.
    let site = folder.join("lib/site-packages");
    let stamp = folder.join(STAMP);
    let file = context.project.root().join("requirements.txt");
    let wanted = if file.is_file() {
        read(&file)?
    } else {
        Vec::new()
    };
    let mut hash = Sha256::new();
    hash.update(PYTHON);
    hash.update(&wanted);
    let hash = super::hex(&hash.finalize());
    if fs::read_to_string(&stamp).ok().as_ref() == Some(&hash) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(unwritable(&folder))?;
    }
    make_dir(&site)?;
    if !wanted.is_empty() {
        let mut pip = python(venv);
        pip.args(["-m", "pip", "install", "--no-input", "--no-compile"])
            .args(["--disable-pip-version-check", "--progress-bar", "off"])
            // Pure Python only: anything else would be missed at run time.
            .args(["--only-binary=:all:", "--platform", "any"])
            .args(["--implementation", "py", "--abi", "none"])
            .args(["--python-version", PYTHON, "--requirement"])
            .arg(&file)
            .arg("--target")
            .arg(&site)
            .current_dir(context.project.root());
        let step = "installing requirements.txt (wheels of pure Python only)";
        context.run(step, &mut pip)?;
    }
    put(&stamp, &hash)?;
    Ok(folder)
}

/// The interpreter, deaf to the author's own Python settings.
fn python(venv: &Venv) -> Command {
    let mut command = Command::new(&venv.python);
    command.arg("-I");
    command
}

fn put(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(unwritable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_file_needs_a_name_that_can_be_imported() {
        for good in ["src/main.py", "my_boss.py", "b2.py"] {
            assert!(module_name(Path::new(good)).is_ok(), "{good}");
        }
        for bad in [
            "my-boss.py",
            "2b.py",
            "adjutant.py",
            "main.pyx",
            "main",
            ".py",
        ] {
            let error = module_name(Path::new(bad)).expect_err(bad).to_string();
            assert!(error.contains("cannot be imported"), "{error}");
        }
    }

    #[test]
    fn a_folder_with_quotes_is_a_string_of_python() {
        let text = entry_module("boss", "main", r#"a "b"\c"#);
        assert!(
            text.ends_with("build(\"boss\", \"main\", \"a \\\"b\\\"\\\\c\")\n"),
            "{text}"
        );
    }
}
