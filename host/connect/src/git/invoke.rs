//! Calls the git command line the way the host wants it called, wherever that is.
//!
//! Invariant: no git that the host starts runs a hook, a file system monitor, an external diff or
//! text conversion, a pager, an editor, a credential helper or a signing program, contacts another
//! machine, or reads the user's or the system's configuration. A repository's own configuration is
//! overruled with `-c`, which also holds for processes that git starts for submodules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Author;
use crate::command::{ROOT_MARK, ticket_mark};
use crate::ports::{Discard, OutsideError};
use crate::process::{self, Failure, Spec};

/// Overrule whatever configuration a repository holds.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.editor=true",
    "core.sshCommand=false",
    "core.askPass=true",
    "credential.helper=",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "protocol.allow=never",
    "protocol.file.allow=always",
    // An agent can craft objects; malformed ones must not reach the user's repository.
    "fetch.fsckObjects=true",
    // Several tickets may end at once in one repository: wait for its locks.
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=10000",
    "reftable.lockTimeout=10000",
    "advice.addEmbeddedRepo=false",
    "safe.directory=*",
];

/// What the host's own git, and that of agents, reads in place of the user's configuration. It is a
/// file because git does not hand `-c` on to the process that serves a fetch from a local path.
pub(super) fn global_config(author: &Author) -> String {
    // Quoted, so that no name can end its line.
    let quoted = |text: &str| {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
    };
    format!(
        "[user]\n\tname = {}\n\temail = {}\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
         [commit]\n\tgpgSign = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
         [safe]\n\tdirectory = *\n[protocol \"file\"]\n\tallow = always\n\
         [init]\n\tdefaultBranch = main\n\ttemplateDir =\n[advice]\n\tdetachedHead = false\n",
        quoted(&author.name),
        quoted(&author.email),
    )
}

/// The git program and the surroundings it is called in.
#[derive(Debug, Clone)]
pub(super) struct Git {
    pub(super) program: PathBuf,
    pub(super) path: OsString,
    /// The folder of all worktrees.
    pub(super) root: PathBuf,
    /// An empty folder.
    pub(super) home: PathBuf,
    /// A file with [`global_config`].
    pub(super) config: PathBuf,
    pub(super) author: Author,
    pub(super) timeout: Duration,
    /// On whose behalf; its processes bear the ticket's mark.
    pub(super) ticket: Option<Uuid>,
}

/// One git command.
pub(super) struct Call<'a> {
    dir: &'a Path,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Option<Vec<u8>>,
    timeout: Option<Duration>,
    max_output: usize,
}

impl<'a> Call<'a> {
    /// A git command in folder `dir`.
    pub(super) fn new(dir: &'a Path, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self {
            dir,
            args,
            env: Vec::new(),
            stdin: None,
            timeout: None,
            max_output: 64 * 1024,
        }
    }

    pub(super) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(super) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(super) fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// The subcommand, for messages.
    fn name(&self) -> String {
        let is_word = |arg: &&OsString| !arg.to_string_lossy().starts_with('-');
        self.args
            .iter()
            .find(is_word)
            .map_or_else(String::new, |arg| arg.to_string_lossy().into())
    }
}

/// What a git command answered.
pub(super) struct Answer {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    stderr: String,
    pub(super) truncated: bool,
    name: String,
}

impl Answer {
    pub(super) fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The output's lines, if the command succeeded.
    pub(super) fn text(&self) -> Option<String> {
        self.success()
            .then(|| String::from_utf8_lossy(&self.stdout).trim_end().to_owned())
    }

    /// The output, or an error that tells what git said.
    pub(super) fn expect_text(&self) -> Result<String, OutsideError> {
        self.text()
            .ok_or_else(|| OutsideError::Unavailable(self.complaint()))
    }

    pub(super) fn stderr(&self) -> &str {
        &self.stderr
    }

    /// What went wrong, as a sentence.
    pub(super) fn complaint(&self) -> String {
        let said: String = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = said.chars().take(500).collect();
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| format!("status {code}"));
        format!("`git {}` ended with {code}: {said}", self.name)
    }
}

impl Git {
    pub(super) fn on_behalf_of(&self, ticket: Uuid) -> Self {
        Self {
            ticket: Some(ticket),
            ..self.clone()
        }
    }

    /// Run a call to its end, whatever its exit status. Errors only where there is none.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, OutsideError> {
        let name = call.name();
        let mut args: Vec<OsString> = Vec::new();
        for setting in SETTINGS {
            args.extend(["-c".into(), (*setting).into()]);
        }
        args.extend(call.args);
        let timeout = call.timeout.unwrap_or(self.timeout);
        let mut env = self.environment();
        env.extend(call.env);
        let spec = Spec {
            program: self.program.clone().into(),
            args,
            dir: call.dir.to_owned(),
            env,
            stdin: call.stdin,
            timeout,
            max_output: call.max_output,
            // Git moves nothing out of its group, so there is nothing to look for.
            mark: None,
        };
        match process::run(spec, &Discard, &CancellationToken::new()).await {
            Ok(finished) => Ok(Answer {
                code: finished.status.code(),
                stdout: finished.stdout,
                stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
                truncated: finished.truncated,
                name,
            }),
            Err(Failure::Deadline | Failure::Cancelled) => Err(OutsideError::Deadline(format!(
                "`git {name}` did not end within {timeout:?} and was killed."
            ))),
            Err(Failure::Start(error) | Failure::Wait(error)) => {
                Err(OutsideError::Unavailable(format!(
                    "`{}` could not be run in {}: {error}. Is git installed?",
                    self.program.display(),
                    call.dir.display()
                )))
            }
        }
    }

    /// Run a call and give its output; an exit status other than 0 is an error.
    pub(super) async fn text(&self, call: Call<'_>) -> Result<String, OutsideError> {
        self.call(call).await?.expect_text()
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), self.path.clone()),
            ("HOME".into(), self.home.clone().into()),
            ("XDG_CONFIG_HOME".into(), self.home.clone().into()),
            ("LC_ALL".into(), "C".into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
            ("GIT_CONFIG_GLOBAL".into(), self.config.clone().into()),
            ("GIT_ATTR_NOSYSTEM".into(), "1".into()),
            ("GIT_TERMINAL_PROMPT".into(), "0".into()),
            ("GIT_NO_LAZY_FETCH".into(), "1".into()),
            // Looking at the user's repository must not refresh its index.
            ("GIT_OPTIONAL_LOCKS".into(), "0".into()),
            ("GIT_AUTHOR_NAME".into(), self.author.name.clone().into()),
            ("GIT_AUTHOR_EMAIL".into(), self.author.email.clone().into()),
            ("GIT_COMMITTER_NAME".into(), self.author.name.clone().into()),
            (
                "GIT_COMMITTER_EMAIL".into(),
                self.author.email.clone().into(),
            ),
        ];
        env.push((ROOT_MARK.into(), self.root.clone().into()));
        if let Some(ticket) = self.ticket
            && let Some((name, value)) = ticket_mark(ticket).split_once('=')
        {
            env.push((name.into(), value.into()));
        }
        env
    }
}
