//! `adjutant plugin build`: a component that carries its manifest and fits its world.

use super::{build_shown, open};
use crate::exit::{Code, Error, Result};
use crate::{clean, print};
use adjutant_author::Project;
use adjutant_author::build::Built;
use serde_json::json;
use std::path::Path;

/// Does it.
pub(super) async fn run(dir: &Path, json: bool) -> Result<Code> {
    let project = open(dir)?;
    let built = build_shown(&project).await?.map_err(Error::Failed)?;
    if json {
        print::json(&json!({
            "name": project.name(),
            "version": project.version(),
            "world": project.world(),
            "path": built.path,
            "bytes": built.bytes,
            "digest": built.digest,
            "warnings": built.warnings,
        }))?;
    } else {
        print::text(&told(&project, &built))?;
    }
    Ok(Code::Ok)
}

/// What was built, in a line, and what was warned of.
pub(super) fn told(project: &Project, built: &Built) -> String {
    let mut told = format!(
        "built {}@{}, a {}: {}, {}, {}",
        project.name(),
        project.version(),
        project.world().as_str(),
        built.path.display(),
        size(built.bytes),
        &built.digest[..built.digest.len().min("sha256:".len() + 12)],
    );
    for warning in &built.warnings {
        told.push_str(&format!("\nwarning: {}", clean::block(warning).trim_end()));
    }
    told
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
