//! Backups: one tar file with the store at one moment and the components that it names.
//!
//! The first member is `manifest.json`, which names all others with their sizes and digests. Invariants:
//! nothing of a backup is believed before all of it was read and its digests were right; a member's
//! name can lead nowhere but to where such a member belongs; what is restored is there wholly, or
//! nothing of it is.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk;
use crate::error::EngineError;

/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// Where the store is, in a backup and in a host's data folder.
const STORE: &str = "store/store.redb";
const COMPONENTS: &str = "plugins/";
/// Where a restore gathers things before it is whole, in the data folder.
const UNFINISHED: &str = ".restoring";
/// The most bytes of a manifest.
const MOST_MANIFEST: u64 = 16 << 20;
/// Tar's unit: a member's header, and what its content is filled up to.
const BLOCK: u64 = 512;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The backup's format.
    pub format: u32,
    /// The program that made it, with its version.
    pub made_by: String,
    /// The moment that it shows, in Unix milliseconds.
    pub made_at: u64,
    /// What is in it, in order.
    pub members: Vec<Member>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its path below a data folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The digest of its content, in hexadecimal.
    pub sha256: String,
}

/// A backup that is ready to be written.
#[derive(Debug)]
pub struct Archive {
    manifest: Manifest,
    head: Vec<u8>,
    files: Vec<PathBuf>,
}

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("{doing} {} failed: {why}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The file is something else.
    #[error("{} is no backup of adjutant: {why}", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The backup was made by a newer program.
    #[error("{} has backup format {found}, and this adjutant reads formats up to {known}: use a newer adjutant", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// The backup is not as it was made.
    #[error("the backup {} is damaged: {why}; nothing of it was used, take another one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Something is in the folder already.
    #[error("{} is not empty, and a backup is restored into an empty or new folder only: name another one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The store in the backup cannot be used.
    #[error(transparent)]
    Store(#[from] EngineError),
}

type Result<T> = std::result::Result<T, BackupError>;

impl Archive {
    /// Reads what a backup is to hold: the store's snapshot, and all components of a folder. A
    /// component that is not what its name says is left out, for it cannot be used either.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn gather(
        snapshot: &Path,
        components: &Path,
        made_by: String,
        made_at: u64,
    ) -> Result<Archive> {
        let mut members = vec![describe(STORE.to_owned(), snapshot)?];
        let mut files = vec![snapshot.to_owned()];
        for path in components_in(components)? {
            let Some(digest) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            let name = format!("{COMPONENTS}{digest}.wasm");
            if place(&name).is_none() {
                continue;
            }
            let member = describe(name, &path)?;
            if member.sha256 == digest {
                members.push(member);
                files.push(path);
            } else {
                tracing::warn!(path = %path.display(), "a damaged component is not in the backup");
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            made_by,
            made_at,
            members,
        };
        let head = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Io {
            doing: "describing",
            path: snapshot.to_owned(),
            why: error.into(),
        })?;
        Ok(Archive {
            manifest,
            head,
            files,
        })
    }

    /// What is in it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn size(&self) -> u64 {
        let member = |size: u64| BLOCK + size.next_multiple_of(BLOCK);
        let members = self.manifest.members.iter();
        let members: u64 = members.map(|one| member(one.size)).sum();
        member(self.head.len() as u64) + members + 2 * BLOCK
    }

    /// Writes it. Blocks the calling thread.
    ///
    /// # Errors
    /// When a file cannot be read or has changed, or when the writer fails.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        tar.append_data(
            &mut header(self.head.len() as u64),
            MANIFEST,
            &self.head[..],
        )?;
        for (member, path) in self.manifest.members.iter().zip(&self.files) {
            let file = File::open(path)?;
            if file.metadata()?.len() != member.size {
                let what = format!("{} has changed meanwhile", path.display());
                return Err(io::Error::other(what));
            }
            let content = BufReader::new(file).take(member.size);
            tar.append_data(&mut header(member.size), &member.name, content)?;
        }
        tar.into_inner()?.flush()
    }
}

/// Reads a whole backup and checks all of it. `progress` is told how many bytes were read.
///
/// # Errors
/// When the file cannot be read, is no backup, or is damaged.
pub fn verify(file: &Path, progress: impl FnMut(u64)) -> Result<Manifest> {
    walk(file, progress, |_, content| {
        io::copy(content, &mut io::sink()).map(|_| ())
    })
}

/// Puts a backup into a folder that is empty or not there. It is verified first. A host started on
/// the folder goes on where the other was at the moment of the backup.
///
/// # Errors
/// When the folder is not empty, when the backup cannot be read or is damaged, when its store was
/// written by a newer program, or when the folder cannot be written. Then nothing is left in it.
pub fn restore(file: &Path, data: &Path, mut progress: impl FnMut(u64)) -> Result<Manifest> {
    let there = data.exists();
    let used = there
        && std::fs::read_dir(data)
            .map_err(io("reading", data))?
            .next()
            .is_some();
    if used {
        return Err(BackupError::NotEmpty {
            path: data.to_owned(),
        });
    }
    verify(file, &mut progress)?;
    let restored = unpack(file, data, progress);
    if restored.is_err() {
        let left = if there {
            data.join(UNFINISHED)
        } else {
            data.to_owned()
        };
        if let Err(error) = std::fs::remove_dir_all(&left) {
            tracing::warn!(path = %left.display(), %error, "what was restored so far is left");
        }
    }
    restored
}

