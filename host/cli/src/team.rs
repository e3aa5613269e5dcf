//! Team files: what an operator writes in TOML, made into what the host takes.
//!
//! A team file is a workspace and its agents as the API takes them, and besides:
//! - `[[plugins]]` with `name`, `version` and `path`: components to register first;
//! - `grant_own_commands = true` on an agent: grants the commands of its own configuration
//!   (`config.commands[].run`), argument for argument, so that none has to be written twice;
//! - `grant_team_commands = true` on a boss: grants it the commands that the agents below it in the file
//!   are granted, for what is delegated never brings more than its boss may do itself;
//! - paths relative to the file.

use crate::exit::{Error, Result};
use adjutant_model::{AgentSpec, TeamSpec, WorkspaceSpec};
use serde::Deserialize;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The most bytes of a file that is read.
const MOST_BYTES: u64 = 16 << 20;

/// A team as its file says it, ready for the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Team {
    /// The workspace and its agents.
    pub(crate) spec: TeamSpec,
    /// Components to register before.
    pub(crate) plugins: Vec<PluginFile>,
}

/// A component to register.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginFile {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Where its bytes are.
    pub(crate) path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamFile {
    #[serde(default)]
    workspace: WorkspaceSpec,
    #[serde(default)]
    plugins: Vec<PluginFile>,
    #[serde(default)]
    agents: Vec<toml::Table>,
}

impl Team {
    /// Reads a file, or the standard input where the path is `-`.
    pub(crate) fn read(path: &Path) -> Result<Team> {
        let here = std::env::current_dir()
            .map_err(|error| Error::Failed(format!("the current folder is gone: {error}")))?;
        if path == Path::new("-") {
            return Team::parse(&read_text(std::io::stdin(), "the standard input")?, &here);
        }
        let shown = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|error| Error::Usage(format!("{shown} cannot be read: {error}")))?;
        let folder = here.join(path.parent().unwrap_or(Path::new("")));
        Team::parse(&read_text(file, &shown)?, &folder)
            .map_err(|error| Error::Usage(format!("{shown}: {error}")))
    }

    /// Reads TOML; paths in it are relative to `folder`.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Team> {
        let wrong = |error: toml::de::Error| Error::Usage(error.to_string().trim_end().to_owned());
        let mut file: TeamFile = toml::from_str(text).map_err(wrong)?;
        for repo in file.workspace.repos.iter_mut().flatten() {
            let path = absolute(folder, Path::new(&repo.path));
            repo.path = path.to_str().map(ToOwned::to_owned).ok_or_else(|| {
                Error::Usage(format!("{} is no text: rename the folder", path.display()))
            })?;
        }
        for plugin in &mut file.plugins {
            plugin.path = absolute(folder, &plugin.path);
        }
        let agents = file.agents.into_iter().enumerate();
        let agents = agents.map(|(place, table)| agent(place, table));
        let (mut agents, bosses): (Vec<AgentSpec>, Vec<bool>) =
            agents.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        for place in (0..agents.len()).filter(|place| bosses[*place]) {
            let commands = team_commands(&agents, &agents[place].name);
            agents[place].grants.commands = commands;
        }
        Ok(Team {
            spec: TeamSpec {
                workspace: file.workspace,
                agents,
            },
            plugins: file.plugins,
        })
    }

    /// The first agent without a boss: whom to ask where nobody is named.
    pub(crate) fn head(&self) -> Option<&str> {
        let mut agents = self.spec.agents.iter();
        agents
            .find(|agent| agent.boss.is_none())
            .map(|agent| agent.name.as_str())
    }
}

/// An agent, and whether it is granted what its team is.
fn agent(place: usize, mut table: toml::Table) -> Result<(AgentSpec, bool)> {
    let name = match table.get("name").and_then(toml::Value::as_str) {
        Some(name) => format!("agent {name:?}"),
        None => format!("agent {}", place + 1),
    };
    let wrong = |what: &dyn std::fmt::Display| {
        Error::Usage(format!("{name}: {}", what.to_string().trim_end()))
    };
    let mut flag = |name: &str| match table.remove(name) {
        None => Ok(false),
        Some(toml::Value::Boolean(grant)) => Ok(grant),
        Some(_) => Err(wrong(&format!("{name} is true or false"))),
    };
    let grant_own = flag("grant_own_commands")?;
    let grant_team = flag("grant_team_commands")?;
    let mut agent: AgentSpec = table.try_into().map_err(|error| wrong(&error))?;
    if grant_own {
        let commands = own_commands(&agent).ok_or_else(|| {
            wrong(&"grant_own_commands needs config.commands, each with a list of texts as `run`")
        })?;
        agent.grants.commands.extend(commands);
    }
    Ok((agent, grant_team))
}

/// The commands that an agent and all below it are granted, each once.
fn team_commands(agents: &[AgentSpec], head: &str) -> Vec<Vec<String>> {
    let mut team = vec![head];
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut next = 0;
    while let Some(name) = team.get(next).copied() {
        next += 1;
        for agent in agents {
            if agent.name == name {
                let new = agent.grants.commands.iter();
                let new: Vec<_> = new.filter(|one| !commands.contains(one)).cloned().collect();
                commands.extend(new);
            } else if agent.boss.as_deref() == Some(name) && !team.contains(&agent.name.as_str()) {
                team.push(&agent.name);
            }
        }
    }
    commands
}

