//! A real registry, Debian's `docker-registry`, on a port of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The programs that are the same registry under different names.
const PROGRAMS: [&str; 2] = ["docker-registry", "registry"];

/// The one user of a registry that asks who comes; the password is `open sesame`.
#[allow(dead_code, reason = "each test uses its own part")]
pub(crate) const USER: (&str, &str) = ("ada", "open sesame");
const USERS: &str = "ada:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

/// A registry. It ends, and what it holds goes, when this is dropped.
pub(crate) struct Registry {
    child: Child,
    host: String,
    _data: TempDir,
}

impl Registry {
    /// One that anybody may use.
    #[allow(dead_code, reason = "each test uses its own part")]
    pub(crate) fn open() -> Registry {
        Registry::start("")
    }

    /// One that only [`USER`] may use.
    #[allow(dead_code, reason = "each test uses its own part")]
    pub(crate) fn guarded() -> Registry {
        Registry::start("auth: {htpasswd: {realm: tests, path: USERS}}\n")
    }

    fn start(auth: &str) -> Registry {
        let data = tempfile::tempdir().expect("a folder");
        let path = |name: &str| data.path().join(name).display().to_string();
        std::fs::write(path("users"), USERS).expect("written");
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:0\", secret: tests}}\n{}",
            path("data"),
            auth.replace("USERS", &path("users"))
        );
        std::fs::write(path("config.yml"), config).expect("written");
        let mut child = Command::new(program())
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the registry starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = String::new();
        let host = loop {
            let line = log.next().and_then(Result::ok);
            let line = line.unwrap_or_else(|| panic!("the registry ended: {said}"));
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.chars().take_while(|c| *c != '"').collect();
            }
            said.push_str(&line);
        };
        // It would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Registry {
            child,
            host,
            _data: data,
        }
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> &'static str {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let there = |name: &&str| {
        folders
            .iter()
            .any(|folder| Path::new(folder).join(name).is_file())
    };
    PROGRAMS.into_iter().find(there).unwrap_or_else(|| {
        panic!(
            "these tests need a registry to talk to: install Debian's package `docker-registry` \
             (`apt-get install docker-registry`), or put the CNCF distribution's `registry` on the PATH"
        )
    })
}
