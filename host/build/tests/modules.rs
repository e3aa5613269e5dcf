//! Each crate's tests are one executable: a file that its `main.rs` does not name would not be run.

use std::fs;
use std::path::Path;

#[test]
fn every_file_of_tests_is_part_of_its_crates_executable() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = |crate_: fs::DirEntry| crate_.path().join("tests");
    let folders = fs::read_dir(host).expect("the crates are there");
    let mut folders: Vec<_> = folders.map(|one| tests(one.expect("read"))).collect();
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e"));
    let (mut looked_at, mut left_out) = (0, Vec::new());
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let main = fs::read_to_string(folder.join("main.rs")).expect("an executable of tests");
        let manifest = fs::read_to_string(folder.with_file_name("Cargo.toml")).unwrap_or_default();
        for file in fs::read_dir(folder).expect("the tests are there") {
            let path = file.expect("read").path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let is_own =
                name == "main" || manifest.contains(&format!("path = \"tests/{name}.rs\""));
            if path.extension().is_some_and(|end| end == "rs") && !is_own {
                looked_at += 1;
                if !main.contains(&format!("mod {name};")) {
                    left_out.push(path.display().to_string());
                }
            }
        }
    }
    assert!(looked_at > 50, "only {looked_at} files");
    assert!(left_out.is_empty(), "not run: {left_out:?}");
}
