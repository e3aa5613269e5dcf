//! A worktree in memory, and commands that only seem to run.

use super::script::CommandEnd;
use adjutant_connect::ports::{
    Command, CommandOutput, Entry, EntryKind, Exit, OutputStream, OutsideError, Worktree,
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

type Files = BTreeMap<String, Vec<u8>>;

/// A worktree of a test.
pub(super) struct MemoryWorktree(Mutex<Inner>);

struct Inner {
    base: Files,
    committed: Files,
    files: Files,
    commands: Vec<CommandEnd>,
    used: Vec<u32>,
}

impl MemoryWorktree {
    pub(super) fn new(files: &BTreeMap<String, String>, commands: &[CommandEnd]) -> Self {
        let files: Files = files
            .iter()
            .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
            .collect();
        Self(Mutex::new(Inner {
            base: files.clone(),
            committed: files.clone(),
            files,
            commands: commands.to_vec(),
            used: vec![0; commands.len()],
        }))
    }

    /// How often each command was run, by its place in the script.
    pub(super) fn used(&self) -> Vec<u32> {
        self.inner().used.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path as it is kept: no empty segments, and none that leads out.
fn clean(path: &str) -> Result<String, OutsideError> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." | ".git" => {
                return Err(OutsideError::Denied(format!(
                    "`{path}` leads out of the worktree"
                )));
            }
            other => segments.push(other),
        }
    }
    if path.starts_with('/') {
        return Err(OutsideError::Denied(format!(
            "`{path}` leads out of the worktree"
        )));
    }
    Ok(segments.join("/"))
}

impl Inner {
    fn is_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        path.is_empty() || self.files.keys().any(|file| file.starts_with(&prefix))
    }
}

#[async_trait]
impl Worktree for MemoryWorktree {
    async fn read(&self, path: &str) -> Result<Vec<u8>, OutsideError> {
        let path = clean(path)?;
        let inner = self.inner();
        match inner.files.get(&path) {
            Some(bytes) => Ok(bytes.clone()),
            None if inner.is_folder(&path) => {
                Err(OutsideError::Invalid(format!("`{path}` is a folder")))
            }
            None => Err(OutsideError::NotFound(format!("there is no file `{path}`"))),
        }
    }

    async fn write(&self, path: &str, content: Vec<u8>) -> Result<(), OutsideError> {
        let path = clean(path)?;
        let mut inner = self.inner();
        if inner.is_folder(&path) {
            return Err(OutsideError::Invalid(format!("`{path}` is a folder")));
        }
        inner.files.insert(path, content);
        Ok(())
    }

    async fn remove(&self, path: &str) -> Result<(), OutsideError> {
        let path = clean(path)?;
        let mut inner = self.inner();
        if inner.files.remove(&path).is_some() {
            return Ok(());
        }
        Err(if inner.is_folder(&path) {
            OutsideError::Invalid(format!("the folder `{path}` is not empty"))
        } else {
            OutsideError::NotFound(format!("there is no file `{path}`"))
        })
    }

