//! Saving teams: what is looked at before the event loop decides.
//!
//! Invariant: what takes long or blocks (schemas, git) is asked before, and never on the event loop.

use crate::event_loop::Msg;
use crate::host::{Host, HostError, Result, strange};
use crate::launch::repo_of;
use adjutant_connect::ports::RepoError;
use adjutant_model::{
    AgentId, Outcome, Refusal, Repo, TeamSpec, Violation, Workspace, WorkspaceSpec,
};
use std::collections::HashSet;
use std::path::Path;

/// Repositories that a refusal names.
const SHOWN: usize = 10;

impl Host {
    /// Saves a workspace and its agents, all or nothing; makes the workspace where there is none of
    /// that name. Gives back the workspace and the agents' names and ids.
    ///
    /// # Errors
    /// Where configurations do not fit their plugins; where a repository that the workspace has not linked
    /// yet is none on the host's machine; and where the workspace decides against it.
    pub async fn apply(&self, team: TeamSpec) -> Result<(Workspace, Vec<(String, AgentId)>)> {
        self.check_configs(&team).await?;
        self.check_repos(&team.workspace).await?;
        match self.ask(|reply| Msg::Apply { team, reply }).await? {
            (workspace, Outcome::Saved(agents)) => Ok((workspace, agents)),
            (_, other) => Err(strange(&other)),
        }
    }

    /// Refuses repositories of which no worktrees can be made. One that is linked already is left alone: it
    /// may be away for a while, and the team can be changed all the same.
    async fn check_repos(&self, spec: &WorkspaceSpec) -> Result<()> {
        let Some(wanted) = spec.repos.as_ref().filter(|repos| !repos.is_empty()) else {
            return Ok(());
        };
        let linked = self.linked(spec.name()).await?;
        spec.check_repos(&linked, &self.inner.limits)
            .map_err(HostError::Refused)?;
        let mut wrong = Vec::new();
        let mut seen = HashSet::new();
        for (n, repo) in wanted.iter().enumerate() {
            // Under another name it is the same.
            let same = |known: &Repo| (&known.path, &known.base) == (&repo.path, &repo.base);
            let is_new = !linked.iter().any(same);
            // A path that is not absolute is refused with all else that is wrong.
            if !is_new
                || !Path::new(&repo.path).is_absolute()
                || !seen.insert((&repo.path, &repo.base))
            {
                continue;
            }
            match self.inner.worktrees.check_repo(&repo_of(repo)).await {
                Ok(()) => {}
                Err(RepoError::Path(why)) => wrong.push(unusable(n, "path", &why)),
                Err(RepoError::Base(why)) => wrong.push(unusable(n, "base", &why)),
                // It may pass; a ticket that starts is told what it is.
                Err(RepoError::Unknown(error)) => {
                    tracing::warn!(repo = repo.path, %error, "a repository cannot be looked at");
                }
            }
            if wrong.len() >= SHOWN {
                break;
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(HostError::Refused(Refusal::Invalid(wrong))),
        }
    }

    /// The repositories that a workspace links; none where there is no such workspace.
    async fn linked(&self, workspace: &str) -> Result<Vec<Repo>> {
        let name = workspace.to_owned();
        self.query(move |worlds| {
            let mut all = worlds.values().map(|world| &world.state.workspace);
            let found = all.find(|workspace| workspace.name == name);
            found.map_or_else(Vec::new, |workspace| workspace.repos.clone())
        })
        .await
    }
}

fn unusable(place: usize, field: &str, why: &str) -> Violation {
    Violation::new(
        format!("/workspace/repos/{place}/{field}"),
        format!("{why} Nothing was saved."),
    )
}
