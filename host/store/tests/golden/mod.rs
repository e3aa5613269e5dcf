//! What was ever stored can be read for ever.
//!
//! `v1` has a file for each type of record, with values of it as bytes of format version 1 and as
//! JSON. Lines are only ever added, never changed or removed: a line that does not read any more is a
//! user whose data does not.
//!
//! Each line has four parts between tabs: a name, the bytes in hexadecimal, the JSON, and which
//! fields and variants it is there for. After a new type, field or variant, lines for it are added
//! with
//!
//!     ADJUTANT_GOLDEN=add cargo test -p adjutant-store --test store golden

mod filler;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use adjutant_model::{
    Activity, Agent, Event, Manifest, Message, Plugin, Record, Removed, Rollout, Run, Tally,
    Ticket, Timestamp, Workspace,
};
use adjutant_store::records;
use filler::Filler;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A line of a file.
struct Line {
    name: String,
    bytes: Vec<u8>,
    json: Value,
    parts: BTreeSet<String>,
}

fn path(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/golden/v1").join(format!("{name}.golden"))
}

fn lines(name: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let parts: Vec<&str> = line.split('\t').collect();
        let [name, bytes, json, parts] = parts[..] else {
            panic!("a line has four parts: {line}");
        };
        let bytes = (0..bytes.len()).step_by(2);
        let hex = line.split('\t').nth(1).unwrap();
        Line {
            name: name.to_owned(),
            bytes: bytes
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            json: serde_json::from_str(json).unwrap(),
            parts: parts.split(' ').map(ToOwned::to_owned).collect(),
        }
    });
    lines.collect()
}

/// Adds a line. What is there stays as it is.
fn add<T: Serialize>(name: &str, value: &T, parts: &BTreeSet<String>) {
    let number = lines(name).len();
    let hex = records::encode(value)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
    let json = serde_json::to_string(value).unwrap();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let line = format!("{number:03}\t{hex}\t{json}\t{}\n", parts.join(" "));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(path(name)).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

fn adding() -> bool {
    std::env::var_os("ADJUTANT_GOLDEN").is_some_and(|what| what == "add")
}

/// Whether all that was in the old JSON is in the new one. New fields may be there besides.
fn lost(old: &Value, new: &Value, at: &str) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(key, old)| {
            let at = format!("{at}/{key}");
            match new.get(key) {
                Some(new) => lost(old, new, &at),
                None => Some(format!("{at} is not read any more")),
            }
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .find_map(|(index, (old, new))| lost(old, new, &format!("{at}/{index}"))),
        (old, new) if old == new => None,
        (old, new) => Some(format!("{at} was {old} and is read as {new}")),
    }
}

/// Reads every line of a type's file, and looks whether there is one for everything the type has.
fn check<T: Serialize + DeserializeOwned>(
    name: &'static str,
    missing: impl Fn(BTreeSet<String>) -> Vec<(T, BTreeSet<String>)>,
) {
    let known = |lines: Vec<Line>| lines.into_iter().flat_map(|line| line.parts).collect();
    if adding() {
        for (value, parts) in missing(known(lines(name))) {
            add(name, &value, &parts);
        }
    }
    let all = lines(name);
    assert!(
        !all.is_empty(),
        "no {name} is kept: see the top of this file"
    );
    for line in &all {
        let context = format!("{name} {}", line.name);
        let value: T = records::decode(name, &line.bytes)
            .unwrap_or_else(|error| panic!("{context} cannot be read any more: {error}"));
        let json = serde_json::to_value(&value).unwrap();
        let lost = lost(&line.json, &json, "");
        assert_eq!(lost, None, "{context}");
        // What this program writes of it, it reads again.
        let again: T = records::decode(name, &records::encode(&value)).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), json, "{context}");
    }
    let missing: Vec<_> = missing(known(all))
        .into_iter()
        .flat_map(|(_, parts)| parts)
        .collect();
    assert!(
        missing.is_empty(),
        "no {name} is kept that has {missing:?}: see the top of this file"
    );
}

