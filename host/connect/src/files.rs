//! File operations that cannot leave a folder.
//!
//! Invariants:
//! - Every path is opened below a directory handle, so that neither `..` nor a symbolic link leads
//!   out, also when a link is exchanged while we look.
//! - No path names or resolves into a `.git`, in whatever case: what git reads there can make it
//!   run programs.
//! - Only regular files are read and written: a pipe or a device would block or worse.
//!
//! All of it blocks; callers use `spawn_blocking`.

use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::ports::{Entry, EntryKind, OutsideError};

/// How much the file operations take at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// The largest file that is read or written, in bytes.
    pub max_file: u64,
    /// The most entries that a listing holds.
    pub max_entries: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            max_file: 4 * 1024 * 1024,
            max_entries: 10_000,
        }
    }
}

const MAX_PATH: usize = 4096;

/// A guest's path, checked as text: relative, without `..`, empty segments, NUL or `.git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CleanPath(Vec<String>);

impl CleanPath {
    /// Errors: `Denied` where it could lead out or into `.git`; `Invalid` where it is too long.
    pub(crate) fn parse(path: &str) -> Result<Self, OutsideError> {
        if path.len() > MAX_PATH {
            return Err(OutsideError::Invalid(format!(
                "The path is longer than {MAX_PATH} bytes."
            )));
        }
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let denied = |why: &str| Err(OutsideError::Denied(format!("The path {path:?} {why}.")));
        let mut segments = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" if path.starts_with('/') => return denied("is absolute; it must be relative"),
                "" => return denied("has an empty segment"),
                ".." => return denied("leads upwards with `..`"),
                "." => {}
                _ if segment.contains('\0') => return denied("contains a NUL byte"),
                _ if is_git(segment) => return denied("leads into `.git`"),
                _ => segments.push(segment.to_owned()),
            }
        }
        Ok(Self(segments))
    }

    /// Take off the first segment; none where the path is the topmost folder.
    pub(crate) fn split_first(mut self) -> Option<(String, Self)> {
        (!self.0.is_empty()).then(|| (self.0.remove(0), self))
    }

    fn to_path(&self) -> PathBuf {
        self.0.iter().collect()
    }
}

/// Whether a file system may take `name` for git's own folder.
pub(crate) fn is_git(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']);
    name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1")
}

/// A folder that no operation leaves.
pub(crate) struct Confined {
    dir: Dir,
    limits: FileLimits,
}

impl Confined {
    pub(crate) fn new(dir: Dir, limits: FileLimits) -> Self {
        Self { dir, limits }
    }

    pub(crate) fn read(&self, path: &CleanPath) -> Result<Vec<u8>, OutsideError> {
        let shown = path.to_path();
        let real = self.existing(&shown)?;
        let mut options = OpenOptions::new();
        options.read(true);
        let (file, about) = self.open_file(&real, &mut options, &shown)?;
        self.check_size(about.len(), &shown)?;
        let mut content = Vec::new();
        // It may grow while we read.
        file.take(self.limits.max_file + 1)
            .read_to_end(&mut content)
            .map_err(|error| failed(&error, &shown))?;
        self.check_size(content.len() as u64, &shown)?;
        Ok(content)
    }

