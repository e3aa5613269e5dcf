//! `adjutant plugin`: strategies. Each group of commands has a file, as in the arguments.

mod author;
mod inspect;
mod operate;
mod source;

use crate::args::{Global, PluginCommand};
use crate::exit::{Code, Result};

/// Does it.
pub(crate) async fn run(command: &PluginCommand, global: &Global) -> Result<Code> {
    match command {
        PluginCommand::Operate(command) => operate::run(command, global).await,
        PluginCommand::Author(command) => author::run(command, global).await,
        PluginCommand::Source(command) => source::run(command, global).await,
    }
}
