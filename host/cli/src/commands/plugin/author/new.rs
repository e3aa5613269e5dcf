//! `adjutant plugin new`: a project that works as it is.

use crate::args::NewArgs;
use crate::exit::{Code, Error, Result};
use crate::{print, wire};
use adjutant_author::template::{self, NewError};
use serde_json::json;
use std::path::PathBuf;

/// Does it.
pub(super) fn run(args: &NewArgs, json: bool) -> Result<Code> {
    if wire::builtin(&args.name).is_some() {
        return Err(Error::Usage(format!(
            "\"{}\" is a plugin that every host has already, so no host takes another one of that name: choose \
             another name.",
            args.name
        )));
    }
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.name));
    let made = template::new(args.lang, args.world, &args.name, &dir);
    let project = made.map_err(|error| match error {
        NewError::Unwritable { .. } => Error::Failed(error.to_string()),
        other => Error::Usage(other.to_string()),
    })?;
    if json {
        print::json(&json!({
            "name": project.name(),
            "dir": project.root(),
            "language": args.lang,
            "world": args.world,
        }))?;
        return Ok(Code::Ok);
    }
    print::text(&format!(
        "made {} in {}: a {} in {}\n\n  cd {}\n  adjutant plugin build     a component in target/{}.wasm\n  \
         adjutant plugin test      what it asks and answers, without a host\n  adjutant plugin dev       \
         into a running host at each change",
        args.name,
        dir.display(),
        args.world.as_str(),
        args.lang,
        dir.display(),
        args.name
    ))?;
    Ok(Code::Ok)
}
