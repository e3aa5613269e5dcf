//! A plugin's project: a folder with a `plugin.toml` and sources.
//!
//! Invariant: an open project's manifest is one that a host takes.

use crate::Language;
use adjutant_model::{Manifest, ManifestError, Wants, World};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The file that makes a folder a project.
pub const FILE: &str = "plugin.toml";
/// The most bytes of it.
const MOST_BYTES: u64 = 64 << 10;
/// The most characters of a plugin's name.
const MOST_NAME: usize = 64;

/// An open project.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
    manifest: Manifest,
    language: Language,
    build: BuildSettings,
    /// Where its component goes, where that is not the usual place.
    component: Option<PathBuf>,
}

/// How a project is built where its language's way does not fit: the table `[build]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildSettings {
    /// The main source file, from the project's folder.
    #[serde(default)]
    pub source: Option<PathBuf>,
    /// Language `other`: the command that builds, run in the project's folder.
    #[serde(default)]
    pub command: Vec<String>,
    /// Language `other`: what the command makes, a component or a core module.
    #[serde(default)]
    pub output: Option<PathBuf>,
}

/// Why a folder is no project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no `plugin.toml`.
    #[error(
        "{} is no plugin's project: it has no {FILE}. `adjutant plugin new` makes one.", .0.display()
    )]
    NoProject(PathBuf),
    /// It cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what a `plugin.toml` has to be.
    #[error("{} does not describe a plugin: {why}", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
}

/// `plugin.toml`, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    version: String,
    world: World,
    language: Language,
    #[serde(default)]
    description: String,
    #[serde(default)]
    authors: Vec<String>,
    license: Option<String>,
    homepage: Option<String>,
    #[serde(default)]
    wants: Wants,
    config: Option<Map<String, Value>>,
    #[serde(default)]
    build: BuildSettings,
}

impl Project {
    /// Opens the project in a folder.
    ///
    /// # Errors
    /// Says what is wrong with its `plugin.toml`, and where.
    pub fn open(dir: &Path) -> Result<Project, ProjectError> {
        let root = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        let path = root.join(FILE);
        let unreadable = |source| ProjectError::Unreadable {
            path: path.clone(),
            source,
        };
        let wrong = |why| ProjectError::Wrong {
            path: path.clone(),
            why,
        };
        match fs::metadata(&path) {
            Ok(data) if data.len() > MOST_BYTES => {
                return Err(wrong(format!("it has more than {MOST_BYTES} bytes.")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProjectError::NoProject(root));
            }
            other => other.map_err(unreadable)?,
        };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        Project::parse(root, &text).map_err(wrong)
    }

    fn parse(root: PathBuf, text: &str) -> Result<Project, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        check_build(written.language, &written.build)?;
        let (language, build) = (written.language, written.build.clone());
        let manifest = manifest(written);
        manifest.check().map_err(|error| match error {
            ManifestError::Wrong(violations) => violations
                .iter()
                .map(|one| format!("{}: {}", place(&one.path), one.message))
                .collect::<Vec<_>>()
                .join("; "),
            other => other.to_string(),
        })?;
        Ok(Project {
            root,
            manifest,
            language,
            build,
            component: None,
        })
    }