    pub(crate) fn write(&self, path: &CleanPath, content: &[u8]) -> Result<(), OutsideError> {
        let shown = path.to_path();
        self.check_size(content.len() as u64, &shown)?;
        let real = match self.dir.symlink_metadata(top(&shown)) {
            Ok(about) if about.is_dir() => return Err(is_folder(&shown)),
            // A link is followed if it stays inside; one that leads nowhere is not made real.
            Ok(_) => self.existing(&shown)?,
            Err(error) if is_missing(&error) => self.made_ready(&shown)?,
            Err(error) => return Err(failed(&error, &shown)),
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        let (mut file, _) = self.open_file(&real, &mut options, &shown)?;
        file.set_len(0)
            .and_then(|()| file.write_all(content))
            .map_err(|error| failed(&error, &shown))
    }

    pub(crate) fn remove(&self, path: &CleanPath) -> Result<(), OutsideError> {
        let shown = path.to_path();
        let Some(name) = shown.file_name() else {
            return Err(OutsideError::Denied(
                "The topmost folder cannot be removed.".into(),
            ));
        };
        // The folder above is resolved, the last segment is not: a link itself is removed.
        let parent = self.existing(shown.parent().unwrap_or(Path::new("")))?;
        let real = parent.join(name);
        let about = self
            .dir
            .symlink_metadata(&real)
            .map_err(|error| failed(&error, &shown))?;
        let removed = if about.is_dir() {
            self.dir.remove_dir(&real)
        } else {
            self.dir.remove_file(&real)
        };
        removed.map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => {
                OutsideError::Invalid(format!("The folder `{}` is not empty.", shown.display()))
            }
            _ => failed(&error, &shown),
        })
    }

    pub(crate) fn list(&self, path: &CleanPath) -> Result<Vec<Entry>, OutsideError> {
        let shown = path.to_path();
        let real = self.existing(&shown)?;
        let about = self
            .dir
            .metadata(&real)
            .map_err(|error| failed(&error, &shown))?;
        if !about.is_dir() {
            return Err(OutsideError::Invalid(format!(
                "`{}` is no folder.",
                shown.display()
            )));
        }
        let mut entries = Vec::new();
        for found in self
            .dir
            .read_dir(&real)
            .map_err(|error| failed(&error, &shown))?
        {
            let found = found.map_err(|error| failed(&error, &shown))?;
            let name = found.file_name().to_string_lossy().into_owned();
            if is_git(&name) {
                continue;
            }
            if entries.len() == self.limits.max_entries {
                return Err(OutsideError::Limit(format!(
                    "`{}` has more than {} entries.",
                    shown.display(),
                    self.limits.max_entries
                )));
            }
            // One that vanished meanwhile is not there any more.
            let Ok(about) = found.metadata() else {
                continue;
            };
            let kind = kind(&about);
            let size = if kind == EntryKind::File {
                about.len()
            } else {
                0
            };
            entries.push(Entry { name, kind, size });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The path with all links resolved; it exists, inside, and not in a `.git`.
    fn existing(&self, path: &Path) -> Result<PathBuf, OutsideError> {
        if path.as_os_str().is_empty() {
            return Ok(PathBuf::from("."));
        }
        let real = self
            .dir
            .canonicalize(path)
            .map_err(|error| failed(&error, path))?;
        let into_git = real.components().any(|part| match part {
            Component::Normal(name) => is_git(&name.to_string_lossy()),
            _ => false,
        });
        if into_git {
            let shown = path.display();
            return Err(OutsideError::Denied(format!(
                "The path `{shown}` leads into `.git`."
            )));
        }
        Ok(if real.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            real
        })
    }

    /// Where a new file goes: makes the folders above it.
    fn made_ready(&self, path: &Path) -> Result<PathBuf, OutsideError> {
        let Some(name) = path.file_name() else {
            return Err(is_folder(path));
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        for above in parent.ancestors() {
            let real = match self.existing(above) {
                Ok(real) => real,
                Err(OutsideError::NotFound(_)) => continue,
                Err(other) => return Err(other),
            };
            let rest = parent.strip_prefix(above).unwrap_or(Path::new(""));
            let folder = real.join(rest);
            self.dir
                .create_dir_all(&folder)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                        OutsideError::Invalid(format!(
                            "`{}` cannot be written: something above it is no folder.",
                            path.display()
                        ))
                    }
                    _ => failed(&error, path),
                })?;
            return Ok(folder.join(name));
        }
        Err(OutsideError::Unavailable(
            "The worktree's folder is gone.".into(),
        ))
    }

    /// Opens without ever waiting for the other end of a pipe, and refuses what is no file.
    fn open_file(
        &self,
        real: &Path,
        options: &mut OpenOptions,
        shown: &Path,
    ) -> Result<(File, Metadata), OutsideError> {
        #[expect(clippy::cast_possible_wrap, reason = "open flags fit an i32")]
        options.custom_flags(OFlags::NONBLOCK.bits() as i32);
        let no_file =
            || OutsideError::Invalid(format!("`{}` is not a regular file.", shown.display()));
        // Opening some devices has effects, so ask before, and again for what was opened.
        match self.dir.metadata(real) {
            Ok(about) if about.is_dir() => return Err(is_folder(shown)),
            Ok(about) if !about.is_file() => return Err(no_file()),
            _ => {}
        }
        let file = self
            .dir
            .open_with(real, options)
            .map_err(|error| failed(&error, shown))?;
        let about = file.metadata().map_err(|error| failed(&error, shown))?;
        if about.is_file() {
            Ok((file, about))
        } else {
            Err(no_file())
        }
    }

    fn check_size(&self, size: u64, shown: &Path) -> Result<(), OutsideError> {
        if size <= self.limits.max_file {
            return Ok(());
        }
        let (shown, most) = (shown.display(), self.limits.max_file);
        Err(OutsideError::Limit(format!(
            "`{shown}` is larger than the limit of {most} bytes."
        )))
    }
}

fn top(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

fn kind(about: &Metadata) -> EntryKind {
    if about.is_file() {
        EntryKind::File
    } else if about.is_dir() {
        EntryKind::Directory
    } else if about.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Other
    }
}

fn is_folder(shown: &Path) -> OutsideError {
    OutsideError::Invalid(format!("`{}` is a folder.", top(shown).display()))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn failed(error: &io::Error, shown: &Path) -> OutsideError {
    let shown = top(shown).display();
    match error.kind() {
        // Leading out is found by the library, not by the system, so it has no system code.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            OutsideError::Denied(format!("The path `{shown}` leads out of the worktree."))
        }
        io::ErrorKind::PermissionDenied => OutsideError::Denied(format!(
            "The file permissions of `{shown}` do not allow this."
        )),
        _ if is_missing(error) => OutsideError::NotFound(format!("There is no `{shown}`.")),
        io::ErrorKind::InvalidFilename => {
            OutsideError::Invalid(format!("`{shown}` has a segment that is too long."))
        }
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            OutsideError::Invalid(format!("The links of `{shown}` go in a circle."))
        }
        _ => OutsideError::Unavailable(format!("`{shown}` could not be used: {error}.")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_as_text_before_anything_is_opened() {
        let denied = [
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "a\0b",
            ".git",
            ".git/config",
            ".GIT/config",
            "sub/.Git/hooks/x",
            ".git./x",
            ".git /x",
            "GIT~1/x",
            "./../x",
            "//",
        ];
        for path in denied {
            let got = CleanPath::parse(path);
            assert!(
                matches!(got, Err(OutsideError::Denied(_))),
                "{path:?} gave {got:?}"
            );
        }
        for (path, segments) in [
            ("", vec![]),
            (".", vec![]),
            ("./a", vec!["a"]),
            ("a/./b", vec!["a", "b"]),
            (".gitignore", vec![".gitignore"]),
            (".github/x", vec![".github", "x"]),
            ("...", vec!["..."]),
            ("a\\b", vec!["a\\b"]),
        ] {
            assert_eq!(CleanPath::parse(path).unwrap().0, segments, "{path:?}");
        }
        let long = "x".repeat(MAX_PATH + 1);
        assert!(matches!(
            CleanPath::parse(&long),
            Err(OutsideError::Invalid(_))
        ));
    }
}
