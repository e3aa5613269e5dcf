//! The guides, as a newcomer follows them: every console block of `plugins/*/README.md`, and each of
//! `README.md` and `plugins/README.md` that is marked ```` ```console run ````, is typed into a shell in an empty folder, with the real binary, and every piece of source
//! that a guide shows must be what its commands use.
//!
//! A guide whose blocks are all run is a guide that works. Each is timed.

mod markdown;
mod shell;
#[allow(
    dead_code,
    unused_imports,
    reason = "the end-to-end tests use all of it"
)]
#[path = "../e2e/support/mod.rs"]
mod support;

use markdown::{Block, Command, blocks, missing};
use shell::Shell;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Folders whose files are not looked through for pieces of source.
const PRODUCTS: [&str; 4] = ["target", "node_modules", ".git", "work"];

#[test]
fn the_guides_work_as_they_are_written() {
    let only = std::env::var("ADJUTANT_GUIDES").unwrap_or_default();
    let mut failures = Vec::new();
    for (name, path) in guides() {
        if !only.is_empty() && !only.split(',').any(|wanted| wanted == name) {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let begun = Instant::now();
        let done = follow(&text, name == "README" || name == "plugins");
        let took = begun.elapsed().as_secs_f64();
        match done {
            Ok(commands) => println!("{name}: {commands} commands in {took:.1} s"),
            Err(why) => failures.push(format!("{}: {why}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The guides, by the names of their folders; the first of all is `README`.
fn guides() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut guides = vec![
        ("README".to_owned(), root.join("README.md")),
        ("plugins".to_owned(), root.join("plugins/README.md")),
    ];
    for folder in support::names_in(&root.join("plugins")) {
        let path = root.join("plugins").join(&folder).join("README.md");
        if path.is_file() {
            guides.push((folder, path));
        }
    }
    guides
}

/// Does all that a guide says; how many commands that were. Where each section is a subject of its own,
/// pieces of source belong to the commands of their section, and only marked commands are run.
fn follow(guide: &str, by_section: bool) -> Result<usize, String> {
    let blocks = blocks(guide, by_section);
    let consoles = blocks
        .iter()
        .filter(|block| matches!(block, Block::Console(_)))
        .count();
    if consoles == 0 {
        return Ok(0);
    }
    let mut shell = Shell::open();
    let (mut commands, mut begun) = (0, false);
    for block in &blocks {
        match block {
            Block::Console(all) => {
                for command in all {
                    run(&mut shell, command)?;
                    commands += 1;
                }
                begun = true;
            }
            Block::Heading => begun &= !by_section,
            // What comes before the first command is there to be read.
            Block::Source { .. } if !begun => {}
            Block::Source {
                language,
                line,
                text,
            } => {
                if !is_in(&shell.home(), text) {
                    return Err(format!(
                        "line {line}: this {language} is in none of the files that the guide has \
                         made so far:\n{text}"
                    ));
                }
            }
        }
    }
    Ok(commands)
}

fn run(shell: &mut Shell, command: &Command) -> Result<(), String> {
    let Command {
        line,
        typed,
        prints,
    } = command;
    let begun = Instant::now();
    let (status, printed) = shell.run(typed);
    println!(
        "    {:6.1} s  {}",
        begun.elapsed().as_secs_f64(),
        typed.lines().next().unwrap_or_default()
    );
    if status != 0 {
        return Err(format!(
            "line {line}: `{typed}` ended with {status}:\n{printed}"
        ));
    }
    match missing(&printed, prints) {
        None => Ok(()),
        Some(shown) => Err(format!(
            "line {line}: `{typed}` does not print\n{shown}\nbut\n{printed}\n(`…` stands for what differs.)"
        )),
    }
}

/// Whether a piece of source is in a file of a folder or of one below it, line by line.
fn is_in(folder: &Path, piece: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let wanted = lines(piece);
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return !PRODUCTS.iter().any(|name| entry.file_name() == *name)
                    && is_in(&path, piece);
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            lines(&text)
                .windows(wanted.len().max(1))
                .any(|part| part == wanted)
        })
}
