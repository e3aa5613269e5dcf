//! Anything else: a command of the project's own.

use super::{BuildError, Context};
use std::path::PathBuf;
use std::process::Command;

/// Runs the command in the project's folder; `ADJUTANT_WIT` names the contract's folder. Gives back the
/// file that it makes.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    let settings = context.project.build();
    let (Some((program, arguments)), Some(output)) =
        (settings.command.split_first(), &settings.output)
    else {
        return Err(BuildError::Refused(
            "plugin.toml needs `build.command` and `build.output`.".to_owned(),
        ));
    };
    let root = context.project.root();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root)
        .env("ADJUTANT_WIT", &context.wit)
        .env("ADJUTANT_WORLD", context.world());
    context.compile(
        &format!("running {}", settings.command.join(" ")),
        &mut command,
    )?;
    let output = root.join(output);
    if output.is_file() {
        Ok(output)
    } else {
        Err(BuildError::Refused(format!(
            "`{}` went well, and did not make {}, which plugin.toml names as `build.output`.",
            settings.command.join(" "),
            output.display()
        )))
    }
}
