//! Damaged files: a sentence that names the file and what to do, never a crash, and the file is left
//! as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adjutant_store::testing::{batch, partition};
use adjutant_store::{EngineError, Options, RedbEngine, RedbOptions, Store, StoreError};

fn options() -> RedbOptions {
    RedbOptions {
        floor_bytes: 0,
        ballast_bytes: 0,
        ..RedbOptions::default()
    }
}

async fn open(folder: &Path) -> Result<Store, StoreError> {
    let engine = RedbEngine::open(folder, options()).await?;
    Store::open(Arc::new(engine), Options::default()).await
}

/// A closed store with some batches; its file and that file's bytes.
async fn stored(folder: &Path) -> (PathBuf, Vec<u8>) {
    let store = open(folder).await.unwrap();
    let p = partition(1);
    let epoch = store.acquire(p).await.unwrap();
    for n in 0..200 {
        let made = batch(p, epoch, n).put(&format!("key/{n:04}"), &"value ".repeat(100));
        store.commit(made.into()).await.unwrap();
    }
    store.close().await;
    let file = folder.join("store.redb");
    let bytes = std::fs::read(&file).unwrap();
    (file, bytes)
}

#[tokio::test]
async fn a_file_that_is_cut_short_or_overwritten_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole) = stored(folder.path()).await;
    let mut overwritten = whole.clone();
    overwritten[..4_096].fill(7);
    let damages = [
        whole[..1].to_vec(),
        whole[..5_000].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        overwritten,
        b"something else".to_vec(),
    ];
    for damaged in damages {
        std::fs::write(&file, &damaged).unwrap();
        let error = open(folder.path()).await.unwrap_err();
        let StoreError::Engine(EngineError::Damaged(_)) = &error else {
            panic!("{} bytes: {error:?}", damaged.len());
        };
        let said = error.to_string();
        assert!(
            said.contains(&folder.path().display().to_string()),
            "{said}"
        );
        assert!(said.contains("adjutant restore"), "{said}");
        assert_eq!(std::fs::read(&file).unwrap(), damaged, "{said}");
    }
    std::fs::write(&file, &whole).unwrap();
    open(folder.path()).await.unwrap();
}

/// Pages in the middle are overwritten: whatever is read says what it is or that it cannot be, and
/// the process lives.
#[tokio::test]
async fn damaged_pages_are_errors_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole) = stored(folder.path()).await;
    let (mut errors, mut reads) = (0, 0);
    for at in (4_096..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        let end = (at + 2_000).min(damaged.len());
        damaged[at..end].fill(0xA5);
        std::fs::write(&file, &damaged).unwrap();
        let store = match open(folder.path()).await {
            Ok(store) => store,
            Err(error) => {
                let said = error.to_string();
                assert!(
                    said.contains(&folder.path().display().to_string()),
                    "{said}"
                );
                errors += 1;
                continue;
            }
        };
        match store.scan(partition(1), b"key/", None, 999).await {
            Ok(_) => reads += 1,
            Err(error) => {
                assert!(error.to_string().split(' ').count() > 3, "{error}");
                errors += 1;
            }
        }
        store.close().await;
    }
    println!("{errors} errors, {reads} reads");
    assert!(errors > 0 && reads > 0);
}

/// What an older program has written is read.
#[tokio::test]
async fn an_older_schema_is_read() {
    const META: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("meta");
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = stored(folder.path()).await;
    let database = redb::Database::create(&file).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(META)
        .unwrap()
        .insert(&b"schema"[..], 0_u32.to_be_bytes().as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let store = open(folder.path()).await.unwrap();
    let found = store.get(partition(1), b"key/0007").await.unwrap();
    assert!(found.is_some());
}
