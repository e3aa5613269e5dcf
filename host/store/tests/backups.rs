//! Backups: a moment of a store that goes on, restored wholly or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adjutant_store::backup::{self, Archive, BackupError, Manifest};
use adjutant_store::testing::{batch, partition};
use adjutant_store::{Options, RedbEngine, RedbOptions, Store};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

async fn open(folder: &Path) -> Store {
    let options = RedbOptions {
        floor_bytes: 0,
        ballast_bytes: 0,
        ..RedbOptions::default()
    };
    let engine = RedbEngine::open(folder, options).await.unwrap();
    Store::open(Arc::new(engine), Options::default())
        .await
        .unwrap()
}

async fn write(store: &Store, epoch: u64, n: u64) {
    let made = batch(partition(1), epoch, n)
        .put(&format!("key/{n}"), "value")
        .append("stream", n, "record")
        .event("event");
    store.commit(made.into()).await.unwrap();
}

/// A backup of a store with a few batches and one component.
struct Made {
    root: TempDir,
    file: PathBuf,
    component: String,
}

async fn made() -> Made {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root.path().join("data/store")).await;
    let epoch = store.acquire(partition(1)).await.unwrap();
    for n in 0..20 {
        write(&store, epoch, n).await;
    }
    let plugins = root.path().join("data/plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let digest: String = Sha256::digest(b"component")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    std::fs::write(plugins.join(format!("{digest}.wasm")), "component").unwrap();
    let damaged = format!("{}.wasm", "0".repeat(64));
    std::fs::write(plugins.join(damaged), "not what its name says").unwrap();
    std::fs::write(plugins.join("other.tmp"), "unfinished").unwrap();

    let snapshot = root.path().join("snapshot");
    let size = store.snapshot(snapshot.clone()).await.unwrap();
    assert_eq!(size, snapshot.metadata().unwrap().len());
    // What comes after is not in it.
    write(&store, epoch, 20).await;
    let archive = Archive::gather(&snapshot, &plugins, "a test".to_owned(), 77).unwrap();
    let file = root.path().join("backup.tar");
    let mut out = std::fs::File::create(&file).unwrap();
    archive.write(&mut out).unwrap();
    assert_eq!(archive.size(), file.metadata().unwrap().len());
    store.close().await;
    Made {
        root,
        file,
        component: digest,
    }
}

#[tokio::test]
async fn a_restored_backup_is_the_moment_that_it_was_taken() {
    let made = made().await;
    let (mut read, data) = (0, made.root.path().join("new/data"));
    let manifest = backup::restore(&made.file, &data, |bytes| read += bytes).unwrap();
    let Manifest {
        made_at, members, ..
    } = manifest;
    assert_eq!((made_at, members.len()), (77, 2));
    let sizes: u64 = members.iter().map(|member| member.size).sum();
    assert_eq!(read, 2 * sizes);
    let component = data.join(format!("plugins/{}.wasm", made.component));
    assert_eq!(std::fs::read_to_string(component).unwrap(), "component");
    let mut names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["plugins", "store"]);

    let store = open(&data.join("store")).await;
    let p = partition(1);
    assert_eq!(store.scan(p, b"key/", None, 99).await.unwrap().len(), 20);
    assert_eq!(store.stream_len(p, b"stream").await.unwrap(), 20);
    let events = store.events(p, 0, 99).await.unwrap();
    assert!(events.iter().map(|(seq, _)| *seq).eq(1..=20));
    // It goes on from there, and a repeated operation is still known.
    let epoch = store.acquire(p).await.unwrap();
    write(&store, epoch, 19).await;
    write(&store, epoch, 20).await;
    assert_eq!(store.stream_len(p, b"stream").await.unwrap(), 21);
}

#[tokio::test]
async fn nothing_is_restored_over_something_else() {
    let made = made().await;
    let data = made.root.path().join("data");
    let refused = backup::restore(&made.file, &data, |_| {}).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    let empty = made.root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    backup::restore(&made.file, &empty, |_| {}).unwrap();
}

#[tokio::test]
async fn a_damaged_backup_is_refused_wherever_it_is_damaged() {
    let made = made().await;
    let whole = std::fs::read(&made.file).unwrap();
    let bad = made.root.path().join("bad.tar");
    let data = made.root.path().join("restored");
    let refused = |bytes: &[u8]| {
        std::fs::write(&bad, bytes).unwrap();
        let error = backup::restore(&bad, &data, |_| {}).unwrap_err();
        assert!(!data.exists(), "something was restored: {error}");
        assert!(error.to_string().contains("bad.tar"), "{error}");
        error
    };
    // Cut off anywhere but in the empty blocks at its end.
    for length in [
        0,
        100,
        511,
        600,
        5_000,
        whole.len() / 2,
        whole.len() - 2_000,
    ] {
        refused(&whole[..length]);
    }
    // One bit, in the manifest, a header, the store, the component.
    for at in [700, 2_100, whole.len() / 2, whole.len() - 1_024 - 512] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    let other = refused(b"something else, which is no tar file at all");
    assert!(matches!(other, BackupError::NotABackup { .. }), "{other}");
}

#[tokio::test]
async fn a_newer_format_and_foreign_names_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("backup.tar");
    let write = |manifest: &str| {
        let mut tar = tar::Builder::new(std::fs::File::create(&file).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        tar.append_data(&mut header, "manifest.json", manifest.as_bytes())
            .unwrap();
        tar.finish().unwrap();
        backup::restore(&file, &root.path().join("data"), |_| {}).unwrap_err()
    };
    let newer = write(r#"{"format": 2, "all": "is different"}"#);
    assert!(
        matches!(
            newer,
            BackupError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{newer}"
    );
    let store = r#"{"name": "store/store.redb", "size": 0, "sha256": ""}"#;
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "plugins/../x.wasm",
        "worktrees/x",
    ] {
        let head = r#"{"format": 1, "made_by": "x", "made_at": 0, "members": ["#;
        let refused = write(&format!(
            r#"{head}{store}, {{"name": "{name}", "size": 0, "sha256": ""}}]}}"#
        ));
        assert!(matches!(refused, BackupError::Damaged { .. }), "{refused}");
    }
    let none = write(r#"{"format": 1, "made_by": "x", "made_at": 0, "members": []}"#);
    assert!(matches!(none, BackupError::NotABackup { .. }), "{none}");
}
