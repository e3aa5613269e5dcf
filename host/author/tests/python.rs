//! Python projects from nothing to a component that does what it should, with the real compiler. Its first
//! use installs it.

use crate::common::{self, all_passed, built, folder, refused, write};
use adjutant_author::{Language, Project, template};
use adjutant_model::World;
use std::fs;
use std::path::Path;

fn new(dir: &Path, world: World, name: &str) -> Project {
    template::new(Language::Python, world, name, &dir.join(name)).expect("a project")
}

#[tokio::test]
async fn the_examples_build_carry_their_manifests_and_pass_their_own_tests() {
    let dir = folder();
    for world in [World::Selector, World::Subordinate, World::Boss] {
        let name = format!("python-{}", world.as_str());
        let project = new(dir.path(), world, &name);
        let built = built(&project);
        let bytes = common::carries_its_manifest(&project, &built);
        assert!(bytes.len() < 24 << 20, "{name}: {} bytes", bytes.len());
        // Its compiler brings every import of the world along: that means no use.
        let checked = common::nothing_is_odd(&bytes);
        assert_eq!(checked.whole_world, world != World::Selector);
        let manifest = project.manifest();
        assert_eq!((&manifest.name, manifest.world), (&name, world));
        let selector = (world == World::Boss).then(common::skills);
        all_passed(&common::tested(&project, &bytes, selector).await);
        common::keep_snapshots(&project);
        // The same sources are the same component, which the host has compiled already.
        assert_eq!(common::built(&project).digest, built.digest);
        // Nothing is left among the sources.
        assert!(!project.root().join("src/__pycache__").exists());
    }
}

#[test]
fn an_authors_mistake_is_told_in_pythons_words_with_file_and_line() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate, "mistaken");
    let work = "\n@subordinate\ndef work(task):\n    return Report(\"\")\n";
    let good = format!("from adjutant import Report, subordinate\n{work}");
    // The source, what is told, and what is not.
    let cases = [
        (
            good.replace("(task)", "(task"),
            "File \"src/main.py\", line 4\n    def work(task:\n",
        ),
        (
            format!("import requests\n{good}"),
            "File \"src/main.py\", line 1, in <module>\n    import requests\nModuleNotFoundError: No \
             module named 'requests'\nA package comes from requirements.txt",
        ),
        (
            format!("{good}\nLIMIT = 1 / 0\n"),
            "File \"src/main.py\", line 7, in <module>\n    LIMIT = 1 / 0\n",
        ),
        (
            good.replace("@subordinate", ""),
            "\nsrc/main.py marks no function as its strategy: put `@subordinate`",
        ),
        (
            format!("{good}{work}"),
            "\nMore than one function is marked as the strategy: `work` at src/main.py:3 (@subordinate)",
        ),
        (
            good.replace("subordinate", "boss"),
            "\nplugin.toml says `world = \"subordinate\"`, and `work` at src/main.py:3 is marked `@boss`",
        ),
        (
            format!("from adjutant import delegation\n{good}"),
            "line 1, in <module>\n    from adjutant import delegation\nImportError: \
             `adjutant.delegation` is not for this plugin's world",
        ),
    ];
    for (source, told) in cases {
        write(&project, "src/main.py", &source);
        let error = refused(&project);
        assert!(error.contains(told), "{told}\n---\n{error}");
        for machinery in ["_component", "componentize_py", "/0/", "importlib"] {
            assert!(!error.contains(machinery), "{machinery}: {error}");
        }
    }
    fs::remove_file(project.root().join("src/main.py")).expect("it is there");
    let error = refused(&project);
    assert!(error.contains("src/main.py or main.py"), "{error}");
}

/// What goes wrong in a run, by the task's title.
const TROUBLE: &str = r#"
import random
import sys
import time
import uuid

from adjutant import Report, Task, memory, reporting, subordinate, tickets, worktree

AT_BUILD = random.getstate()


def deep(number):
    return deep(number + 1) + 1


def fail():
    raise ValueError("no such colour")


@subordinate
def work(task: Task) -> Report:
    match task.ticket.title:
        case "raise":
            print("before")
            try:
                fail()
            except ValueError as error:
                raise RuntimeError("it cannot be painted") from error
        case "sleep":
            time.sleep(1)
        case "thread":
            import threading

            threading.Thread(target=print).start()
        case "deep":
            deep(0)
        case "exit":
            sys.exit(3)
        case "nothing":
            return None
        case "misfit":
            memory.put("key", "text")
        case "negative":
            reporting.call_for_report("x", timeout_ms=-1)
        case "host error":
            tickets.get("no-such-ticket")
        case "late module":
            import colorsys
            from email.utils import formatdate

            return Report(f"{colorsys.rgb_to_hsv(1, 1, 1)} {formatdate(0)}")
        case "codec":
            return Report(str("é".encode("latin-1")) + str("é".encode("cp1252")))
        case "unknown module":
            __import__("nowhere")
        case "chance":
            import datetime
            import secrets

            assert random.getstate() != AT_BUILD
            words = {"a", "b", "c", "d"}
            now = datetime.datetime.now()
            for _ in range(3):
                reporting.progress(
                    f"{random.random()} {uuid.uuid4()} {secrets.token_hex()} {words} {hash('a')}"
                    f" {now} {time.time()} {time.monotonic()} {datetime.datetime.now()}"
                )
            return Report("the same each time")
    return Report("?")
