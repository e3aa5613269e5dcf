//! What happens outside once a transition is stored: runs start, wake and stop; worktrees end (see
//! `cleaning`).

use crate::choosing::BossSelector;
use crate::event_loop::Dispatcher;
use crate::launch::{Leaving, RunTask, provision_of};
use crate::world::Running;
use adjutant_model::{Command, Effect, Ending, Reply, Run, RunId, Timestamp, WorkspaceId, text};
use adjutant_run::{Called, Gone};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How often a run whose task is gone is brought back before it fails.
const MOST_LOST: u32 = 3;

impl Dispatcher {
    pub(crate) fn effect(&mut self, workspace: WorkspaceId, effect: Effect) {
        match effect {
            Effect::Start(run) => self.launch(workspace, run),
            Effect::Wake { run, at, reply } => self.wake(workspace, run, at, reply),
            Effect::Stop(run) => self.stop(workspace, run),
            Effect::Clean {
                ticket,
                keep_changes,
            } => self.clean(workspace, ticket, keep_changes),
            Effect::Choose { ticket, tried } => self.choose(workspace, ticket, tried),
            Effect::Count { plugin, fault } => self.operator().count(&plugin, fault),
        }
    }

    /// Where the instance of a waiting run listens for its answer.
    pub(crate) fn listen(
        &mut self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> oneshot::Receiver<(Timestamp, Reply)> {
        let (wake, answer) = oneshot::channel();
        let world = self.worlds.get_mut(&workspace);
        if let Some(running) = world.and_then(|world| world.running.get_mut(&run)) {
            running.wake = Some(wake);
            running.woken = false;
        }
        answer
    }

    /// A replayed run takes up its wait, which may be over already.
    pub(crate) fn resume(
        &mut self,
        workspace: WorkspaceId,
        run: RunId,
        reply: oneshot::Sender<Result<Called, Gone>>,
    ) {
        let world = self.worlds.get_mut(&workspace);
        let running = world.and_then(|world| world.running.get_mut(&run));
        let answer = match running {
            None => Err(Gone("the run is over".to_owned())),
            Some(running) => match running.answer.take() {
                Some((at, reply)) => Ok(Called::Reply(at, reply)),
                // It waits on disk as well as in memory.
                None if self.ending => Err(crate::stop::parked()),
                None => Ok(Called::Waiting(self.listen(workspace, run))),
            },
        };
        let _ = reply.send(answer);
    }

    fn wake(&mut self, workspace: WorkspaceId, run: RunId, at: Timestamp, reply: Reply) {
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        let Some(running) = world.running.get_mut(&run) else {
            return self.launch(workspace, run);
        };
        // Also where the answer is taken: it may be dropped with an instance that is being parked.
        running.woken = true;
        running.answer = match running.wake.take() {
            Some(wake) => wake.send((at, reply)).err(),
            None => Some((at, reply)),
        };
    }

    /// A run's task is over. It was parked, or has ended its run; or else it is brought back, for its
    /// run is still wanted.
    pub(crate) fn left(&mut self, workspace: WorkspaceId, run: RunId, start: u64, parked: bool) {
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        let same = |running: &Running| running.start == start;
        if !world.running.get(&run).is_some_and(same) {
            return;
        }
        let woken = world
            .running
            .remove(&run)
            .is_some_and(|running| running.woken);
        if parked {
            tracing::debug!(%run, "the run has left memory while it waits");
            if woken {
                self.launch(workspace, run);
            }
            return;
        }
        if self.ending || world.state.run(run).is_none_or(Run::is_over) {
            return;
        }
        let lost = world.lost.entry(run).or_default();
        *lost += 1;
        tracing::warn!(%run, times = *lost, "the run's task is gone and its run is not over");
        if *lost <= MOST_LOST {
            return self.launch(workspace, run);
        }
        let why = format!("its task was lost {MOST_LOST} times; the host's log says why");
        let ending = Ending::Broke(why);
        let pending = Vec::new();
        self.internal(
            workspace,
            Command::EndRun {
                run,
                pending,
                guest_us: 0,
                ending,
            },
        );
    }

    fn stop(&mut self, workspace: WorkspaceId, run: RunId) {
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        let Some(running) = world.running.remove(&run) else {
            return;
        };
        running.cancel.cancel();
        // Its turn at the worktree is over when its task is gone.
        running.task.abort();
    }

    /// Starts a run, or brings it back, unless it is in memory or over.
    pub(crate) fn launch(&mut self, workspace: WorkspaceId, id: RunId) {
        if self.ending {
            return;
        }
        self.starts += 1;
        let start = self.starts;
        let ledger = self.ledger(workspace);
        let (plugins, operator) = (self.shelf.table(), self.operator());
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        if world.running.contains_key(&id) {
            return;
        }
        let state = &world.state;
        let Some(run) = state.run(id).filter(|run| !run.is_over()) else {
            return;
        };
        let Some(ticket) = state.ticket(run.ticket) else {
            return;
        };
        let Some(agent) = state.agent(run.agent) else {
            return;
        };
        let boss = ticket.delegated_by.and_then(|boss| state.agent(boss));
        let request = state
            .ticket(ticket.root)
            .map_or("", text::request)
            .to_owned();
        let chooser = BossSelector::of(agent, self.execute.clone(), operator);
        let cancel = CancellationToken::new();
        let provision = provision_of(ticket, &state.workspace);
        let turn = provision.as_ref().map(|_| self.turns.take(ticket.id));
        let task = RunTask {
            leaving: Leaving {
                messages: self.messages.clone(),
                workspace,
                run: id,
                start,
                parked: false,
            },
            workspace,
            provision,
            run: run.clone(),
            ticket: Arc::new(ticket.clone()),
            agent: Arc::new(agent.clone()),
            authority: state.authority(ticket.id),
            described: plugins.described(&run.plugin.digest).cloned(),
            boss: boss.map(|boss| Arc::new(boss.clone())),
            request,
            chooser: Arc::new(chooser),
            cancel: cancel.clone(),
            turn,
            ledger,
            execute: self.execute.clone(),
            worktrees: self.parts.worktrees.clone(),
            clock: self.clock.clone(),
            messages: self.messages.clone(),
        };
        let task = task.launch();
        world.running.insert(
            id,
            Running {
                cancel,
                task,
                wake: None,
                answer: None,
                woken: false,
                start,
            },
        );
    }
}