/// The values of a type that can be made by filling it.
fn filled<T: DeserializeOwned>(known: BTreeSet<String>) -> Vec<(T, BTreeSet<String>)> {
    let mut values = Vec::new();
    if !known.contains("least") {
        values.push((Filler::least(), BTreeSet::from(["least".to_owned()])));
    }
    values.extend(Filler::knowing(known).values());
    values
}

macro_rules! golden {
    ($($name:ident: $type:ty,)*) => {
        $(#[test]
        fn $name() {
            check::<$type>(stringify!($name), filled);
        })*
    };
}

golden! {
    workspace: Workspace,
    plugin: Plugin,
    removed: Removed,
    rollout: Rollout,
    tally: Tally,
    manifest: Manifest,
    agent: Agent,
    activity: Activity,
    ticket: Ticket,
    run: Run,
    journal: Vec<Record>,
    message: Message,
    log_line: (Timestamp, String, String),
}

#[test]
fn event() {
    check::<Event>("event", |known| {
        let events = kinds_of_events().into_iter().map(|kind| {
            let (event, parts) = event_of(&kind);
            let parts = parts.difference(&known).cloned().collect::<BTreeSet<_>>();
            (event, parts)
        });
        events.filter(|(_, parts)| !parts.is_empty()).collect()
    });
}

/// The kinds of events, as the decoder itself lists them.
fn kinds_of_events() -> Vec<String> {
    let error = serde_json::from_value::<Event>(json!({"at": 1, "type": "?"})).unwrap_err();
    let kinds: Vec<String> = quoted(&error.to_string()).skip(1).collect();
    assert!(kinds.len() > 20, "{error}");
    kinds
}

fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(ToOwned::to_owned)
}

/// An event of a kind: fields are added as the decoder asks for them, each with the first value that
/// it takes. Fields that may be missing are tried by their names.
fn event_of(kind: &str) -> (Event, BTreeSet<String>) {
    const OPTIONAL: [&str; 6] = ["parent", "assignee", "run", "agent", "reason", "boss"];
    const ID: &str = "01920000-0000-7000-8000-000000000001";
    let candidates = [
        json!(ID),
        json!(7),
        json!(true),
        json!([{"path": "/a", "message": "text"}]),
        json!({"type": "person", "who": "ann"}),
    ];
    let mut event = json!({"at": 7, "type": kind});
    let (mut field, mut tried) = (String::new(), 0);
    let mut made: Event = loop {
        let error = match serde_json::from_value(event.clone()) {
            Ok(made) => break made,
            Err(error) => error.to_string(),
        };
        let words: Vec<String> = quoted(&error).collect();
        if error.starts_with("missing field") {
            (field, tried) = (words[0].clone(), 0);
            event[&field] = candidates[0].clone();
        } else if error.starts_with("unknown variant") {
            event[&field] = json!(words[1]);
        } else {
            tried += 1;
            let candidate = candidates.get(tried);
            event[&field] = candidate
                .unwrap_or_else(|| panic!("{kind}: {error}"))
                .clone();
        }
    };
    for name in OPTIONAL {
        let mut more = event.clone();
        more[name] = json!(ID);
        if event.get(name).is_none()
            && let Ok(with) = serde_json::from_value::<Event>(more.clone())
            && serde_json::to_value(&with).unwrap().get(name).is_some()
        {
            (event, made) = (more, with);
        }
    }
    let fields = event.as_object().unwrap().keys();
    let parts = fields.map(|field| format!("{kind}.{field}")).collect();
    (made, parts)
}

#[test]
fn a_value_that_loses_a_field_is_noticed() {
    let old = json!({"a": [{"b": 1}], "c": null});
    assert_eq!(
        lost(&old, &json!({"a": [{"b": 1, "new": 2}], "c": null}), ""),
        None
    );
    let gone = lost(&old, &json!({"a": [{}], "c": null}), "").unwrap();
    assert_eq!(gone, "/a/0/b is not read any more");
    assert!(lost(&old, &json!({"a": [], "c": null}), "").is_some());
    assert!(lost(&old, &json!({"a": [{"b": 2}], "c": null}), "").is_some());
}
