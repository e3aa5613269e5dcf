//! Teams of several languages, and the examples that every language has.

use crate::cast::{Cast, text};
use crate::components::Component;
use crate::languages::Language;
use crate::steps::{delegate, hex, part, report, wait};
use crate::support::Server;
use serde_json::{Value, json};

/// The rows of the matrix.
pub(crate) const MIXED: &str = "a boss with hands of every language";
/// A language's own examples.
pub(crate) const EXAMPLES: &str = "the three examples do a job";
/// Examples of several languages.
pub(crate) const MIXED_EXAMPLES: &str = "the example boss with every language's examples";

/// The three components of a language, by world.
pub(crate) struct Three {
    pub(crate) key: &'static str,
    pub(crate) selector: String,
    pub(crate) subordinate: String,
    pub(crate) boss: String,
}

impl Three {
    pub(crate) fn new(language: &Language, components: &[Component]) -> Three {
        let name = |at: usize| components[at].name.clone();
        Three {
            key: language.key,
            selector: name(0),
            subordinate: name(1),
            boss: name(2),
        }
    }
}

/// A boss of one language, a selector of the next, and hands of all.
pub(crate) fn mixed(server: &Server, all: &[Three], at: usize) -> Value {
    let next = &all[(at + 1) % all.len()];
    let mut agents = vec![json!({
        "name": "lead", "plugin": all[at].boss, "selector": next.selector,
        "limits": {"max_concurrent": 4}
    })];
    agents.extend(all.iter().map(|three| {
        json!({"name": three.key, "plugin": three.subordinate, "boss": "lead", "skills": [three.key],
            "config": {"script": [{"do": "report", "summary": "chosen", "output": 1}]}})
    }));
    let cast = Cast::new(
        server,
        &format!("mixed-{}", all[at].key),
        json!([]),
        &agents,
    );
    let hand = |three: &Three| {
        let steps = json!([
            {"do": "memory.put", "key": "k", "value": hex(three.key)},
            {"do": "memory.get", "key": "k"},
            {"do": "channels.post", "text": {"$": [1]}},
            report("done", json!({"by": three.key})),
        ]);
        part(three.key, cast.id(three.key), steps)
    };
    let parts: Vec<Value> = all.iter().map(hand).collect();
    let open = crate::steps::assignment(json!({"title": "Open", "description": next.key}));
    let steps = json!([
        delegate(json!(parts)),
        wait(json!("all")),
        delegate(json!([open])),
        wait(json!("all"))
    ]);
    let answers = cast.play("lead", "Together", steps);
    let reports = answers[1]["reports"].as_array().expect("reports");
    assert_eq!(reports.len(), all.len());
    for report in reports {
        assert_eq!(
            report["outcome"], "completed",
            "{}: {}",
            report["title"], report["summary"]
        );
        let output: Value = serde_json::from_str(&text(&report["output-json"])).expect("JSON");
        assert_eq!(output["by"], report["agent-name"]);
    }
    assert_eq!(
        answers[2][0]["assignee-name"], next.key,
        "the selector of another language chose"
    );
    Value::Null
}

/// The examples: a selector that knows words, a hand that counts them, a boss that hands out lines.
pub(crate) fn examples(server: &Server, three: &Three) -> Value {
    let agents = [
        json!({"name": "lead", "plugin": three.boss, "selector": three.selector}),
        json!({"name": "ann", "plugin": three.subordinate, "boss": "lead", "skills": ["apples", "red"]}),
        json!({"name": "ben", "plugin": three.subordinate, "boss": "lead", "skills": ["pears"]}),
    ];
    let cast = Cast::new(
        server,
        &format!("examples-{}", three.key),
        json!([]),
        &agents,
    );
    let job =
        |text: &str| json!({"title": "Count", "description": text, "assignee": cast.id("lead")});
    let ticket = cast.create(&job(
        "count all the red apples\ncount the pears in the basket",
    ));
    let done = cast.done(&ticket);
    let children = cast.server.children(&ticket);
    let by: Vec<String> = children
        .iter()
        .map(|child| text(&child["assignee"]["name"]))
        .collect();
    assert_eq!(by, ["ann", "ben"], "each line went to whom it fits");
    let words: Vec<&Value> = children
        .iter()
        .map(|child| &child["output"]["words"])
        .collect();
    assert_eq!(
        words,
        [5, 6],
        "words are counted: {}",
        children[0]["output"]
    );
    assert_eq!(children[0]["output"]["tickets"], 1);
    assert!(done["plan"].is_object(), "a plan was shown");
    assert!(
        done["output"]
            .as_array()
            .is_some_and(|list| list.len() == 2),
        "{}",
        done["output"]
    );
    for child in &children {
        let said = cast.said(&text(&child["id"]));
        assert!(
            said.iter().any(|(kind, _)| kind == "progress"),
            "a progress note: {said:?}"
        );
    }
    // One line goes to everybody, and memory counts on.
    let second = cast.create(&job("count apples and pears"));
    let again = cast.done(&second);
    let children = cast.server.children(&second);
    let tickets: Vec<&Value> = children
        .iter()
        .map(|child| &child["output"]["tickets"])
        .collect();
    assert_eq!(tickets, [2, 2], "{}", children[0]["output"]);
    // Nobody fits: the boss says so, and does not hang.
    let third = cast.over(&cast.create(&job("mend the roof\npaint the door")));
    assert_eq!(third["status"], "failed", "{}", third["summary"]);
    json!([gathered(&done), gathered(&again)])
}

/// What an example boss says at the end, in an order of its own: reports come in any order.
fn gathered(ticket: &Value) -> Value {
    let mut outputs = ticket["output"].as_array().cloned().unwrap_or_default();
    outputs.sort_by_key(Value::to_string);
    let summary = text(&ticket["summary"]);
    let mut lines: Vec<&str> = summary.lines().collect();
    lines.sort_unstable();
    json!([outputs, lines])
}

/// The example boss of one language with the examples of all.
pub(crate) fn mixed_examples(server: &Server, all: &[Three], at: usize) -> Value {
    let next = &all[(at + 1) % all.len()];
    let mut agents =
        vec![json!({"name": "lead", "plugin": all[at].boss, "selector": next.selector})];
    agents.extend(all.iter().map(|three| {
        json!({"name": three.key, "plugin": three.subordinate, "boss": "lead", "skills": [three.key]})
    }));
    let cast = Cast::new(
        server,
        &format!("mixed-examples-{}", all[at].key),
        json!([]),
        &agents,
    );
    let lines: Vec<String> = all
        .iter()
        .map(|three| format!("count the {}", three.key))
        .collect();
    let description = if lines.len() == 1 {
        lines[0].clone()
    } else {
        lines.join("\n")
    };
    let new = json!({"title": "Count", "description": description, "assignee": cast.id("lead")});
    let ticket = cast.create(&new);
    let done = cast.done(&ticket);
    let children = cast.server.children(&ticket);
    assert_eq!(children.len(), all.len());
    for (child, three) in children.iter().zip(all) {
        assert_eq!(child["assignee"]["name"], three.key);
        assert_eq!(child["output"]["words"], 3);
    }
    assert!(
        done["output"]
            .as_array()
            .is_some_and(|list| list.len() == all.len())
    );
    Value::Null
}
