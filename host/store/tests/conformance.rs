//! The conformance suite, on a file and in memory, and what only a file can show.

use std::sync::Arc;

use adjutant_store::testing::{SimDisk, Site, batch, partition};
use adjutant_store::{
    CommitError, Engine, EngineError, Options, RedbEngine, RedbOptions, Shortage, Store,
};
use redb::{Database, TableDefinition};

/// A folder; it is removed with the site.
struct Folder(tempfile::TempDir);

fn small() -> RedbOptions {
    RedbOptions {
        floor_bytes: 0,
        ballast_bytes: 0,
        ..RedbOptions::default()
    }
}

#[async_trait::async_trait]
impl Site for Folder {
    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(RedbEngine::open(self.0.path(), small()).await.unwrap())
    }
}

/// A disk in memory.
struct Memory(SimDisk);

#[async_trait::async_trait]
impl Site for Memory {
    async fn engine(&self) -> Arc<dyn Engine> {
        let disk = Arc::new(self.0.clone());
        Arc::new(RedbEngine::with_backend(disk, small()).await.unwrap())
    }
}

mod on_disk {
    use super::Folder;
    adjutant_store::conformance!(Folder(tempfile::tempdir().unwrap()));
}

mod in_memory {
    use super::{Memory, SimDisk};
    adjutant_store::conformance!(Memory(SimDisk::default()));
}

#[tokio::test]
async fn a_second_opener_is_refused_with_the_folder_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = RedbEngine::open(folder.path(), small()).await.unwrap();
    let error = RedbEngine::open(folder.path(), small()).await.unwrap_err();
    assert_eq!(
        error,
        EngineError::InUse {
            path: folder.path().to_owned()
        }
    );
    let sentence = format!("another adjutant uses {}", folder.path().display());
    assert!(error.to_string().starts_with(&sentence));
    first.close().await.unwrap();
    RedbEngine::open(folder.path(), small()).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
    let folder = tempfile::tempdir().unwrap();
    let engine = RedbEngine::open(folder.path(), small()).await.unwrap();
    engine.close().await.unwrap();
    let database = Database::create(folder.path().join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let schema = 2u32.to_be_bytes();
    write
        .open_table(META)
        .unwrap()
        .insert(&b"schema"[..], schema.as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = RedbEngine::open(folder.path(), small()).await.unwrap_err();
    let path = folder.path().to_owned();
    assert_eq!(
        error,
        EngineError::NewerSchema {
            path,
            found: 2,
            known: 1
        }
    );
    assert!(error.to_string().contains("use a newer adjutant"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.redb"), vec![7; 100_000]).unwrap();
    let error = RedbEngine::open(folder.path(), small()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&folder.path().display().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn below_the_floor_new_work_is_refused_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let p = partition(1);
    let open = |options: RedbOptions| async {
        let engine = RedbEngine::open(folder.path(), options).await.unwrap();
        Store::open(Arc::new(engine), Options::default())
            .await
            .unwrap()
    };
    let store = open(small()).await;
    let epoch = store.acquire(p).await.unwrap();
    store
        .commit(batch(p, epoch, 1).put("a", "1").into())
        .await
        .unwrap();
    store.close().await;
    let store = open(RedbOptions {
        floor_bytes: u64::MAX,
        ..small()
    })
    .await;
    let epoch = store.acquire(p).await.unwrap();
    let refused = store
        .commit(batch(p, epoch, 2).put("a", "2").into())
        .await
        .unwrap_err();
    let CommitError::Full(Shortage::Disk {
        path,
        floor: u64::MAX,
        ..
    }) = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(path, folder.path());
    assert!(refused.to_string().contains("make room there"));
    assert_eq!(store.get(p, b"a").await.unwrap(), Some((1, b"1".to_vec())));
    store.close().await;
}
