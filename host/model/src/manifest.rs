//! What a plugin says of itself: its name and version, what it is for, what it wants and why, and what
//! its configuration looks like.
//!
//! A component carries its manifest in a custom section of its own. It grants nothing: a run may do what
//! its operator grants *and* its manifest wants, so an author narrows what a mistake can do, and an
//! operator sees what a grant is for.
//!
//! Invariant: a [`Manifest`] from [`Manifest::parse`] is within all bounds and holds together.

use crate::{ConfigSchema, Refusal, Violation, World, grants, is_name, text::cut};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The name of the component's custom section that holds the manifest, as UTF-8 JSON.
pub const MANIFEST_SECTION: &str = "adjutant:manifest";
/// Bytes that a manifest may have, as JSON.
pub const MANIFEST_BYTES: usize = 64 << 10;

/// The form of manifests.
const FORMAT: u32 = 1;
/// Bytes of a description, a reason or an address.
const TEXT: usize = 2_000;
/// Entries of a list.
const LIST: usize = 100;
/// Violations that an error shows.
const SHOWN: usize = 10;

/// A plugin's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the manifest: 1.
    pub manifest: u32,
    /// The plugin's name.
    pub name: String,
    /// Its version: semantic, such as `1.4.0` or `2.0.0-rc.1`, without build metadata.
    pub version: String,
    /// What it is to be used as.
    pub world: World,
    /// What it does, in a few sentences.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// Its licence, as an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// What it wants to use, and why. What is not here is denied to it, whatever is granted.
    #[serde(default, skip_serializing_if = "Wants::is_empty")]
    pub wants: Wants,
    /// JSON Schema (draft 2020-12) of its configuration, with defaults; any object where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
}

/// What a plugin wants to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wants {
    /// Commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<WantedCommand>,
    /// Agents outside its team that it gives tickets to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assign_to: Vec<WantedAgent>,
}

/// A command that a plugin wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedCommand {
    /// Its arguments: `*` stands for one, a last `*` for any more, and a first `*` for any program.
    pub run: Vec<String>,
    /// Why: a sentence for the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// An agent that a plugin wants to give tickets to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedAgent {
    /// Its name, or `*` for any.
    pub agent: String,
    /// Why: a sentence for the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Wants {
    fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.assign_to.is_empty()
    }

    /// Whether a command is among what it wants to run.
    pub fn covers_command(&self, argv: &[String]) -> bool {
        self.commands.iter().any(|wanted| wanted.covers(argv))
    }

    /// Whether an agent is among those that it wants to give tickets to.
    pub fn covers_agent(&self, name: &str) -> bool {
        let mut wanted = self.assign_to.iter();
        wanted.any(|wanted| wanted.agent == "*" || wanted.agent == name)
    }

    /// The commands, as a refusal shows them.
    pub fn shown_commands(&self) -> String {
        shown(self.commands.iter().map(|wanted| wanted.run.join(" ")))
    }

    /// The agents, as a refusal shows them.
    pub fn shown_agents(&self) -> String {
        shown(self.assign_to.iter().map(|wanted| wanted.agent.clone()))
    }
}

impl WantedCommand {
    /// Whether it covers a command. Unlike a grant's, a wanted program may be `*`: what is granted
    /// names it.
    pub fn covers(&self, argv: &[String]) -> bool {
        grants::covers_any_program(&self.run, argv)
    }
}

fn shown(wanted: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = wanted.collect();
    if all.is_empty() {
        return "nothing".to_owned();
    }
    cut(&all.join(" | "), 1_000)
}

/// Why bytes are no manifest. Each is a sentence for the plugin's author.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// It has more bytes than a manifest may have.
    #[error("the manifest has {0} bytes, and may have {MANIFEST_BYTES}")]
    TooLarge(usize),
    /// It is no JSON.
    #[error("the manifest is no JSON: {0}")]
    NotJson(String),
    /// It is JSON, and no manifest: what is wrong, and where.
    #[error("the manifest is wrong: {}", Listed(.0))]
    Wrong(Vec<Violation>),
}

impl From<ManifestError> for Refusal {
    fn from(error: ManifestError) -> Refusal {
        match error {
            ManifestError::Wrong(violations) => Refusal::Invalid(
                violations
                    .into_iter()
                    .map(|one| Violation::new(format!("/manifest{}", one.path), one.message))
                    .collect(),
            ),
            other => Refusal::invalid("/manifest", other.to_string()),
        }
    }
}

struct Listed<'a>(&'a [Violation]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, violation) in self.0.iter().take(SHOWN).enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{violation}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Manifest {
    /// A manifest with what is required, and nothing else.
    pub fn new(name: impl Into<String>, version: impl Into<String>, world: World) -> Manifest {
        Manifest {
            manifest: FORMAT,
            name: name.into(),
            version: version.into(),
            world,
            description: String::new(),
            authors: Vec::new(),
            license: None,
            homepage: None,
            wants: Wants::default(),
            config_schema: None,
        }
    }