/// The commands of an agent's configuration, where it has them in the right form.
fn own_commands(agent: &AgentSpec) -> Option<Vec<Vec<String>>> {
    let commands = agent.config.as_ref()?.get("commands")?.as_array()?;
    let run = |command: &serde_json::Value| {
        let run = command.get("run")?.as_array()?;
        let words = run.iter().map(|word| word.as_str().map(ToOwned::to_owned));
        // In a grant `*` stands for any argument; the command's own would grant more than itself.
        words
            .collect::<Option<Vec<_>>>()
            .filter(|words| !words.iter().any(|word| word == "*"))
    };
    commands.iter().map(run).collect()
}

/// An absolute path, without `.` and without resolving links.
pub(crate) fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    // Lexically only: `..` stays, for what is before it may be a link.
    joined
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

/// Reads a text of bounded length.
pub(crate) fn read_text(from: impl Read, what: &str) -> Result<String> {
    let mut text = String::new();
    from.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Error::Usage(format!("{what} cannot be read: {error}")))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Error::Usage(format!(
            "{what} is larger than {MOST_BYTES} bytes"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_becomes_what_the_host_takes() {
        let team = Team::parse(
            r#"
            [workspace]
            name = "shop"
            repos = [{ name = "app", path = ".", base = "main" }, { name = "lib", path = "/srv/lib" }]
            [[plugins]]
            name = "mine"
            version = "0.1.0"
            path = "./out/mine.wasm"
            [[agents]]
            name = "lead"
            plugin = "coordinator"
            selector = "skills"
            grant_team_commands = true
            [[agents]]
            name = "below"
            boss = "lead"
            plugin = "coordinator"
            [[agents]]
            name = "lister"
            boss = "below"
            plugin = "command"
            grants = { commands = [["ls"], ["wc", "-l"]] }
            [[agents]]
            name = "tester"
            boss = "lead"
            plugin = "command"
            skills = ["tests"]
            grant_own_commands = true
            limits = { max_concurrent = 3 }
            grants = { commands = [["ls"]] }
            config.commands = [{ name = "t", run = ["make", "test"] }]
            "#,
            Path::new("/home/ada/shop"),
        )
        .expect("it parses");
        let sent = serde_json::to_value(&team.spec).expect("JSON");
        assert_eq!(sent["workspace"]["name"], "shop");
        assert_eq!(
            sent["workspace"]["repos"],
            json!([
                {"name": "app", "path": "/home/ada/shop", "base": "main"},
                {"name": "lib", "path": "/srv/lib", "base": null}
            ])
        );
        assert_eq!(
            team.plugins[0].path,
            Path::new("/home/ada/shop/out/mine.wasm")
        );
        assert_eq!(team.head(), Some("lead"));
        assert_eq!(
            sent["agents"][0]["grants"]["commands"],
            json!([["ls"], ["make", "test"], ["wc", "-l"]]),
            "all that the team is granted, each once"
        );
        assert_eq!(sent["agents"][1]["grants"]["commands"], json!([]));
        let tester = &sent["agents"][3];
        assert_eq!(
            tester["grants"]["commands"],
            json!([["ls"], ["make", "test"]])
        );
        assert_eq!(
            tester["config"]["commands"][0]["run"],
            json!(["make", "test"])
        );
        assert_eq!(tester["limits"]["max_concurrent"], 3);
        assert_eq!(tester["limits"]["max_rejections"], 3);
        assert!(tester.get("grant_own_commands").is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (
                "[[agents]]\nname = \"a\"\nskils = []",
                "agent \"a\": unknown field `skils`",
            ),
            ("[[agents]]\nplugin = 3", "agent 1: invalid type"),
            (
                "[[agents]]\nname = \"a\"\ngrant_own_commands = 1",
                "grant_own_commands is true or false",
            ),
            (
                "[[agents]]\nname = \"a\"\ngrant_team_commands = 1",
                "grant_team_commands is true or false",
            ),
            (
                "[[agents]]\nname = \"a\"\ngrant_own_commands = true",
                "needs config.commands",
            ),
            (
                "[[agents]]\nname = \"a\"\ngrant_own_commands = true\n\
                 config.commands = [{ run = [\"rm\", \"*\"] }]",
                "needs config.commands",
            ),
            ("[[agent]]", "unknown field `agent`"),
            (
                "[workspace]\nrepos = [{ name = \"a\" }]",
                "missing field `path`",
            ),
            ("agents = ", "TOML parse error at line 1"),
        ];
        for (text, expected) in table {
            let error = Team::parse(text, Path::new("/")).expect_err(text);
            assert!(matches!(error, Error::Usage(_)));
            let said = error.to_string();
            assert!(said.contains(expected), "{text:?}: {said}");
        }
    }

    #[test]
    fn paths_lose_their_dots_only() {
        let of = |path: &str| absolute(Path::new("/a/b"), Path::new(path));
        assert_eq!(of("."), Path::new("/a/b"));
        assert_eq!(of("./c/./d"), Path::new("/a/b/c/d"));
        assert_eq!(of("../c"), Path::new("/a/b/../c"));
        assert_eq!(of("/c"), Path::new("/c"));
    }
}
