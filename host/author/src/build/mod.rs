//! From a project to a component that carries its manifest and fits its world.
//!
//! A language's own file ([`rust`], [`python`] and so on) makes a component or a core module; what comes
//! after is the same for all. Invariants: a component that does not fit is never put in place; what the
//! tools say is shown where they fail; the same sources and tools give the same bytes.

mod bindings;
mod c;
mod encode;
mod go;
mod javascript;
mod other;
mod python;
mod run;
mod rust;
mod warnings;

pub use run::{path_with, run_told};

use crate::toolchain::{ToolchainError, Toolchains};
use crate::{Language, Progress, Project, embedded, section};
use adjutant_component::{LoadError, World};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most bytes of a component that a build accepts.
pub const MOST_COMPONENT: usize = 256 << 20;

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where it is: [`Project::component`].
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// `sha256:` and its hash.
    pub digest: String,
    /// What the language's compiler warned of in its own words, one text for each warning, without the
    /// word `warning` before it. Python's and Go's compilers never warn.
    pub warnings: Vec<String>,
}

/// What a language's build works with.
pub struct Context<'a> {
    /// The project.
    pub project: &'a Project,
    /// The folder with the contract's WIT: `.adjutant/wit`.
    pub wit: PathBuf,
    /// The folder with the language's SDK: `.adjutant/sdk`. What is generated does not go there.
    pub sdk: PathBuf,
    /// A folder for what is generated, kept from build to build: `.adjutant/work`.
    pub work: PathBuf,
    /// Tools from registries.
    pub toolchains: &'a Toolchains<'a>,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
    /// What the compiler has warned of so far.
    warnings: RefCell<Vec<String>>,
}

/// Why there is no component. Each text says what to do, or holds the tool's own words.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A tool refused the sources.
    #[error("{step} failed ({status}):\n{output}")]
    Failed {
        /// What was being done, as a phrase.
        step: String,
        /// How the tool ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// A tool did not start.
    #[error("`{program}` could not be started: {source}. {hint}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
        /// What to do, as a sentence.
        hint: String,
    },
    /// The Rust target is missing.
    #[error(transparent)]
    Rust(#[from] adjutant_build::BuildError),
    /// A tool cannot be had.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is missing or cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A core module cannot be made a component.
    #[error("The core module {} cannot be made a component: {why}", .path.display())]
    NotEncoded {
        /// The core module.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The component does not fit its world.
    #[error("{0}")]
    Unfit(#[from] LoadError),
    /// Something about the project keeps it from being built, as a sentence.
    #[error("{0}")]
    Refused(String),
}

impl Context<'_> {
    /// Runs a tool. Its lines are shown as they come; gives back its standard output.
    ///
    /// # Errors
    /// It does not start, or it fails: then with all that it said.
    pub fn run(&self, step: &str, command: &mut Command) -> Result<String, BuildError> {
        run_told(self.progress, step, command)
    }

    /// Runs a compiler: as [`Context::run`], and what it warns of is kept for [`Built::warnings`].
    ///
    /// # Errors
    /// It does not start, or it fails: then with all that it said.
    pub fn compile(&self, step: &str, command: &mut Command) -> Result<String, BuildError> {
        let said = run::run_heard(self.progress, step, command)?;
        self.warn(warnings::of(&said.words));
        Ok(said.output)
    }

    /// Keeps warnings for [`Built::warnings`].
    pub fn warn(&self, warnings: Vec<String>) {
        self.warnings.borrow_mut().extend(warnings);
    }

    /// The project's main source file: the one that it names, else the first of these that is there.
    ///
    /// # Errors
    /// There is none.
    pub fn source(&self, usual: &[&str]) -> Result<PathBuf, BuildError> {
        let root = self.project.root();
        if let Some(named) = &self.project.build().source {
            let path = root.join(named);
            return if path.is_file() {
                Ok(path)
            } else {
                Err(BuildError::Refused(format!(
                    "plugin.toml says `build.source = \"{}\"`, and there is no such file.",
                    named.display()
                )))
            };
        }
        usual
            .iter()
            .map(|name| root.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                BuildError::Refused(format!(
                    "There is no main source file in {}: it is expected at {}, or where \
                     `build.source` in plugin.toml says.",
                    root.display(),
                    usual.join(" or ")
                ))
            })
    }

    /// The name of the world that the project is for.
    pub fn world(&self) -> &'static str {
        self.project.world().as_str()
    }
}