    /// Reads and checks the bytes of a manifest's section.
    ///
    /// # Errors
    /// Says all that is wrong, and where as a JSON pointer.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        if bytes.len() > MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let not_json = |error: serde_json::Error| ManifestError::NotJson(error.to_string());
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let manifest: Manifest =
            serde_path_to_error::deserialize(&mut reader).map_err(|error| {
                let path = pointer(error.path());
                // A wrong value may be met before broken syntax that comes after it.
                match serde_json::from_slice::<IgnoredAny>(bytes) {
                    Ok(_) => {
                        let message = cut(&without_place(&error.inner().to_string()), TEXT);
                        ManifestError::Wrong(vec![Violation::new(path, message)])
                    }
                    Err(broken) => not_json(broken),
                }
            })?;
        reader.end().map_err(not_json)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks what its type does not say. One that was parsed is checked already.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self) -> Result<(), ManifestError> {
        let mut wrong = Vec::new();
        let mut say = |path: String, message: String| wrong.push(Violation::new(path, message));
        if self.manifest != FORMAT {
            let message = format!(
                "form {} is not known; this host reads manifests of form {FORMAT}",
                self.manifest
            );
            say("/manifest".to_owned(), message);
        }
        if !is_name(&self.name) {
            let rule = "a name is 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter \
                        or a digit";
            say("/name".to_owned(), rule.to_owned());
        }
        if let Err(message) = check_version(&self.version) {
            say("/version".to_owned(), message);
        }
        let texts = [
            ("/description", Some(&self.description)),
            ("/license", self.license.as_ref()),
            ("/homepage", self.homepage.as_ref()),
        ];
        for (path, text) in texts {
            check_text(&mut say, path.to_owned(), text.map_or("", |text| text));
        }
        check_list(&mut say, "/authors", self.authors.len());
        for (n, author) in self.authors.iter().enumerate() {
            check_text(&mut say, format!("/authors/{n}"), author);
        }
        self.wants.check(&mut say);
        if let Some(schema) = &self.config_schema {
            let violations = match ConfigSchema::compile(schema) {
                Ok(schema) => schema.wrong_defaults(),
                Err(Refusal::Invalid(violations)) => violations,
                Err(other) => vec![Violation::new("", other.to_string())],
            };
            for violation in violations {
                say(
                    format!("/config_schema{}", violation.path),
                    violation.message,
                );
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(ManifestError::Wrong(wrong))
        }
    }

    /// The bytes of the manifest's section: what [`Manifest::parse`] reads.
    pub fn to_json(&self) -> Vec<u8> {
        // It has only what JSON can hold: a string is every map's key.
        serde_json::to_vec(self).expect("a manifest is JSON")
    }
}

impl Wants {
    fn check(&self, say: &mut impl FnMut(String, String)) {
        check_list(say, "/wants/commands", self.commands.len());
        for (n, wanted) in self.commands.iter().enumerate() {
            let at = format!("/wants/commands/{n}");
            if wanted.run.first().is_none_or(String::is_empty) {
                let message = "a command begins with the name of its program";
                say(format!("{at}/run"), message.to_owned());
            }
            check_list(say, &format!("{at}/run"), wanted.run.len());
            for argument in &wanted.run {
                check_text(say, format!("{at}/run"), argument);
            }
            check_text(say, format!("{at}/why"), &wanted.why);
        }
        check_list(say, "/wants/assign_to", self.assign_to.len());
        for (n, wanted) in self.assign_to.iter().enumerate() {
            let at = format!("/wants/assign_to/{n}");
            if wanted.agent != "*" && !is_name(&wanted.agent) {
                let message = "it is an agent's name, or `*` for any";
                say(format!("{at}/agent"), message.to_owned());
            }
            check_text(say, format!("{at}/why"), &wanted.why);
        }
    }
}

fn check_version(version: &str) -> Result<(), String> {
    let read = semver::Version::parse(version)
        .map_err(|error| format!("a version is semantic, such as 1.4.0 or 2.0.0-rc.1: {error}"))?;
    if !read.build.is_empty() {
        return Err(
            "a version has no build metadata (`+…`) here: contents are told apart by their \
                    digest"
                .to_owned(),
        );
    }
    if !is_name(version) {
        return Err("a version has at most 64 characters".to_owned());
    }
    Ok(())
}

fn check_text(say: &mut impl FnMut(String, String), path: String, text: &str) {
    if text.len() > TEXT {
        say(
            path,
            format!("{} bytes are too many; the limit is {TEXT}", text.len()),
        );
    }
}

fn check_list(say: &mut impl FnMut(String, String), path: &str, len: usize) {
    if len > LIST {
        let message = format!("{len} entries are too many; the limit is {LIST}");
        say(path.to_owned(), message);
    }
}

/// A place in the manifest, as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            Segment::Seq { index } => text.push_str(&index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                text.push_str(&crate::text::pointer_part(key));
            }
            Segment::Unknown => text.push('?'),
        }
    }
    text
}

