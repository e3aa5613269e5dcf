//! `adjutant backup` and `adjutant restore`: a running host in a file, and a file as a new host's data.
//!
//! Invariant: under a backup's final name there is a whole backup whose digests were checked, or
//! nothing.

use crate::args::{BackupArgs, Global, RestoreArgs};
use crate::clean;
use crate::client::Client;
use crate::exit::{Code, Error, Result};
use crate::interrupt::Interrupts;
use crate::print;
use adjutant_store::backup::{self, BackupError, Manifest};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// `adjutant backup`
pub(crate) async fn backup(args: BackupArgs, global: &Global) -> Result<Code> {
    let interrupts = Interrupts::listen()?;
    crate::interrupt::keep_large_files_from_ending_it()?;
    let client = super::client(global)?;
    let to = target(&args.to)?;
    let unfinished = Unfinished::beside(&to)?;
    let progress = bar(global, "receiving");
    interrupts
        .or(receive(&client, &unfinished.path, &progress))
        .await?;
    let manifest = check(unfinished.path.clone(), &progress).await?;
    progress.finish_and_clear();
    let bytes = unfinished.finish(&to)?;
    let told = json!({
        "file": to,
        "bytes": bytes,
        "made_at": time(&manifest),
        "members": manifest.members.len(),
    });
    said(global, &told, || {
        format!(
            "{} has the host as it was at {} ({bytes} bytes, {} plugins); restore it with:\n  \
             adjutant restore {} --data FOLDER",
            to.display(),
            time(&manifest),
            manifest.members.len().saturating_sub(1),
            to.display()
        )
    })
}

/// `adjutant restore`
pub(crate) async fn restore(args: RestoreArgs, global: &Global) -> Result<Code> {
    let progress = bar(global, "restoring");
    let (file, data) = (args.file.clone(), args.data.clone());
    let size = std::fs::metadata(&file).map_or(0, |meta| meta.len());
    // It is read once to be checked, and once more to be unpacked.
    progress.set_length(size * 2);
    let moving = progress.clone();
    let work = move || backup::restore(&file, &data, |bytes| moving.inc(bytes));
    let restored = tokio::task::spawn_blocking(work).await;
    let manifest = restored.map_err(|error| Error::Failed(error.to_string()))?;
    let manifest = manifest.map_err(refused)?;
    progress.finish_and_clear();
    let told = json!({
        "data": args.data,
        "made_at": time(&manifest),
        "members": manifest.members.len(),
    });
    said(global, &told, || {
        let data = args.data.display();
        format!(
            "{data} has the host as it was at {}; start it with:\n  adjutant serve --data {data}",
            time(&manifest)
        )
    })
}

fn said(global: &Global, told: &Value, text: impl Fn() -> String) -> Result<Code> {
    if global.json {
        print::json(told)?;
    } else {
        print::text(&clean::block(&text()))?;
    }
    Ok(Code::Ok)
}

/// The file to make: the one that is named, or a new one in the folder that is.
fn target(to: &Path) -> Result<PathBuf> {
    // A name that ends so is meant to be a folder.
    let folder = to.as_os_str().as_encoded_bytes().ends_with(b"/");
    if folder && !to.exists() {
        std::fs::create_dir_all(to)
            .map_err(|error| Error::Failed(format!("{} cannot be made: {error}", to.display())))?;
    }
    let to = if to.is_dir() {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        to.join(format!("adjutant-{now}.tar"))
    } else {
        to.to_owned()
    };
    if to.exists() {
        return Err(Error::Usage(format!(
            "{} is there already, and no backup replaces another: name another file",
            to.display()
        )));
    }
    Ok(to)
}

/// A file that is removed unless it gets its name.
struct Unfinished {
    path: PathBuf,
    finished: bool,
}

impl Unfinished {
    fn beside(to: &Path) -> Result<Unfinished> {
        let name = to.file_name().map(|name| name.to_string_lossy());
        let name = name.ok_or_else(|| Error::Usage(format!("{} is no file", to.display())))?;
        let path = to.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
        Ok(Unfinished {
            path,
            finished: false,
        })
    }

    /// Gives it its name; gives back its size.
    fn finish(mut self, to: &Path) -> Result<u64> {
        let finish = || {
            let size = self.path.metadata()?.len();
            // Unlike a rename, a link replaces nothing.
            std::fs::hard_link(&self.path, to).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                _ => std::fs::rename(&self.path, to),
            })?;
            let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(size)
        };
        let size = finish().map_err(|error| unwritable(to, &error))?;
        self.finished = !self.path.exists();
        Ok(size)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished backup is left");
        }
    }
}

async fn receive(client: &Client, path: &Path, progress: &ProgressBar) -> Result<()> {
    let mut answer = client.backup().await?;
    if let Some(length) = answer.length() {
        // What comes is read once more to be checked.
        progress.set_length(length * 2);
    }
    // It holds all that the host knows, the tokens of reports too.
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| unwritable(path, &error))?;
    while let Some(part) = answer.part().await? {
        file.write_all(&part)
            .map_err(|error| unwritable(path, &error))?;
        progress.inc(part.len() as u64);
    }
    file.sync_all().map_err(|error| unwritable(path, &error))
}

async fn check(path: PathBuf, progress: &ProgressBar) -> Result<Manifest> {
    let moving = progress.clone();
    let checked =
        tokio::task::spawn_blocking(move || backup::verify(&path, |bytes| moving.inc(bytes)));
    let checked = checked
        .await
        .map_err(|error| Error::Failed(error.to_string()))?;
    checked.map_err(|error| {
        Error::Failed(format!(
            "what the host sent is no whole backup, and none was kept: {error}"
        ))
    })
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Failed(format!(
        "{} cannot be written ({error}), and no backup was kept: make room, or name another place",
        path.display()
    ))
}

fn refused(error: BackupError) -> Error {
    match error {
        BackupError::NotEmpty { .. } | BackupError::NotABackup { .. } => {
            Error::Usage(error.to_string())
        }
        other => Error::Failed(other.to_string()),
    }
}

fn time(manifest: &Manifest) -> String {
    let millis = i64::try_from(manifest.made_at).ok();
    let time = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map_or_else(|| "a time out of range".to_owned(), |time| time.to_string())
}

/// Shows how far it is, on a terminal.
fn bar(global: &Global, doing: &'static str) -> ProgressBar {
    if global.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(doing);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_replaces_nothing_and_leaves_nothing_unfinished() {
        let root = tempfile::tempdir().expect("a folder");
        let named = target(root.path()).expect("a new file");
        let name = named.file_name().expect("a name").to_string_lossy();
        assert!(
            name.starts_with("adjutant-20") && name.ends_with("Z.tar"),
            "{name}"
        );
        std::fs::write(&named, "x").expect("written");
        assert!(matches!(target(&named), Err(Error::Usage(_))));

        let to = root.path().join("b.tar");
        let unfinished = Unfinished::beside(&to).expect("a name");
        std::fs::write(&unfinished.path, "half").expect("written");
        drop(unfinished);
        let unfinished = Unfinished::beside(&to).expect("a name");
        std::fs::write(&unfinished.path, "whole").expect("written");
        assert_eq!(unfinished.finish(&to).expect("finished"), 5);
        let names: Vec<_> = std::fs::read_dir(root.path()).expect("listed").collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let again = Unfinished::beside(&to).expect("a name");
        std::fs::write(&again.path, "other").expect("written");
        assert!(again.finish(&to).is_err(), "it would have replaced another");
        assert_eq!(std::fs::read_to_string(&to).expect("read"), "whole");
    }
}
