//! The commands that talk to a host which runs already, and what several of them need.

mod agent;
mod apply;
mod backup;
mod logs;
mod plugin;
mod run;
mod serve;
mod settings;
mod ticket;

pub(crate) use agent::run as agent;
pub(crate) use apply::{apply, apply_file};
pub(crate) use backup::{backup, restore};
pub(crate) use logs::run as logs;
pub(crate) use plugin::run as plugin;
pub(crate) use run::run;
pub(crate) use serve::run as serve;
pub(crate) use ticket::run as ticket;

use crate::args::Global;
use crate::client::Client;
use crate::exit::{Code, Error, Result};
use adjutant_model::{EventKind, Status, TicketId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// The most bytes of a component.
pub(crate) const MOST_COMPONENT: u64 = 256 << 20;

/// A client of the host that the command line names.
pub(crate) fn client(global: &Global) -> Result<Client> {
    Client::new(&global.host, global.workspace.as_deref())
}

/// What is said while the host makes a component ready.
pub(crate) fn compiling(what: &str) -> String {
    let what = crate::clean::line(what, 500);
    format!("{what} is compiled and checked, which takes a while the first time")
}

/// A component's bytes.
pub(crate) fn component(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let unreadable = |error| Error::Usage(format!("{shown} cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MOST_COMPONENT {
        return Err(Error::Usage(format!(
            "{shown} has {size} bytes; a component has at most {MOST_COMPONENT}"
        )));
    }
    std::fs::read(path).map_err(unreadable)
}

/// Reads an answer as what this version expects.
pub(crate) fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).map_err(|error| {
        Error::Failed(format!(
            "the host's answer is not what this version of adjutant expects: {error}"
        ))
    })
}

/// A ticket's id in an answer.
pub(crate) fn id(answer: &Value) -> Result<TicketId> {
    read(answer["id"].clone())
}

/// Whether an event says that a ticket is over.
pub(crate) fn is_end(kind: &EventKind, of: TicketId) -> bool {
    match kind {
        EventKind::TicketCompleted { ticket, .. }
        | EventKind::TicketFailed { ticket, .. }
        | EventKind::TicketCancelled { ticket, .. } => *ticket == of,
        _ => false,
    }
}

/// The exit code for how a ticket ended.
pub(crate) fn ended(status: &str) -> Code {
    if Status::parse(status) == Some(Status::Done) {
        Code::Ok
    } else {
        Code::Failed
    }
}