    /// Its folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The plugin's version.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// The world that it is for.
    pub fn world(&self) -> World {
        self.manifest.world
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// How it is built.
    pub fn build(&self) -> &BuildSettings {
        &self.build
    }

    /// The manifest that its component carries.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that the tools write into; never a source.
    pub fn hidden(&self) -> PathBuf {
        self.root.join(".adjutant")
    }

    /// Where its component is once it is built: `target/NAME.wasm`.
    pub fn component(&self) -> PathBuf {
        let file = format!("{}.wasm", self.name());
        let usual = || self.root.join("target").join(file);
        self.component.clone().unwrap_or_else(usual)
    }

    /// The same project for trying: as version `VERSION-dev.N` (or `VERSION.dev.N` where that is a
    /// pre-release), with its component out of the way of the real one.
    #[must_use]
    pub fn for_trying(mut self, number: u64) -> Project {
        self.manifest.version = format!("{}{number}", self.trying_prefix());
        let file = format!("{}.wasm", self.name());
        self.component = Some(self.hidden().join("dev").join(file));
        self
    }

    /// What versions for trying begin with: `0.1.0-dev.`.
    pub fn trying_prefix(&self) -> String {
        let version = self.version();
        let joint = if version.contains('-') { '.' } else { '-' };
        format!("{version}{joint}dev.")
    }
}

fn manifest(written: Written) -> Manifest {
    Manifest {
        description: written.description,
        authors: written.authors,
        license: written.license,
        homepage: written.homepage,
        wants: written.wants,
        config_schema: written.config.map(|mut schema| {
            schema.entry("type").or_insert_with(|| json!("object"));
            Value::Object(schema)
        }),
        ..Manifest::new(written.name, written.version, written.world)
    }
}

/// A place in the manifest, as one in `plugin.toml`.
fn place(pointer: &str) -> String {
    let place = pointer.trim_start_matches('/').replace('/', ".");
    match place.strip_prefix("config_schema") {
        Some(rest) => format!("config{rest}"),
        None => place,
    }
}

/// Whether a new project can be called so, whatever its language: small letters, digits and single
/// hyphens, beginning with a letter.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= MOST_NAME
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "\"{name}\" cannot be a plugin's name: it has small letters, digits and single hyphens, \
             begins with a letter, and has at most {MOST_NAME} characters."
        ))
    }
}

fn check_build(language: Language, build: &BuildSettings) -> Result<(), String> {
    if language == Language::Other {
        if build.command.is_empty() || build.output.is_none() {
            return Err(
                "with language = \"other\" it says how to build: `[build]` with `command` \
                 (a list: the program first) and `output` (the file that the command makes)."
                    .to_owned(),
            );
        }
    } else if !build.command.is_empty() || build.output.is_some() {
        return Err(format!(
            "`build.command` and `build.output` are for language = \"other\"; {language} has its own \
             way."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Project, String> {
        Project::parse(PathBuf::from("/p"), text)
    }

    const LEAST: &str = "name = \"reviewer\"\nversion = \"0.1.0\"\nworld = \"boss\"\n";

    #[test]
    fn a_plugin_toml_is_the_manifests_source() {
        let project = parse(&format!(
            "{LEAST}language = \"python\"\ndescription = \"Reads.\"\n\
             [[wants.commands]]\nrun = [\"git\", \"log\", \"*\"]\nwhy = \"to read\"\n\
             [config.properties.depth]\ntype = \"integer\"\ndefault = 3\n\
             [build]\nsource = \"src/main.py\"\n"
        ))
        .expect("a project");
        let wanted = json!({
            "manifest": 1, "name": "reviewer", "version": "0.1.0", "world": "boss",
            "description": "Reads.",
            "wants": {"commands": [{"run": ["git", "log", "*"], "why": "to read"}]},
            "config_schema": {"type": "object",
                "properties": {"depth": {"type": "integer", "default": 3}}},
        });
        assert_eq!(json!(project.manifest()), wanted);
        assert_eq!(project.component(), Path::new("/p/target/reviewer.wasm"));
        assert_eq!(project.build().source, Some("src/main.py".into()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, told) in [
            ("languag = \"python\"\n", "unknown field `languag`"),
            ("language = \"cobol\"\n", "unknown variant `cobol`"),
            ("language = \"c\"\n[build]\nsauce = \"x\"\n", "line 6"),
            (
                "language = \"c\"\n[build]\ncommand = [\"make\"]\n",
                "has its own way",
            ),
            ("language = \"other\"\n", "says how to build"),
        ] {
            let error = parse(&format!("{LEAST}{text}")).expect_err(text);
            assert!(error.contains(told), "{told}: {error}");
        }
        for (text, told) in [
            ("[config]\ntype = \"strange\"\n", "config: "),
            ("[[wants.commands]]\nrun = []\n", "wants.commands.0.run: "),
        ] {
            let error = parse(&format!("{LEAST}language = \"c\"\n{text}")).expect_err(text);
            assert!(error.contains(told), "{told}: {error}");
        }
        let error = parse("name = \"a\"\nversion = \"1\"\nworld = \"boss\"\nlanguage = \"c\"")
            .expect_err("no version");
        assert!(
            error.starts_with("version: a version is semantic"),
            "{error}"
        );
    }

    #[test]
    fn a_new_projects_name_fits_every_language() {
        for name in ["reviewer", "a", "my-plugin-2"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "A", "a b", "2a", "a_b", "a-", "a--b", "../a"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
