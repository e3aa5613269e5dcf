//! Compiled components on disk.
//!
//! Machine code cannot be checked, so it is used only where it comes from this host's own compiler, or
//! from a file of which it is certain that this host wrote it: the directory belongs to this user and no other can enter it, the file too, and its bytes
//! have the SHA-256 that it was written with. Anything else is ignored, and the component compiled
//! again. Files are named by what they were compiled from and for; they are written whole or not at
//! all. The oldest are removed when together they pass a limit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tracing::{debug, warn};

use crate::compile::{Compiler, Job};
use crate::component::LoadError;

/// Begins every file: says what it is, and in which layout.
const MAGIC: &[u8; 8] = b"adjcwsm1";
const HEADER: usize = MAGIC.len() + 32;
/// A temporary file that is older than this was left by a host that died.
const STALE: Duration = Duration::from_secs(3_600);

/// Machine code that this host compiled. Only this module makes one.
pub(crate) struct OwnArtifact {
    /// The file as it was read, or what the compiler gave.
    content: Vec<u8>,
    /// Bytes of the header before the machine code.
    header: usize,
}

impl OwnArtifact {
    /// Compiles in the process that the host's own program is once more; the machine code comes
    /// straight from its pipe.
    pub(crate) fn compile(compiler: &Compiler, bytes: &[u8], job: &Job) -> Result<Self, LoadError> {
        compiler
            .compile(bytes, job)
            .map(|content| Self { content, header: 0 })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.content[self.header..]
    }
}

/// The directory of compiled components.
#[derive(Debug)]
pub(crate) struct ArtifactCache {
    dir: PathBuf,
    /// Stands for wasmtime's version and the engine's configuration.
    engine: String,
    max_bytes: u64,
    /// The user that this host runs as.
    owner: u32,
    counter: AtomicU64,
}

impl ArtifactCache {
    /// Opens the directory, making it where there is none. Fails where it could belong to anyone
    /// else.
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine, max_bytes: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let dir = dir.canonicalize()?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut cache = Self {
            dir,
            engine: format!("{:016x}", hasher.finish()),
            max_bytes,
            owner: 0,
            counter: AtomicU64::new(0),
        };
        // A file of our own tells who we are, without asking the system in a way of its own for
        // each kind of Unix.
        let (path, file) = cache.temporary()?;
        let owner = file.metadata().map(|made| made.uid());
        fs::remove_file(path)?;
        cache.owner = owner?;

        let found = fs::symlink_metadata(&cache.dir)?;
        if found.uid() != cache.owner || found.mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} must belong to the user of this host and be closed to all others (it has \
                     owner {} and mode {:o}): run `chmod 700` on it or name another directory",
                    cache.dir.display(),
                    found.uid(),
                    found.mode() & 0o7777,
                ),
            ));
        }
        cache.tidy();
        Ok(cache)
    }

    /// The machine code for a component, if it was compiled before and the file is beyond doubt.
    pub(crate) fn get(&self, digest: &str) -> Option<OwnArtifact> {
        let path = self.path(digest);
        match self.read(&path) {
            Ok(artifact) => Some(artifact),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(path = %path.display(), %error, "compiling again: the cached file is unfit");
                None
            }
        }
    }

    fn read(&self, path: &Path) -> io::Result<OwnArtifact> {
        let unfit = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.uid() != self.owner || found.mode() & 0o022 != 0 {
            return Err(unfit(
                "it is not a plain file that only this user can write to",
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        if bytes.len() < HEADER || bytes[..MAGIC.len()] != MAGIC[..] {
            return Err(unfit("its beginning is not that of a cached component"));
        }
        if Sha256::digest(&bytes[HEADER..])[..] != bytes[MAGIC.len()..HEADER] {
            return Err(unfit("its content has changed since it was written"));
        }
        // Used last now, so removed last. That it fails only makes it go earlier.
        let _ = file.set_modified(SystemTime::now());
        Ok(OwnArtifact {
            content: bytes,
            header: HEADER,
        })
    }

    /// Keeps machine code. A failure costs time at the next start and nothing else, so it is only
    /// logged.
    pub(crate) fn put(&self, digest: &str, artifact: &[u8]) {
        if artifact.len() as u64 > self.max_bytes {
            debug!(digest, "not cached: larger than the whole cache may be");
            return;
        }
        if let Err(error) = self.write(&self.path(digest), artifact) {
            warn!(dir = %self.dir.display(), %error, "could not keep a compiled component");
        }
        self.tidy();
    }

    /// Removes the machine code of a component that is not needed any more.
    pub(crate) fn remove(&self, digest: &str) {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(path = %path.display(), %error, "machine code that nobody needs is left");
            }
            _ => {}
        }
    }

    fn write(&self, path: &Path, artifact: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&Sha256::digest(artifact)))
            .and_then(|()| file.write_all(artifact))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// A new file that only this user can read, with a name that no other process uses.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let nanos = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let path = self
            .dir
            .join(format!("{}-{nanos}-{count}.tmp", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((path, file))
    }

    fn path(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.dir.join(format!("{}-{hex}.cwasm", self.engine))
    }

    /// Removes what was left behind, and the least used files while there is too much.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let now = SystemTime::now();
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(found) = entry.metadata() else {
                continue;
            };
            let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("cwasm") => kept.push((used, found.len(), path)),
                Some("tmp") if now.duration_since(used).is_ok_and(|age| age > STALE) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in kept {
            if total <= self.max_bytes {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn cache(dir: &Path, max_bytes: u64) -> io::Result<ArtifactCache> {
        ArtifactCache::open(dir, &wasmtime::Engine::default(), max_bytes)
    }

    #[test]
    fn gives_back_what_it_was_given_and_nothing_that_was_touched() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(&root.path().join("a/b"), 1_000).expect("a new directory is ours");
        assert!(cache.get("sha256:00").is_none());
        cache.put("sha256:00", b"machine code");
        assert_eq!(
            cache.get("sha256:00").expect("just put").bytes(),
            b"machine code"
        );

        let path = cache.path("sha256:00");
        let mut bytes = fs::read(&path).expect("it is there");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&path, &bytes).expect("it is ours");
        assert!(cache.get("sha256:00").is_none(), "one bit differs");
        fs::write(&path, b"short").expect("it is ours");
        assert!(cache.get("sha256:00").is_none());

        cache.put("sha256:00", b"machine code");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
        assert!(
            cache.get("sha256:00").is_none(),
            "others could have written it"
        );
    }

    #[test]
    fn refuses_a_directory_that_others_can_enter() {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let error = cache(root.path(), 1_000).expect_err("others can enter");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(&root.path().join("c"), 250).expect("a new directory is ours");
        for (age, name) in [(30, "sha256:01"), (20, "sha256:02")] {
            cache.put(name, &[0; 100 - HEADER]);
            let file = File::options()
                .write(true)
                .open(cache.path(name))
                .expect("just put");
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .expect("it is ours");
        }
        cache.put("sha256:03", &[0; 100 - HEADER]);
        assert!(cache.get("sha256:01").is_none());
        assert!(cache.get("sha256:02").is_some() && cache.get("sha256:03").is_some());
        cache.put("sha256:04", &[0; 300]);
        assert!(
            cache.get("sha256:04").is_none(),
            "larger than the whole cache"
        );
    }
}
