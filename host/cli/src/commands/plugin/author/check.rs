//! `adjutant plugin check`: what a component is, before any host sees it.

use super::build::size;
use super::{build_shown, open};
use crate::commands::component;
use crate::exit::{Code, Error, Result};
use crate::{clean, print};
use adjutant_author::check::{Checked, check};
use adjutant_model::{Manifest, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Characters of a line.
const LINE: usize = 400;

/// Does it.
pub(super) async fn run(what: &Path, world: Option<World>, json: bool) -> Result<Code> {
    let (path, world) = if what.is_dir() {
        let project = open(what)?;
        let built = build_shown(&project).await?.map_err(Error::Failed)?;
        (built.path, world.or(Some(project.world())))
    } else {
        (PathBuf::from(what), world)
    };
    let checked = check(&component(&path)?, world);
    if json {
        print::json(&checked)?;
    } else {
        print::text(&told(&path, &checked))?;
    }
    Ok(if checked.fits { Code::Ok } else { Code::Failed })
}

fn told(path: &Path, checked: &Checked) -> String {
    let mut told = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(told, "{name:<10}{}", clean::line(value, LINE));
    };
    let digest = &checked.digest[..checked.digest.len().min("sha256:".len() + 12)];
    let bytes = size(checked.bytes as u64);
    field(
        "component",
        &format!("{}, {bytes}, {digest}", path.display()),
    );
    match &checked.manifest {
        Some(manifest) => of_manifest(manifest, &mut field),
        None => field("manifest", "none"),
    }
    let world = checked.world.as_deref().unwrap_or("none");
    field(
        "world",
        &format!("{world}{}", if checked.fits { ", and it fits" } else { "" }),
    );
    let made_for = checked
        .contract
        .as_deref()
        .map_or("none of it".to_owned(), ToOwned::to_owned);
    field(
        "contract",
        &format!("{made_for}; offered here: {}", checked.offered),
    );
    for (place, line) in imports(checked).iter().enumerate() {
        field(if place == 0 { "imports" } else { "" }, line);
    }
    if checked.whole_world {
        field(
            "",
            "(the whole world, as its language's toolchain does it; what it wants is in its manifest)",
        );
    }
    field("exports", &checked.exports.join(", "));
    let debug = match (checked.names, checked.lines) {
        (true, true) => "function names, files and lines",
        (true, false) => "function names",
        (false, true) => "files and lines",
        (false, false) => "nothing",
    };
    field("backtrace", debug);
    for fault in &checked.faults {
        let _ = writeln!(told, "\nfault: {}", clean::block(fault).trim_end());
    }
    for warning in &checked.warnings {
        let _ = writeln!(told, "\nwarning: {}", clean::block(warning).trim_end());
    }
    for hint in &checked.hints {
        let _ = writeln!(told, "\nhint: {}", clean::block(hint).trim_end());
    }
    told
}

/// The imports, one line each; what the world outside offers by the package.
fn imports(checked: &Checked) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for import in &checked.imports {
        if let Some(of) = import.of {
            let functions = import.functions.join(", ");
            lines.push(format!("{}: {functions} (of {of})", import.interface));
        } else if let Some((package, name)) = import.interface.split_once('/') {
            let name = name.split('@').next().unwrap_or(name);
            packages.entry(package).or_default().push(name);
        } else {
            lines.push(import.interface.clone());
        }
    }
    let packages = packages.into_iter();
    lines.extend(packages.map(|(package, names)| format!("{package}: {}", names.join(", "))));
    lines
}

fn of_manifest(manifest: &Manifest, field: &mut impl FnMut(&str, &str)) {
    field("plugin", &format!("{}@{}", manifest.name, manifest.version));
    if !manifest.description.is_empty() {
        field("", &manifest.description);
    }
    let commands = manifest.wants.commands.iter();
    let commands = commands.map(|one| ("run", one.run.join(" "), &one.why));
    let agents = manifest.wants.assign_to.iter();
    let agents = agents.map(|one| ("assign to", one.agent.clone(), &one.why));
    let mut name = "wants";
    for (verb, what, why) in commands.chain(agents) {
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        field(name, &format!("to {verb} `{what}`{why}"));
        name = "";
    }
    let properties = manifest
        .config_schema
        .as_ref()
        .and_then(|schema| schema["properties"].as_object());
    let mut name = "config";
    for (property, schema) in properties.into_iter().flatten() {
        let kind = schema["type"].as_str().unwrap_or("any");
        let default = match &schema["default"] {
            Value::Null => String::new(),
            default => format!(", {default} unless given"),
        };
        field(name, &format!("{property}: {kind}{default}"));
        name = "";
    }
}
