//! C and C++: zig's clang, with wit-bindgen's C bindings below the SDK.
//!
//! A project's sources are all files of the language below `src/`. The SDK and the bindings are compiled
//! for themselves and kept, so that a build compiles little more than what has changed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use super::bindings::{Wit, cpp, files_below, put_all};
use super::{BuildError, Context, hex};
use crate::Language;
use crate::toolchain::Venv;

/// The compiler, as PyPI has it.
const ZIG: &str = "ziglang==0.16.0";
/// The folder of sources where the project names no file.
const SOURCES: &str = "src";
const C_ENDINGS: [&str; 1] = ["c"];
const CPP_ENDINGS: [&str; 3] = ["cpp", "cc", "cxx"];

/// What all sources are compiled with. Assertions are on, and lines are known to backtraces.
const FLAGS: [&str; 9] = [
    "-target",
    "wasm32-wasi",
    "-O2",
    // zig takes optimised code for code without assertions.
    "-UNDEBUG",
    "-g",
    "-Wall",
    "-Wextra",
    "-fno-strict-aliasing",
    // A mistake in a signed sum or a shift would otherwise be a trap without a word.
    "-fno-sanitize=undefined",
];
const C_FLAGS: [&str; 1] = ["-std=gnu17"];
const CPP_FLAGS: [&str; 3] = ["-std=c++23", "-fno-exceptions", "-fno-rtti"];

/// Makes a core module of the project's sources.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    let sources = sources(context)?;
    let zig = Zig {
        context,
        venv: context.toolchains.python_venv("zig", &[ZIG])?,
        generated: context.work.join("generated"),
    };
    generate(context, &zig.generated)?;
    let mut objects = vec![zig.generated.join(COMPONENT_TYPE)];
    for source in [
        zig.generated.join("adj.c"),
        context.sdk.join("adjutant.c"),
        context.sdk.join("json.c"),
    ] {
        objects.push(zig.object(&source, false)?);
    }
    for source in &sources {
        objects.push(zig.object(source, true)?);
    }
    zig.link(&objects)
}

/// The project's own sources.
fn sources(context: &Context<'_>) -> Result<Vec<PathBuf>, BuildError> {
    if context.project.build().source.is_some() {
        return Ok(vec![context.source(&[])?]);
    }
    let cpp = context.project.language() == Language::Cpp;
    let folder = context.project.root().join(SOURCES);
    let wanted = |path: &PathBuf| {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        C_ENDINGS.contains(&ending) || cpp && CPP_ENDINGS.contains(&ending)
    };
    let found: Vec<PathBuf> = files_below(&folder).into_iter().filter(wanted).collect();
    if found.is_empty() {
        let endings = if cpp { ".cpp, .cc, .cxx or .c" } else { ".c" };
        return Err(BuildError::Refused(format!(
            "There is no source in {}: a file that ends in {endings} is expected there, or where \
             `build.source` in plugin.toml says.",
            folder.display()
        )));
    }
    Ok(found)
}

/// Sections for debuggers only.
const UNREAD: [&str; 3] = [".debug_loc", ".debug_pubnames", ".debug_pubtypes"];

const COMPONENT_TYPE: &str = "adj_component_type.o";

/// Writes wit-bindgen's C bindings and, for C++, the contract's own header.
fn generate(context: &Context<'_>, folder: &Path) -> Result<(), BuildError> {
    let wit = Wit::read(&context.wit, context.world())?;
    let contract = wit.contract()?;
    let mut options = wit_bindgen_c::Opts {
        rename_world: Some("adj".to_owned()),
        ..wit_bindgen_c::Opts::default()
    };
    for interface in &contract.interfaces {
        options
            .rename
            .push((interface.id.clone(), cpp::c_prefix(&interface.name)));
    }
    let mut files = wit.generate(options.build())?;
    if context.project.language() == Language::Cpp {
        files.push((
            "adjutant-contract.hpp".to_owned(),
            cpp::header(&contract).into_bytes(),
        ));
    }
    put_all(folder, &files)
}

struct Zig<'a> {
    context: &'a Context<'a>,
    venv: Venv,
    generated: PathBuf,
}

