//! `adjutant plugin`. Each group of commands has a file: those of operators, of authors, and of where
//! plugins come from.

mod author;
mod operate;
mod source;

pub(crate) use author::{AuthorCommand, DevArgs, NewArgs, TestArgs};
pub(crate) use operate::{AddArgs, How, OperateCommand};
pub(crate) use source::{InstallArgs, PullArgs, PushArgs, SourceCommand};

use clap::Subcommand;
use std::str::FromStr;

/// `adjutant plugin`
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// What a host has, and which of it new runs take.
    #[command(flatten)]
    Operate(OperateCommand),
    /// Write, build, check, test and try one.
    #[command(flatten)]
    Author(AuthorCommand),
    /// Get them from elsewhere, and give them to others.
    #[command(flatten)]
    Source(SourceCommand),
}

/// A plugin's name and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameVersion {
    /// The name.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
}

impl FromStr for NameVersion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('@') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok(NameVersion {
                name: name.to_owned(),
                version: version.to_owned(),
            }),
            _ => Err("write it as NAME@VERSION, such as reviewer@0.1.0".to_owned()),
        }
    }
}
