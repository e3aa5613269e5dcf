//! File operations: what works, and that no path leads out.

use crate::support::{Bench, printed, request};
use adjutant_connect::{EntryKind, FileLimits, GitOptions, OutsideError};

#[tokio::test]
async fn files_are_written_read_listed_and_removed() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    tree.write("a/b/c.bin", vec![0, 255, 7]).await.unwrap();
    assert_eq!(tree.read("a/b/c.bin").await.unwrap(), [0, 255, 7]);
    tree.write("a/b/c.bin", vec![1]).await.unwrap();
    assert_eq!(
        tree.read("./a/./b/c.bin").await.unwrap(),
        [1],
        "replaced, not overlaid"
    );
    printed(
        &*tree,
        "ln -s a/b/c.bin link && mkfifo pipe && chmod +x a/b/c.bin",
    )
    .await;
    tree.write("a/b/c.bin", vec![2, 3]).await.unwrap();
    assert_eq!(
        printed(&*tree, "test -x a/b/c.bin && echo yes").await,
        "yes"
    );
    let got: Vec<_> = tree
        .list("")
        .await
        .unwrap()
        .into_iter()
        .map(|e| (e.name, e.kind, e.size))
        .collect();
    let expected = [
        ("README.md", EntryKind::File, 6),
        ("a", EntryKind::Directory, 0),
        ("link", EntryKind::Symlink, 0),
        ("pipe", EntryKind::Other, 0),
        ("src", EntryKind::Directory, 0),
    ];
    assert_eq!(
        got,
        expected.map(|(name, kind, size)| (name.to_owned(), kind, size))
    );
    assert_eq!(
        tree.read("link").await.unwrap(),
        [2, 3],
        "a link inside is followed"
    );
    tree.write("link", vec![4]).await.unwrap();
    assert_eq!(tree.read("a/b/c.bin").await.unwrap(), [4]);
    tree.remove("link").await.unwrap();
    assert_eq!(
        tree.read("a/b/c.bin").await.unwrap(),
        [4],
        "the link went, not the file"
    );
    assert!(
        matches!(tree.remove("a").await, Err(OutsideError::Invalid(_))),
        "not empty"
    );
    tree.remove("a/b/c.bin").await.unwrap();
    tree.remove("a/b").await.unwrap();
    assert!(matches!(
        tree.remove("a/b").await,
        Err(OutsideError::NotFound(_))
    ));
    assert!(matches!(
        tree.read("a/b").await,
        Err(OutsideError::NotFound(_))
    ));
    assert!(matches!(
        tree.read("README.md/x").await,
        Err(OutsideError::NotFound(_))
    ));
    assert!(matches!(
        tree.list("nope").await,
        Err(OutsideError::NotFound(_))
    ));
    assert!(matches!(
        tree.list("README.md").await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.read("src").await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(tree.read("").await, Err(OutsideError::Invalid(_))));
    assert!(matches!(
        tree.write("src", vec![]).await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.write("", vec![]).await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.write("README.md/x", vec![]).await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.remove("").await,
        Err(OutsideError::Denied(_))
    ));
    // Nobody is at the other end of the pipe: waiting would be for ever.
    assert!(matches!(
        tree.read("pipe").await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.write("pipe", vec![]).await,
        Err(OutsideError::Invalid(_))
    ));
}

#[tokio::test]
async fn no_path_leads_out() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    let secret = bench.dir.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "secret").unwrap();
    printed(
        &*tree,
        &format!(
            "ln -s '{0}' out && ln -s '{0}/file' outfile && ln -s ../../git/app gitdir
             ln -s '{0}/new' dangling && ln -s .git dotgit && ln -s / root && ln -s ../.. up
             git init -q nested && ln -s nested/.git inner && ln -s loop loop && ln -s out chain",
            secret.display()
        ),
    )
    .await;
    let absolute = secret.join("file").display().to_string();
    for path in [
        "../../../secret/file",
        "src/../../../x",
        &absolute,
        "out/file",
        "outfile",
        "chain/file",
        "root/etc/passwd",
        "up/ticket.json",
        "gitdir/config",
        "dotgit",
        "inner/config",
        ".git",
        ".git/hooks/pre-commit",
        ".GIT/config",
        "nested/.git/config",
        "nested/.Git/hooks/x",
        "src//a.txt",
        "src/a.txt\0",
    ] {
        let read = tree.read(path).await;
        assert!(
            matches!(read, Err(OutsideError::Denied(_))),
            "read {path:?}: {read:?}"
        );
        let write = tree.write(path, b"x".to_vec()).await;
        assert!(
            matches!(write, Err(OutsideError::Denied(_))),
            "write {path:?}: {write:?}"
        );
        let list = tree.list(path).await;
        assert!(
            matches!(list, Err(OutsideError::Denied(_))),
            "list {path:?}: {list:?}"
        );
    }
    for path in [
        "out/new",
        "inner/new",
        "inner/hooks/new",
        "gitdir/hooks/x",
        "up/new/x",
    ] {
        let write = tree.write(path, b"x".to_vec()).await;
        assert!(
            matches!(write, Err(OutsideError::Denied(_))),
            "write {path:?}: {write:?}"
        );
    }
    for path in [
        "out/file",
        "../x",
        "inner/config",
        "gitdir/config",
        "nested/.git",
        ".git",
    ] {
        let removed = tree.remove(path).await;
        assert!(
            matches!(removed, Err(OutsideError::Denied(_))),
            "remove {path:?}: {removed:?}"
        );
    }
    assert!(tree.write("dangling", b"x".to_vec()).await.is_err());
    assert!(matches!(
        tree.read("loop").await,
        Err(OutsideError::Invalid(_))
    ));
    assert_eq!(
        std::fs::read_to_string(secret.join("file")).unwrap(),
        "secret"
    );
    assert_eq!(std::fs::read_dir(&secret).unwrap().count(), 1);
    let names: Vec<_> = tree
        .list("nested")
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert!(names.is_empty(), "git's own folder is not shown: {names:?}");
}

#[tokio::test]
async fn sizes_and_listings_are_limited() {
    let limits = FileLimits {
        max_file: 100,
        max_entries: 5,
    };
    let bench = Bench::with(GitOptions {
        files: limits,
        ..GitOptions::default()
    });
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    tree.write("full", vec![b'x'; 100]).await.unwrap();
    assert_eq!(tree.read("full").await.unwrap().len(), 100);
    assert!(matches!(
        tree.write("full", vec![b'x'; 101]).await,
        Err(OutsideError::Limit(_))
    ));
    assert_eq!(
        tree.read("full").await.unwrap().len(),
        100,
        "a refused write changes nothing"
    );
    printed(
        &*tree,
        "head -c 101 /dev/zero > big && mkdir many && cd many && touch 1 2 3 4 5",
    )
    .await;
    assert!(matches!(
        tree.read("big").await,
        Err(OutsideError::Limit(_))
    ));
    assert_eq!(tree.list("many").await.unwrap().len(), 5);
    tree.write("many/6", vec![]).await.unwrap();
    assert!(matches!(
        tree.list("many").await,
        Err(OutsideError::Limit(_))
    ));
}