    async fn list(&self, path: &str) -> Result<Vec<Entry>, OutsideError> {
        let path = clean(path)?;
        let inner = self.inner();
        if !inner.is_folder(&path) {
            return Err(OutsideError::NotFound(format!(
                "there is no folder `{path}`"
            )));
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let mut folders = BTreeSet::new();
        let mut entries = Vec::new();
        for (file, bytes) in &inner.files {
            let Some(rest) = file.strip_prefix(&prefix) else {
                continue;
            };
            match rest.split_once('/') {
                Some((folder, _)) => {
                    folders.insert(folder.to_owned());
                }
                None => entries.push(Entry {
                    name: rest.to_owned(),
                    kind: EntryKind::File,
                    size: bytes.len() as u64,
                }),
            }
        }
        entries.extend(folders.into_iter().map(|name| Entry {
            name,
            kind: EntryKind::Directory,
            size: 0,
        }));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    async fn diff(&self) -> Result<String, OutsideError> {
        let inner = self.inner();
        let paths: BTreeSet<&String> = inner.base.keys().chain(inner.files.keys()).collect();
        let text = |files: &Files, path: &String| {
            let bytes = files.get(path).map_or(&[][..], Vec::as_slice);
            String::from_utf8_lossy(bytes).into_owned()
        };
        let mut all = String::new();
        for path in paths {
            let (old, new) = (text(&inner.base, path), text(&inner.files, path));
            if old == new {
                continue;
            }
            let side = |files: &Files, mark: char| match files.contains_key(path) {
                true => format!("{mark}/{path}"),
                false => "/dev/null".to_owned(),
            };
            let (a, b) = (side(&inner.base, 'a'), side(&inner.files, 'b'));
            let diff = TextDiff::from_lines(&old, &new);
            all.push_str(&diff.unified_diff().header(&a, &b).to_string());
        }
        Ok(all)
    }

    async fn commit(&self, message: &str) -> Result<Option<String>, OutsideError> {
        if message.trim().is_empty() {
            return Err(OutsideError::Invalid("a commit has a message".to_owned()));
        }
        let mut inner = self.inner();
        if inner.files == inner.committed {
            return Ok(None);
        }
        inner.committed = inner.files.clone();
        let mut hash = Sha256::new();
        for (path, bytes) in &inner.committed {
            hash.update(path);
            hash.update([0]);
            hash.update(bytes);
        }
        let id = hash.finalize();
        Ok(Some(
            id[..20].iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    async fn run(
        &self,
        command: &Command,
        output: &dyn CommandOutput,
        _cancel: CancellationToken,
    ) -> Result<Exit, OutsideError> {
        let mut inner = self.inner();
        let found = inner
            .commands
            .iter()
            .zip(&inner.used)
            .position(|(end, used)| {
                end.times.is_none_or(|times| *used < times)
                    && adjutant_model::grants::allowed(
                        std::slice::from_ref(&end.run),
                        &command.argv,
                    )
            });
        let Some(found) = found else {
            return Err(OutsideError::NotFound(format!(
                "this test says nothing of the command `{}`: give it an entry of [[commands]]",
                command.argv.join(" ")
            )));
        };
        inner.used[found] += 1;
        let end = inner.commands[found].clone();
        for (path, text) in end.writes {
            inner.files.insert(clean(&path)?, text.into_bytes());
        }
        output.chunk(OutputStream::Stdout, end.stdout.as_bytes());
        output.chunk(OutputStream::Stderr, end.stderr.as_bytes());
        Ok(Exit {
            code: Some(end.code),
            stdout: end.stdout,
            stderr: end.stderr,
            truncated: false,
            elapsed: Duration::from_millis(10),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_behaves_as_a_worktree_does() {
        let files = BTreeMap::from([("src/a.txt".to_owned(), "one\n".to_owned())]);
        let end: CommandEnd = toml::from_str(
            "run = [\"make\", \"*\"]\nstdout = \"made\"\ntimes = 1\nwrites = { out = \"x\" }",
        )
        .expect("a command");
        let tree = MemoryWorktree::new(&files, &[end]);
        assert_eq!(tree.read("src/./a.txt").await, Ok(b"one\n".to_vec()));
        assert!(matches!(
            tree.read("../x").await,
            Err(OutsideError::Denied(_))
        ));
        assert!(matches!(
            tree.read("src").await,
            Err(OutsideError::Invalid(_))
        ));
        assert_eq!(tree.commit("nothing").await, Ok(None));
        tree.write("src/a.txt", b"two\n".to_vec())
            .await
            .expect("it is a file");
        let diff = tree.diff().await.expect("a diff");
        assert!(
            diff.contains("-one\n+two\n") && diff.contains("--- a/src/a.txt"),
            "{diff}"
        );
        assert!(tree.commit("two").await.expect("it commits").is_some());

        let make = Command::new(["make", "all"]);
        let run = || async {
            let discard = adjutant_connect::ports::Discard;
            tree.run(&make, &discard, CancellationToken::new()).await
        };
        assert_eq!(run().await.expect("it is scripted").stdout, "made");
        assert!(matches!(run().await, Err(OutsideError::NotFound(_))));
        let names: Vec<String> = tree
            .list("")
            .await
            .expect("it lists")
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["out", "src"]);
    }
}