/// Builds a project. Two builds of one project take turns.
///
/// # Errors
/// See [`BuildError`]; the component from before stays.
pub fn build(project: &Project, progress: &dyn Progress) -> Result<Built, BuildError> {
    let toolchains = Toolchains::of_user(progress)?;
    let hidden = project.hidden();
    let context = Context {
        project,
        wit: hidden.join("wit"),
        sdk: hidden.join("sdk"),
        work: hidden.join("work"),
        toolchains: &toolchains,
        progress,
        warnings: RefCell::default(),
    };
    make_dir(&context.work)?;
    let lock_path = hidden.join("lock");
    let lock = File::create(&lock_path).map_err(unwritable(&lock_path))?;
    if lock.try_lock().is_err() {
        progress.step("waiting for another build of this project");
        lock.lock().map_err(unwritable(&lock_path))?;
    }
    write_hidden(project)?;
    let made = match project.language() {
        Language::Rust => rust::build(&context),
        Language::JavaScript | Language::TypeScript => javascript::build(&context),
        Language::Python => python::build(&context),
        Language::C | Language::Cpp => c::build(&context),
        Language::Go => go::build(&context),
        Language::Other => other::build(&context),
    }?;
    finish(&context, &made)
}

/// Makes a component of what a language has made, gives it its manifest, checks it and puts it in place.
fn finish(context: &Context<'_>, made: &Path) -> Result<Built, BuildError> {
    let project = context.project;
    let mut bytes = read(made)?;
    if wasmparser::Parser::is_core_wasm(&bytes) {
        context
            .progress
            .step("making a component of the core module");
        bytes = encode::component(&bytes, &context.wit, project.world()).map_err(|why| {
            BuildError::NotEncoded {
                path: made.to_path_buf(),
                why,
            }
        })?;
    }
    adjutant_component::check(&bytes, MOST_COMPONENT, Some(world(project)))?;
    let bytes = section::embed(&bytes, &project.manifest().to_json())
        .map_err(|error| BuildError::Refused(format!("{}: {error}", made.display())))?;
    let path = project.component();
    make_dir(path.parent().unwrap_or(project.root()))?;
    let temporary = path.with_extension("wasm.new");
    fs::write(&temporary, &bytes).map_err(unwritable(&temporary))?;
    fs::rename(&temporary, &path).map_err(unwritable(&path))?;
    Ok(Built {
        bytes: bytes.len() as u64,
        digest: digest(&bytes),
        path,
        warnings: warnings::bounded(context.warnings.take()),
    })
}

pub(crate) fn world(project: &Project) -> World {
    match project.world() {
        adjutant_model::World::Selector => World::Selector,
        adjutant_model::World::Subordinate => World::Subordinate,
        adjutant_model::World::Boss => World::Boss,
    }
}

/// Writes the contract and the SDK into the project, and takes away those of another `adjutant`.
///
/// # Errors
/// What cannot be written.
pub fn write_hidden(project: &Project) -> Result<(), BuildError> {
    let hidden = project.hidden();
    let stamp = hidden.join("stamp");
    let ours = stamp_of(project.language());
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&ours) {
        for name in ["wit", "sdk"] {
            let folder = hidden.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(unwritable(&folder))?;
            }
        }
    }
    let told = |(path, source)| BuildError::Unwritable { path, source };
    make_dir(&hidden)?;
    embedded::write("wit", &hidden.join("wit"), |_, bytes| bytes.to_vec()).map_err(told)?;
    if let Some(folder) = project.language().folder() {
        let change = if project.language() == Language::Rust {
            rust::sdk_file
        } else {
            |_: &str, bytes: &'static [u8]| bytes.to_vec()
        };
        embedded::write(
            &format!("plugins/{folder}/sdk"),
            &hidden.join("sdk"),
            change,
        )
        .map_err(told)?;
    }
    fs::write(&stamp, ours).map_err(unwritable(&stamp))
}

fn stamp_of(language: Language) -> String {
    let mut hash = Sha256::new();
    let sdk = language
        .folder()
        .map(|folder| format!("plugins/{folder}/sdk"));
    for folder in ["wit".to_owned()].into_iter().chain(sdk) {
        for (path, bytes) in embedded::below(&folder) {
            hash.update(path);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    hex(&hash.finalize())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|source| BuildError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

fn make_dir(path: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(path).map_err(unwritable(path))
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
    let path = path.to_path_buf();
    move |source| BuildError::Unwritable { path, source }
}