fn unpack(file: &Path, data: &Path, progress: impl FnMut(u64)) -> Result<Manifest> {
    let unfinished = data.join(UNFINISHED);
    for folder in ["store", "plugins"] {
        let folder = unfinished.join(folder);
        std::fs::create_dir_all(&folder).map_err(io("making", &folder))?;
    }
    let mut failed = None;
    let manifest = walk(file, progress, |name, content| {
        let path = unfinished.join(name);
        let written = write(&path, content);
        written.inspect_err(|error| {
            let why = io::Error::new(error.kind(), error.to_string());
            failed = Some(io("writing", &path)(why));
        })
    });
    if let Some(failed) = failed {
        return Err(failed);
    }
    let manifest = manifest?;
    disk::try_open(&unfinished.join("store"))?;
    // The store last: without it there is nothing that a host would take for its data.
    for folder in ["plugins", "store"] {
        let (from, to) = (unfinished.join(folder), data.join(folder));
        sync(&from)?;
        std::fs::rename(&from, &to).map_err(io("making", &to))?;
    }
    std::fs::remove_dir(&unfinished).map_err(io("removing", &unfinished))?;
    sync(data)?;
    Ok(manifest)
}

/// Reads a backup from its first byte to its last, and gives each member to `take`.
fn walk(
    path: &Path,
    mut progress: impl FnMut(u64),
    mut take: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<Manifest> {
    let damaged = |why: String| BackupError::Damaged {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(io("reading", path))?;
    let mut tar = tar::Archive::new(BufReader::new(file));
    let mut entries = tar.entries().map_err(io("reading", path))?;
    let manifest = manifest(path, entries.next())?;
    for member in &manifest.members {
        let Some(name) = place(&member.name) else {
            return Err(damaged(format!("{:?} belongs to no backup", member.name)));
        };
        let broken = |why: &dyn std::fmt::Display| damaged(format!("in {name}: {why}"));
        let entry = entries.next().ok_or_else(|| broken(&"it is missing"))?;
        let entry = entry.map_err(|error| broken(&error))?;
        if entry.path_bytes() != name.as_bytes() || entry.size() != member.size {
            return Err(broken(&"something else stands in its place"));
        }
        let mut hashing = Hashing {
            inner: entry,
            hash: Sha256::new(),
            read: 0,
            progress: &mut progress,
        };
        take(name, &mut hashing).map_err(|error| broken(&error))?;
        if hashing.read != member.size {
            return Err(broken(&"it is cut short"));
        }
        if hex(&hashing.hash.finalize()) != member.sha256 {
            return Err(broken(&"its digest is not what the manifest says"));
        }
    }
    match entries.next() {
        None => Ok(manifest),
        Some(_) => Err(damaged(
            "there is more in it than the manifest says".to_owned(),
        )),
    }
}

fn manifest(path: &Path, first: Option<io::Result<tar::Entry<'_, impl Read>>>) -> Result<Manifest> {
    let other = |why: String| BackupError::NotABackup {
        path: path.to_owned(),
        why,
    };
    let first = first.ok_or_else(|| other("it is empty".to_owned()))?;
    let first = first.map_err(|error| other(error.to_string()))?;
    if first.path_bytes() != MANIFEST.as_bytes() {
        return Err(other(format!("it does not begin with {MANIFEST}")));
    }
    let mut text = Vec::new();
    let read = first.take(MOST_MANIFEST).read_to_end(&mut text);
    read.map_err(|error| other(error.to_string()))?;
    /// Of a newer format only this is known.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let wrong = |error: serde_json::Error| other(format!("its {MANIFEST} is wrong: {error}"));
    let Format { format } = serde_json::from_slice(&text).map_err(wrong)?;
    if format > FORMAT {
        return Err(BackupError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(wrong)?;
    if manifest
        .members
        .first()
        .is_none_or(|first| first.name != STORE)
    {
        return Err(other("there is no store in it".to_owned()));
    }
    Ok(manifest)
}

/// The name, if it is one that a member may have.
fn place(name: &str) -> Option<&str> {
    let digest = name.strip_prefix(COMPONENTS);
    let digest = digest.and_then(|name| name.strip_suffix(".wasm"));
    let is_component = digest.is_some_and(|digest| {
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    (is_component || name == STORE).then_some(name)
}

fn components_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("reading", folder)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(io("reading", folder))?.path();
        if path.extension().is_some_and(|ending| ending == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn describe(name: String, path: &Path) -> Result<Member> {
    let file = File::open(path).map_err(io("reading", path))?;
    let mut hashing = Hashing {
        inner: file,
        hash: Sha256::new(),
        read: 0,
        progress: &mut |_| {},
    };
    io::copy(&mut hashing, &mut io::sink()).map_err(io("reading", path))?;
    Ok(Member {
        name,
        size: hashing.read,
        sha256: hex(&hashing.hash.finalize()),
    })
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header
}

fn write(path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::copy(content, &mut file)?;
    file.sync_all()
}

fn sync(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io("writing", folder))
}

fn io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |why| BackupError::Io {
        doing,
        path: path.clone(),
        why,
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reader that digests what passes.
struct Hashing<'a, R> {
    inner: R,
    hash: Sha256,
    read: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.read += read as u64;
        (self.progress)(read as u64);
        Ok(read)
    }
}