impl Zig<'_> {
    /// `cache` is a folder of zig's own below the project's.
    fn command(&self, cpp: bool, cache: &str) -> Command {
        let mut command = Command::new(&self.venv.python);
        // zig builds its C library once and keeps it with the compiler, not in the user's own cache.
        let library = self.venv.bin.with_file_name("zig-cache");
        command
            .args(["-m", "ziglang", if cpp { "c++" } else { "cc" }])
            .args(FLAGS)
            .current_dir(self.context.project.root())
            .env("ZIG_GLOBAL_CACHE_DIR", library)
            .env("ZIG_LOCAL_CACHE_DIR", self.cache(cache))
            .env("NO_COLOR", "1");
        command
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.context.work.join("zig").join(name)
    }

    /// Compiles one source. What is not the project's own is kept as long as it and its headers are the
    /// same; the project's own is for zig's cache.
    fn object(&self, source: &Path, own: bool) -> Result<PathBuf, BuildError> {
        let cpp = source.extension().is_some_and(|ending| ending != "c");
        let shown = source
            .strip_prefix(self.context.project.root())
            .unwrap_or(source);
        let stem = shown.to_string_lossy().replace(['/', '\\'], "-");
        let folder = self.context.work.join("objects");
        super::make_dir(&folder)?;
        let object = if own {
            folder.join(format!("{stem}.o"))
        } else {
            folder.join(format!("{stem}-{}.o", self.state(source)?))
        };
        if !own && object.is_file() {
            return Ok(object);
        }
        let mut command = self.command(cpp, &stem);
        if cpp {
            command.args(CPP_FLAGS);
        } else {
            command.args(C_FLAGS);
        }
        if !own {
            // The bindings have parameters that they don't use.
            command.arg("-w");
        }
        command
            .arg(format!(
                "-DADJUTANT_WORLD_{}",
                self.context.world().to_uppercase()
            ))
            .arg("-I")
            .arg(&self.context.sdk)
            .arg("-I")
            .arg(&self.generated)
            .arg("-c")
            .arg(shown)
            .arg("-o")
            .arg(&object);
        let step = format!("compiling {} with zig", shown.display());
        let warned = || self.context.warnings.borrow().len();
        let before = warned();
        self.context.compile(&step, &mut command)?;
        if warned() > before && self.cache(&stem).exists() {
            // From its cache zig would give the object again without a word.
            let cache = self.cache(&stem);
            fs::remove_dir_all(&cache).map_err(super::unwritable(&cache))?;
        }
        Ok(object)
    }

    /// What an object of the SDK or the bindings depends on, as a hash.
    fn state(&self, source: &Path) -> Result<String, BuildError> {
        let mut hash = Sha256::new();
        hash.update(ZIG);
        for flag in FLAGS.iter().chain(&C_FLAGS) {
            hash.update(flag);
        }
        for path in [
            source,
            &self.context.sdk.join("adjutant.h"),
            &self.generated.join("adj.h"),
        ] {
            hash.update(super::read(path)?);
        }
        Ok(hex(&hash.finalize()[..8]))
    }

    fn link(&self, objects: &[PathBuf]) -> Result<PathBuf, BuildError> {
        let module = self.context.work.join("core.wasm");
        let cpp = self.context.project.language() == Language::Cpp;
        let mut command = self.command(cpp, "link");
        command
            // zig compiles its library while it links; its warnings are of no use to an author.
            .args(["-w", "-mexec-model=reactor"])
            .args(objects)
            .arg("-o")
            .arg(&module);
        match self.context.run("linking with zig", &mut command) {
            Err(BuildError::Failed { output, .. }) if missing(&output).is_some() => {
                Err(BuildError::Refused(missing(&output).unwrap_or_default()))
            }
            Err(error) => Err(error),
            Ok(_) => {
                let slim = without_unread(&super::read(&module)?);
                fs::write(&module, slim).map_err(super::unwritable(&module))?;
                self.forget_all_but(objects);
                Ok(module)
            }
        }
    }

    /// Removes objects of sources and SDKs that are no more.
    fn forget_all_but(&self, objects: &[PathBuf]) {
        for object in files_below(&self.context.work.join("objects")) {
            if !objects.contains(&object) {
                // One that stays is only in the way.
                let _ = fs::remove_file(object);
            }
        }
    }
}

/// A module without the parts of its debugging information that no backtrace looks at; that of the C
/// library would be most of it.
fn without_unread(module: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(module.len());
    let mut from = 0;
    let mut before = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::CustomSection(section)) => {
                if UNREAD.contains(&section.name()) {
                    kept.extend_from_slice(&module[from..before]);
                    from = section.range().end;
                }
                before = section.range().end;
            }
            Ok(Payload::Version { range, .. }) => before = range.end,
            Ok(other) => {
                if let Some((_, range)) = other.as_section() {
                    before = range.end;
                }
            }
            // What is no module is told by whoever makes a component of it.
            Err(_) => return module.to_vec(),
        }
    }
    kept.extend_from_slice(&module[from..]);
    kept
}

/// What the linker says where the strategy's function is missing, in the SDK's own words.
fn missing(output: &str) -> Option<String> {
    let (c, cpp) = if output.contains("undefined symbol: adj_work") {
        (
            "bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure)",
            "ADJUTANT_SUBORDINATE(function) or ADJUTANT_BOSS(function)",
        )
    } else if output.contains("undefined symbol: adj_choose") {
        (
            "bool adj_choose(const adj_question_t *task, const adj_list_candidate_t *candidates, \
             adj_list_choice_t *choices, adj_string_t *problem)",
            "ADJUTANT_SELECTOR(function)",
        )
    } else {
        return None;
    };
    Some(format!(
        "The strategy's own function is missing, so the component would have no export. In C define \
         `{c}`; in C++ name a function by `{cpp}`."
    ))
}
