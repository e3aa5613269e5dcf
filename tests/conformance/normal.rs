//! What was seen, without what differs from run to run: ids are numbered in the order in which they
//! appear, and times are left out. After that two languages must have seen the very same.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Fields whose values are times, or depend on the machine.
const TIMES: [&str; 7] = [
    "at",
    "elapsed-ms",
    "wall-ms",
    "guest-ms",
    "last-report-at",
    "monotonic-ns",
    "random",
];

/// A value without what differs from run to run, and without the language's name.
pub(crate) fn normal(value: &Value, key: &str) -> Value {
    let mut ids = HashMap::new();
    let mut value = value.clone();
    let own = [
        format!("workspace \"{key}\""),
        format!("conformance-{key}-"),
    ];
    tidy(&mut value, &own);
    walk(&value, &mut ids)
}

/// Reads JSON that is text, takes out the language's own names, and puts reports, which come in any order, into the order of their titles.
fn tidy(value: &mut Value, own: &[String]) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| tidy(one, own)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if name.ends_with("-json")
                    && let Some(read) = value
                        .as_str()
                        .and_then(|text| serde_json::from_str(text).ok())
                {
                    *value = read;
                }
                tidy(value, own);
                if let ("reports", Value::Array(all)) = (name.as_str(), value) {
                    all.sort_by_key(|report| report["title"].to_string());
                }
            }
        }
        Value::String(text) => {
            for own in own {
                *text = text.replace(own, "its own ");
            }
        }
        _ => {}
    }
}

fn walk(value: &Value, ids: &mut HashMap<String, usize>) -> Value {
    match value {
        Value::String(text) => without_ids(text, ids).into(),
        Value::Array(all) => all.iter().map(|one| walk(one, ids)).collect(),
        Value::Object(fields) => {
            let mut normal = Map::new();
            for (name, value) in fields {
                let time =
                    TIMES.contains(&name.as_str()) && (value.is_number() || value.is_string());
                let value = if time { "…".into() } else { walk(value, ids) };
                normal.insert(without_ids(name, ids), value);
            }
            Value::Object(normal)
        }
        plain => plain.clone(),
    }
}

/// A text with `#N` for each id and each commit in it.
fn without_ids(text: &str, ids: &mut HashMap<String, usize>) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_hexdigit() || letter == '-' {
            word.push(letter);
            continue;
        }
        if is_id(&word) {
            let next = ids.len();
            let number = *ids.entry(word.clone()).or_insert(next);
            out.push_str(&format!("#{number}"));
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

fn is_id(word: &str) -> bool {
    uuid::Uuid::try_parse(word).is_ok() || (word.len() == 40 && !word.contains('-'))
}

/// Where two values differ first, and how; none where they are the same.
pub(crate) fn difference(this: &Value, reference: &Value, at: &str) -> Option<String> {
    match (this, reference) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(n, (a, b))| difference(a, b, &format!("{at}/{n}"))),
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            names
                .into_iter()
                .find_map(|name| match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => difference(a, b, &format!("{at}/{name}")),
                    (None, _) => Some(format!("{at}: no field `{name}`")),
                    (_, None) => Some(format!("{at}: a field `{name}` that the reference has not")),
                })
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{at}: {a}, and in the reference {b}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_and_times_are_left_out_and_all_else_is_compared() {
        let seen = |id: &str, at: u64, by: &str| json!({"id": id, "at": at, "by": by, "text": format!("to {id}.")});
        let (a, b) = (
            "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e",
            "0195e0a2-7c1e-7cc3-9f51-000000000000",
        );
        assert_eq!(
            normal(&seen(a, 1, "ann"), "w"),
            normal(&seen(b, 2, "ann"), "w")
        );
        assert_eq!(normal(&seen(a, 1, "ann"), "w")["text"], "to #0.");
        let told = difference(&json!([1, {"by": "bob"}]), &json!([1, {"by": "ann"}]), "");
        assert_eq!(
            told.as_deref(),
            Some("/1/by: \"bob\", and in the reference \"ann\"")
        );
    }
}
