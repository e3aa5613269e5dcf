//! What `adjutant ask` sends: the request as a ticket, the repositories, and the team where none is
//! given.

use crate::clean;
use crate::exit::{Error, Result};
use crate::team::{Team, absolute, read_text};
use adjutant_model::{NewTicket, Repo};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The team that needs no model, no key and no network.
const DEFAULT_TEAM: &str = include_str!("default-team.toml");
/// The most characters of a title; what is longer goes into the description.
const TITLE: usize = 200;

/// The team that is asked where none is given.
pub(super) fn default_team() -> Result<Team> {
    Team::parse(DEFAULT_TEAM, Path::new("/"))
}

/// The request's text: as given, or from the standard input.
pub(super) fn text(request: &str) -> Result<String> {
    let text = match request {
        "-" => read_text(std::io::stdin(), "the standard input")?,
        request => request.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Error::Usage(
            "the request is empty; say what is to be done".to_owned(),
        ));
    }
    Ok(text.trim().to_owned())
}

/// The request as a ticket. What fits into a line is its title; else the title is its beginning.
pub(super) fn ticket(text: &str, timeout: Option<Duration>) -> NewTicket {
    let title = clean::line(text, TITLE);
    NewTicket {
        description: if title == text {
            String::new()
        } else {
            text.to_owned()
        },
        title,
        deadline_ms: timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        created_by: std::env::var("USER").ok().filter(|user| !user.is_empty()),
        ..NewTicket::default()
    }
}

/// The repositories: each by its folder's name, numbered where several have the same.
pub(super) fn repos(paths: &[PathBuf]) -> Result<Vec<Repo>> {
    let here = std::env::current_dir()
        .map_err(|error| Error::Failed(format!("the current folder is gone: {error}")))?;
    let mut repos: Vec<Repo> = Vec::new();
    for path in paths {
        let wrong =
            |why: &dyn std::fmt::Display| Error::Usage(format!("--repo {}: {why}", path.display()));
        let real = absolute(&here, path)
            .canonicalize()
            .map_err(|error| wrong(&error))?;
        let text = real
            .to_str()
            .ok_or_else(|| wrong(&"its path is no text; rename the folder"))?;
        if repos.iter().any(|repo| repo.path == text) {
            continue;
        }
        let folder = real.file_name().and_then(|name| name.to_str());
        repos.push(Repo {
            name: free_name(&repos, folder.unwrap_or("repo")),
            path: text.to_owned(),
            base: None,
        });
    }
    Ok(repos)
}

/// A name that none has yet, made of what a repository's name may be made of.
fn free_name(taken: &[Repo], folder: &str) -> String {
    /// Characters of a name, with room for a number.
    const MOST: usize = 56;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = folder
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = &name[..name.len().min(MOST)];
    let wanted = if name.is_empty() { "repo" } else { name };
    let is_free = |name: &str| {
        let mut names = taken.iter().map(|repo| repo.name.to_lowercase());
        !names.any(|taken| taken == name.to_lowercase())
    };
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    std::iter::once(wanted.to_owned())
        .chain(numbered)
        .find(|name| is_free(name))
        .expect("there are more numbers than repositories")
}

/// The name of a workspace for requests about these repositories, on a host that others use too. The
/// same repositories have the same one, so that their number does not grow with the requests.
pub(super) fn workspace_for(repos: &[Repo]) -> String {
    let paths: Vec<&str> = repos.iter().map(|repo| repo.path.as_str()).collect();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, paths.join("\n").as_bytes());
    format!("ask-{}", &id.simple().to_string()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_team_is_one() {
        let team = default_team().expect("it parses");
        assert_eq!(team.head(), Some("coordinator"));
        assert!(team.plugins.is_empty());
        for agent in team.spec.agents.iter().skip(1) {
            assert_eq!(agent.boss.as_deref(), Some("coordinator"), "{}", agent.name);
            assert_eq!(agent.plugin, "command");
            assert!(!agent.skills.is_empty(), "{}", agent.name);
        }
    }

    #[test]
    fn the_default_team_is_granted_its_own_commands_and_no_others() {
        let mut all = Vec::new();
        let mut agents = default_team().expect("it parses").spec.agents;
        let boss = agents.remove(0);
        for agent in agents {
            let config = agent.config.unwrap_or_default();
            let commands = config["commands"].as_array().cloned().unwrap_or_default();
            let own: Vec<Vec<String>> = commands
                .iter()
                .map(|command| serde_json::from_value(command["run"].clone()).expect("a list"))
                .collect();
            assert_eq!(agent.grants.commands, own, "{}", agent.name);
            assert!(agent.grants.assign_to.is_empty(), "{}", agent.name);
            assert!(!own.is_empty(), "{}", agent.name);
            all.extend(own);
        }
        assert_eq!(boss.grants.commands, all, "a boss may do what its team may");
        assert!(boss.grants.assign_to.is_empty());
    }

    #[test]
    fn a_short_request_is_a_title_and_a_long_one_is_a_description_too() {
        let short = ticket("Count the lines.", Some(Duration::from_secs(2)));
        assert_eq!(
            (short.title.as_str(), short.description.as_str()),
            ("Count the lines.", "")
        );
        assert_eq!(short.deadline_ms, Some(2_000));
        let listed = ticket("- Count\n- List", None);
        assert_eq!(
            (listed.title.as_str(), listed.description.as_str()),
            ("- Count - List", "- Count\n- List")
        );
        let long = ticket(&"word ".repeat(100), None);
        assert_eq!(long.title.chars().count(), TITLE);
        assert_eq!(long.description.len(), 500);
    }

    #[test]
    fn repositories_have_names_of_their_own() {
        let root = tempfile::tempdir().expect("a folder");
        let paths: Vec<PathBuf> = [
            "a/app",
            "b/app",
            "c/App",
            "d/.git-x",
            "e/mein größtes",
            "a/app",
        ]
        .map(|path| root.path().join(path))
        .into();
        for path in &paths {
            std::fs::create_dir_all(path).expect("made");
        }
        let names: Vec<String> = repos(&paths)
            .expect("they are there")
            .into_iter()
            .map(|repo| repo.name)
            .collect();
        assert_eq!(names, ["app", "app-2", "App-3", "git-x", "mein-gr--tes"]);
        let missing = repos(&[root.path().join("nowhere")]).expect_err("it is not there");
        assert!(matches!(missing, Error::Usage(_)), "{missing}");
    }

    #[test]
    fn a_workspace_is_known_by_its_repositories() {
        let repo = |path: &str| Repo {
            name: "x".into(),
            path: path.into(),
            base: None,
        };
        let name = workspace_for(&[repo("/a")]);
        assert_eq!(name, workspace_for(&[repo("/a")]));
        assert_ne!(name, workspace_for(&[repo("/b")]));
        assert_eq!(name.len(), "ask-".len() + 12);
    }
}