"#;

#[tokio::test]
async fn what_goes_wrong_in_a_run_reaches_the_ticket_as_python_tells_it() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate, "trouble");
    fs::remove_dir_all(project.root().join("tests")).expect("the example's");
    write(&project, "src/main.py", TROUBLE);
    let line = |text: &str| {
        1 + TROUBLE
            .lines()
            .position(|line| line.contains(text))
            .expect(text)
    };
    let cases = [
        (
            "raise",
            format!(
                "  File \"src/main.py\", line {}, in fail\n    raise ValueError(\"no such colour\")\nValueError: no such colour\n\nThe above exception was the direct cause",
                line("raise ValueError")
            ),
        ),
        (
            "sleep",
            format!(
                "line {}, in work\n    time.sleep(1)\n    ~~~~~~~~~~^^^\nRuntimeError: time.sleep: time does not pass inside a run",
                line("time.sleep(1)")
            ),
        ),
        ("thread", "There are no threads in a component".to_owned()),
        ("deep", "RecursionError: ".to_owned()),
        ("exit", "SystemExit: 3".to_owned()),
        (
            "nothing",
            format!(
                "TypeError: `work` at src/main.py:{} returned a NoneType, and has to return a Report",
                line("@subordinate")
            ),
        ),
        (
            "misfit",
            "TypeError: memory.put: value must be bytes, and is a str".to_owned(),
        ),
        (
            "negative",
            "ValueError: reporting.call_for_report: timeout_ms must be from 0 to".to_owned(),
        ),
        ("host error", "no-such-ticket".to_owned()),
        (
            "unknown module",
            "import it at the top of a module".to_owned(),
        ),
    ];
    for (title, told) in &cases {
        let told = serde_json::json!(told);
        write(
            &project,
            &format!("tests/{}.toml", title.replace(' ', "-")),
            &format!(
                "[task]\ntitle = \"{title}\"\n[expect]\noutcome = \"failed\"\nsummary = {told}\n"
            ),
        );
    }
    for (title, told) in [
        ("chance", "the same each time"),
        ("codec", "b'\\\\xe9'b'\\\\xe9'"),
        (
            "late module",
            "(0.0, 0.0, 1) Thu, 01 Jan 1970 00:00:00 -0000",
        ),
    ] {
        write(
            &project,
            &format!("tests/{}.toml", title.replace(' ', "-")),
            &format!("[task]\ntitle = \"{title}\"\n[expect]\nsummary = \"{told}\"\n"),
        );
    }
    let built = built(&project);
    let component = fs::read(&built.path).expect("the component");
    let tested = common::tested_anew(&project, &component).await;
    assert_eq!(tested.len(), cases.len() + 3);
    all_passed(&tested);
    for one in &tested {
        let shown = &one.story;
        assert!(!shown.contains("unreachable"), "{}: {shown}", one.name);
        assert!(!shown.contains("_component.py"), "{}: {shown}", one.name);
    }
}

#[tokio::test]
async fn packages_of_pure_python_come_along_and_others_are_refused() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate, "packaged");
    fs::remove_dir_all(project.root().join("tests")).expect("the example's");
    write(&project, "requirements.txt", "humanize==4.12.3\n");
    write(
        &project,
        "src/main.py",
        "import humanize\nfrom adjutant import Report, subordinate\n\n\n@subordinate\n\
         def work(task):\n    return Report(humanize.naturalsize(3_000_000))\n",
    );
    write(
        &project,
        "tests/size.toml",
        "[task]\ntitle = \"x\"\n[expect]\nsummary = \"3.0 MB\"\n",
    );
    let first = built(&project);
    let component = fs::read(&first.path).expect("the component");
    all_passed(&common::tested_anew(&project, &component).await);

    // A change of a source is another component.
    let main = fs::read_to_string(project.root().join("src/main.py")).expect("it is there");
    write(
        &project,
        "src/main.py",
        &main.replace("3_000_000", "5_000_000"),
    );
    assert_ne!(built(&project).digest, first.digest);

    write(&project, "requirements.txt", "numpy==2.3.4\n");
    let error = refused(&project);
    assert!(
        error.contains("wheels of pure Python only") && error.contains("numpy"),
        "{error}"
    );
}