/// The path says where it is; line and column of a section that nobody sees do not.
fn without_place(message: &str) -> String {
    let place = message.rfind(" at line ");
    place.map_or(message, |at| &message[..at]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(manifest: &Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(manifest.to_string().as_bytes())
    }

    fn whole() -> Value {
        json!({
            "manifest": 1, "name": "reviewer", "version": "0.1.0", "world": "boss",
            "description": "Reads and judges.", "authors": ["Ada"], "license": "MIT",
            "homepage": "https://example.com",
            "wants": {
                "commands": [{ "run": ["git", "log", "*"], "why": "to read the history" }],
                "assign_to": [{ "agent": "*", "why": "to ask whoever knows" }]
            },
            "config_schema": {
                "type": "object",
                "properties": { "depth": { "type": "integer", "default": 3 } }
            }
        })
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let manifest = parse(&whole()).expect("it is one");
        assert_eq!(manifest.wants.commands[0].why, "to read the history");
        assert_eq!(Manifest::parse(&manifest.to_json()), Ok(manifest));
        let least = Manifest::new("a", "1.0.0", World::Selector);
        let text = String::from_utf8(least.to_json()).expect("it is text");
        assert_eq!(
            text,
            r#"{"manifest":1,"name":"a","version":"1.0.0","world":"selector"}"#
        );
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(least));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let table = [
            ("/manifest", json!(2), "/manifest", "form 2"),
            ("/manifest", json!(null), "/manifest", "null"),
            ("/name", json!("-"), "/name", "1 to 64 letters"),
            ("/version", json!("1.0"), "/version", "semantic"),
            ("/version", json!("1.0.0+a"), "/version", "build metadata"),
            ("/world", json!("king"), "/world", "king"),
            ("/colour", json!("red"), "/colour", "unknown field"),
            ("/wants/models", json!([]), "/wants/models", "unknown field"),
            (
                "/wants/commands/0/run",
                json!([]),
                "/wants/commands/0/run",
                "program",
            ),
            (
                "/wants/commands/0/run/0",
                json!(3),
                "/wants/commands/0/run/0",
                "string",
            ),
            (
                "/wants/commands/0/when",
                json!(""),
                "/wants/commands/0/when",
                "unknown field",
            ),
            (
                "/wants/assign_to/0/agent",
                json!("a b"),
                "/wants/assign_to/0/agent",
                "`*` for any",
            ),
            (
                "/description",
                json!("x".repeat(2_001)),
                "/description",
                "2001 bytes",
            ),
            ("/authors", json!(vec![""; 101]), "/authors", "101 entries"),
            ("/config_schema", json!(3), "/config_schema", "object"),
            (
                "/config_schema/type",
                json!("strange"),
                "/config_schema",
                "/type",
            ),
            (
                "/config_schema/properties/depth/default",
                json!("x"),
                "/config_schema/properties/depth/default",
                "does not fit the property's own schema",
            ),
        ];
        for (at, value, path, word) in table {
            let mut manifest = whole();
            let (parent, key) = at.rsplit_once('/').expect("a pointer");
            match manifest.pointer_mut(parent).expect("it is there") {
                Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
                other => other[key] = value,
            }
            let Err(ManifestError::Wrong(wrong)) = parse(&manifest) else {
                panic!("{at} is refused");
            };
            assert_eq!(wrong[0].path, path, "{wrong:?}");
            assert!(wrong[0].message.contains(word), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_required_is_missed_by_name() {
        for field in ["manifest", "name", "version", "world"] {
            let mut manifest = whole();
            manifest.as_object_mut().expect("an object").remove(field);
            let error = parse(&manifest).expect_err("it is incomplete").to_string();
            assert!(error.contains(&format!("`{field}`")), "{error}");
        }
    }

    #[test]
    fn a_manifest_has_a_limit_in_bytes() {
        let mut bytes = Manifest::new("a", "1.0.0", World::Boss).to_json();
        bytes.resize(MANIFEST_BYTES, b' ');
        assert!(Manifest::parse(&bytes).is_ok());
        bytes.push(b' ');
        assert_eq!(
            Manifest::parse(&bytes),
            Err(ManifestError::TooLarge(MANIFEST_BYTES + 1))
        );
        for bytes in [&b""[..], b"{", b"\xff", b"{} {}"] {
            assert!(Manifest::parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn wants_cover_what_they_name() {
        let wants = parse(&whole()).expect("it is one").wants;
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(wants.covers_command(&words("git log -1")));
        assert!(!wants.covers_command(&words("git push")));
        assert!(wants.covers_agent("anyone"));
        let any = WantedCommand {
            run: words("*"),
            why: String::new(),
        };
        assert!(any.covers(&words("make test")) && !any.covers(&[]));
        assert!(!Wants::default().covers_agent("anyone"));
        assert_eq!(Wants::default().shown_commands(), "nothing");
    }
}
