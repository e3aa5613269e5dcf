//! What a script does that needs no host.

use adjutant_sdk::{Agent, Ticket, TicketStatus};

use super::*;

fn task(description: &str, config: &str) -> Task {
    Task {
        ticket: Ticket {
            id: "t-1".into(),
            title: "A title".into(),
            description: description.into(),
            status: TicketStatus::InProgress,
            assignee: None,
            parent: Some("t-0".into()),
            delegated_by: None,
            expected_output_schema_json: None,
            output_json: None,
            summary: String::new(),
        },
        agent: Agent {
            id: "a-1".into(),
            name: "ada".into(),
            class: String::new(),
            skills: Vec::new(),
            description: String::new(),
        },
        briefing: "Do it".into(),
        request: "Do it all".into(),
        config_json: config.into(),
        attempt: 2,
        violations: Vec::new(),
    }
}

/// A world whose only step answers with the id of the ticket that it names, or an error.
struct Echo;

impl Extra for Echo {
    fn step(
        &mut self,
        name: &str,
        value: &Value,
        children: &mut Children,
    ) -> Option<Result<Value, Error>> {
        (name == "echo").then(|| match value.as_str() {
            Some("error") => Err(Error::Denied("no".into())),
            Some("cancelled") => Err(Error::Cancelled("over".into())),
            _ => {
                children.extend(["c-0".to_string()]);
                Ok(children.ticket(value).into())
            }
        })
    }
}

fn output(script: &str) -> Value {
    let report = run(task(script, "{}"), &mut Echo).expect("it ends well");
    serde_json::from_str(&report.output_json.expect("an output")).expect("JSON")
}

#[test]
fn answers_are_collected_and_errors_among_them() {
    let steps =
        r#"{"steps": [{"echo": 0}, {"echo": "self"}, {"echo": "parent"}, {"echo": "error"}]}"#;
    assert_eq!(
        output(steps),
        json!({"steps": ["c-0", "t-1", "t-0",
            {"error": {"kind": "denied", "text": "no", "violations": []}}]})
    );
}

#[test]
fn the_description_wins_over_the_configuration() {
    let config = r#"{"steps": [{"report": {"summary": "configured"}}]}"#;
    let by = |description: &str| {
        run(task(description, config), &mut NoTeam)
            .expect("well")
            .summary
    };
    assert_eq!(by("Do it"), "configured");
    assert_eq!(by(r#"{"steps": []}"#), "0 steps done");
}

#[test]
fn a_script_ends_as_it_says() {
    let end = |script: &str| run(task(script, "{}"), &mut Echo);
    let failure = end(r#"{"steps": [{"fail": "so"}]}"#).expect_err("it fails");
    assert_eq!(failure.summary, "so");
    let failure = end(r#"{"steps": [{"fly": 1}]}"#).expect_err("it fails");
    assert!(failure.summary.contains("fly"));
    let failure = end(r#"{"steps": [{"echo": "cancelled"}, {"echo": 0}]}"#).expect_err("it fails");
    assert_eq!(failure.summary, "echo: over");
    assert!(end(r#"{"stop_on_error": true, "steps": [{"echo": "error"}]}"#).is_err());
    let report = r#"{"steps": [{"echo": 0}, {"report": {"output": 7, "with_steps": true}}]}"#;
    assert_eq!(output(report), json!({"output": 7, "steps": ["c-0"]}));
}

#[test]
fn steps_nest() {
    let script = r#"{"steps": [
        {"repeat": {"times": 2, "steps": [{"echo": "a"}, {"echo": "b"}]}},
        {"on_attempt": {"attempt": 1, "steps": [{"fail": "never"}]}},
        {"on_attempt": {"attempt": 2, "steps": [{"echo": "x"}]}}
    ]}"#;
    assert_eq!(output(script), json!({"steps": [["b", "b"], null, ["x"]]}));
}
