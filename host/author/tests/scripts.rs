//! A test that checks nothing is told so: with what it cannot say, with what it says in vain. And what comes
//! from outside is treated as the host treats it.

use crate::common::{self, folder};
use adjutant_author::Project;
use adjutant_author::section::embed;
use adjutant_author::testing::Tested;

/// What comes of the only test of a project.
async fn tried(project: &Project, component: &[u8], test: &str) -> Tested {
    common::only_test(project, "only", test);
    let component = embed(component, &project.manifest().to_json()).expect("a component");
    common::tested_anew(project, &component).await.remove(0)
}

const READS: &str =
    "[task]\ntitle = \"Read\"\n[config]\nstop_on_error = false\nsteps = [{ memory_get = \"a\" }]\n";

#[tokio::test]
async fn an_error_of_a_call_that_there_is_not_fails_the_test_with_the_calls_that_there_are() {
    let dir = folder();
    let project = common::foreign(dir.path(), "reader", "subordinate", "");
    let component = common::scripted();
    let misspelt = format!("{READS}[[errors]]\ncall = \"memory.gett\"\nerror = \"unavailable\"\n");
    let tested = tried(&project, &component, &misspelt).await;
    assert!(!tested.passed && tested.story.is_empty(), "{tested:#?}");
    let told = &tested.failures[0];
    assert!(
        told.starts_with("[[errors]] 1 is about the call `memory.gett`"),
        "{told}"
    );
    assert!(told.contains("memory.get, memory.put"), "{told}");

    let unknown = format!("{READS}[[errors]]\ncall = \"memory.get\"\nnht = 2\nerror = \"limit\"\n");
    let tested = tried(&project, &component, &unknown).await;
    let told = &tested.failures[0];
    assert!(
        told.contains("unknown field `nht`") && told.contains("line 8"),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_test_says_in_vain_fails_it() {
    let dir = folder();
    let project = common::foreign(dir.path(), "reader", "subordinate", "");
    let component = common::scripted();
    let error = "[[errors]]\ncall = \"memory.get\"\nerror = \"unavailable\"\n";
    let tested = tried(&project, &component, &format!("{READS}{error}")).await;
    common::all_passed(&[tested]);

    let vain = format!(
        "{READS}{error}nth = 2\n[[answers]]\nmember = \"maria\"\ntext = \"yes\"\n\
         [[commands]]\nrun = [\"make\", \"*\"]\n"
    );
    let tested = tried(&project, &component, &vain).await;
    assert_eq!(
        tested.failures,
        [
            "Never used in this test, so they check nothing: [[answers]] 1 (member \"maria\"); [[commands]] 1 \
          (run \"make *\"); [[errors]] 1 (call \"memory.get\", nth \"2\"). Mend what is wrong in it, or leave \
          it out."
        ]
    );
}

#[tokio::test]
async fn a_selectors_configuration_is_filled_in_and_held_against_its_schema_as_on_a_host() {
    let dir = folder();
    let schema = "[config]\nadditionalProperties = false\n[config.properties.least]\ntype = \"integer\"\ndefault = 3\n";
    let project = common::foreign(dir.path(), "chooser", "selector", schema);
    let component = common::skills();
    let test = "[task]\ntitle = \"Write\"\n[[team]]\nname = \"ada\"\n";
    let tested = tried(&project, &component, test).await;
    assert!(tested.story.contains("least"), "{}", tested.story);
    common::all_passed(&[tested]);
    let tested = tried(
        &project,
        &component,
        &format!("{test}[config]\nleats = 3\n"),
    )
    .await;
    assert!(
        tested.failures[0].contains("leats"),
        "{:?}",
        tested.failures
    );
}

const OUTSIDE: &str = r#"
[task]
title = "Count the files"
schema = { type = "object", required = ["files"], properties = { files = { type = "integer", minimum = 1 } } }

[[external]]
summary = "Many."
times = 1

[[external]]
output = { files = 0 }
times = 1

[[external]]
summary = "Seven."
output = { files = 7 }

[expect]
summary = "Seven."
output = { files = 7 }
"#;

/// As `e2e report_task::an_output_from_outside_is_asked_for_refused_with_what_is_wrong_and_taken` on a host:
/// the report is taken, its output is held against the schema when the run ends, and what was wrong is in the
/// next attempt's message.
#[tokio::test]
async fn a_report_from_outside_that_violates_the_schema_is_refused_as_a_host_does_it() {
    let dir = folder();
    let project = common::foreign(dir.path(), "outside", "subordinate", "");
    let tested = tried(&project, &common::builtin("external"), OUTSIDE).await;
    let story = tested.story.clone();
    common::all_passed(&[tested]);
    assert!(
        story.contains("Attempt 2") && story.contains("Attempt 3"),
        "{story}"
    );
    assert!(!story.contains("Attempt 4"), "{story}");
    assert!(
        story.contains("there is no output, and the ticket expects one"),
        "{story}"
    );
    assert!(story.contains("0 is less than the minimum of 1"), "{story}");
    assert!(story.contains("path: \"/files\""), "{story}");
}

const DELEGATES: &str = r#"
[task]
title = "Have it counted"

[[team]]
name = "ada"

[config]
steps = [
    { delegate = [{ title = "Count", to = "ada", schema = { type = "object", required = ["files"] } }] },
    { await = { join = "all" } },
    { report = { summary = "Counted.", with_steps = true } },
]
"#;

/// And so it is with the reports that a script has its subordinates hand in.
#[tokio::test]
async fn a_scripted_report_that_violates_the_schema_is_tried_again_as_a_host_does_it() {
    let dir = folder();
    let project = common::foreign(dir.path(), "counter", "boss", "");
    let component = common::guest("scripted");
    let wrong = "[[reports]]\nagent = \"ada\"\nsummary = \"Many.\"\noutput = {}\n";
    let right = "[[reports]]\nagent = \"ada\"\nsummary = \"Seven.\"\noutput = { files = 7 }\n";
    let mended = format!("{DELEGATES}{wrong}times = 1\n{right}attempt = 2\n");
    let tested = tried(&project, &component, &mended).await;
    let story = tested.story.clone();
    common::all_passed(&[tested]);
    assert!(
        story.contains("Seven.") && story.contains("files: 7"),
        "{story}"
    );

    let never = tried(&project, &component, &format!("{DELEGATES}{wrong}")).await;
    let story = never.story.clone();
    common::all_passed(&[never]);
    assert!(story.contains("outcome: \"failed\""), "{story}");
    assert!(
        story.contains("\\\"files\\\" is a required property"),
        "{story}"
    );
}
