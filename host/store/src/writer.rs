//! The writer: the one task that turns queued batches into groups on disk.
//!
//! Each round takes what is queued (up to a bound), loads, decides ([`crate::plan`]), applies with
//! one fsync, and only then answers. Invariants: no batch is answered with a receipt before its
//! group is durable; after an apply of unknown outcome nothing is believed that was not read again
//! from the reopened database; batches keep the order of the queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::batch::{Batch, Partition, Receipt};
use crate::engine::{Engine, Frame, FrameHead, Group, Head, LoadRequest, Loaded};
use crate::error::{CommitError, EngineError, Shortage, StoreError};
use crate::partitions::Partitions;
use crate::plan::{Draft, Plan, Request, Verdict};
use crate::store::{Options, Shared};

/// What the queue carries.
#[derive(Debug)]
pub(crate) enum Job {
    Commit {
        batch: Batch,
        size: usize,
        reply: oneshot::Sender<Result<Receipt, CommitError>>,
    },
    Acquire {
        partition: Partition,
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Where a request's answer goes.
enum Reply {
    Commit(oneshot::Sender<Result<Receipt, CommitError>>),
    Acquire(oneshot::Sender<Result<u64, StoreError>>),
}

pub(crate) struct Writer {
    engine: Arc<dyn Engine>,
    options: Arc<Options>,
    queue: mpsc::Receiver<Job>,
    shared: Arc<Shared>,
    partitions: Partitions,
    /// Why the database is not open, since it could not be reopened.
    down: Option<EngineError>,
    /// When it was last tried to reopen.
    tried: Option<Instant>,
}

/// Requests with their answers' addresses, index by index.
#[derive(Default)]
struct Round {
    requests: Vec<Request>,
    replies: Vec<Reply>,
    bytes: usize,
    close: Option<oneshot::Sender<()>>,
}

impl Writer {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        options: Arc<Options>,
        queue: mpsc::Receiver<Job>,
        shared: Arc<Shared>,
    ) -> Writer {
        let partitions = Partitions::new(options.partitions, options.op_window);
        Writer {
            engine,
            options,
            queue,
            shared,
            partitions,
            down: None,
            tried: None,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let first = tokio::select! {
                biased;
                job = self.queue.recv() => match job {
                    Some(job) => job,
                    None => return,
                },
                () = self.shared.suspect.notified() => {
                    self.recheck().await;
                    continue;
                }
                () = sleep(self.options.reopen_pause), if self.down.is_some() => {
                    self.recheck().await;
                    continue;
                }
            };
            let mut round = Round::default();
            self.take(first, &mut round);
            self.gather().await;
            while round.close.is_none()
                && round.requests.len() < self.options.group
                && round.bytes < self.options.group_bytes
                && let Ok(job) = self.queue.try_recv()
            {
                self.take(job, &mut round);
            }
            let close = round.close.take();
            if !round.requests.is_empty() {
                self.write(round).await;
                self.partitions.trim();
                self.shared
                    .shortage
                    .send_if_modified(|held| held.take().is_some());
            }
            if let Some(done) = close {
                // Whatever slipped in behind is dropped with the queue, which answers it "closed".
                // The caller may have stopped waiting; then nobody needs the answer.
                done.send(()).unwrap_or_default();
                return;
            }
        }
    }

    /// Lets the tasks run that the last round's answers woke: they tend to submit again at once,
    /// and one fsync more costs all of them more than this moment.
    async fn gather(&self) {
        const TURNS: usize = 4;
        for _ in 0..TURNS {
            let queued = self.queue.len();
            yield_now().await;
            if self.queue.len() == queued {
                break;
            }
        }
    }

    fn take(&self, job: Job, round: &mut Round) {
        match job {
            Job::Commit { batch, size, reply } => {
                self.shared.queued.fetch_sub(size, Ordering::AcqRel);
                round.bytes += size;
                round.requests.push(Request::Commit(batch));
                round.replies.push(Reply::Commit(reply));
            }
            Job::Acquire { partition, reply } => {
                round.requests.push(Request::Acquire(partition));
                round.replies.push(Reply::Acquire(reply));
            }
            Job::Close { done } => round.close = Some(done),
        }
    }

    /// Writes one round and answers every request of it. While there is no room its batches wait;
    /// acquisitions, which take next to none, do not.
    async fn write(&mut self, round: Round) {
        let Err(shortage) = self.engine.room() else {
            return self.write_now(round).await;
        };
        let (mut commits, mut acquisitions) = (Round::default(), Round::default());
        for (request, reply) in round.requests.into_iter().zip(round.replies) {
            let part = match reply {
                Reply::Commit(_) => &mut commits,
                Reply::Acquire(_) => &mut acquisitions,
            };
            part.requests.push(request);
            part.replies.push(reply);
        }
        if !acquisitions.requests.is_empty() {
            self.write_now(acquisitions).await;
        }
        if commits.requests.is_empty() {
            return;
        }
        let mut shortage = Some(shortage);
        while let Some(short) = shortage {
            if !self.hold(&short, 0).await {
                let full = CommitError::Full(short);
                return refuse_commits(commits.replies, &full);
            }
            shortage = self.engine.room().err();
        }
        self.write_now(commits).await;
    }

    async fn write_now(&mut self, round: Round) {
        let Round {
            requests, replies, ..
        } = round;
        if self.down.is_some() {
            self.recheck().await;
        }
        if let Some(why) = &self.down {
            return refuse_all(replies, why);
        }
        let plan = match self.plan(requests).await {
            Ok(plan) => plan,
            Err(why) => return refuse_all(replies, &why),
        };
        let Plan { verdicts, group } = plan;
        if group.heads.is_empty() {
            return answer_all(replies, verdicts);
        }
        let group = Arc::new(group);
        match self.engine.apply(group.clone()).await {
            Ok(()) => {
                self.landed(&group);
                answer_all(replies, verdicts);
            }
            Err(EngineError::Moved { .. }) => self.moved(replies, verdicts, &group).await,
            Err(EngineError::Full { path, why, .. }) if !group.frames.is_empty() => {
                let shortage = Shortage::Refused { path, why };
                match self.insist(&group, shortage).await {
                    Ok(()) => {
                        self.landed(&group);
                        answer_all(replies, verdicts);
                    }
                    Err(error) => refuse_unless_repeated(replies, verdicts, &error),
                }
            }
            Err(error) => {
                tracing::error!(%error, batches = group.frames.len(), "writing a group failed");
                match self.settle(&group).await {
                    Ok(true) => answer_all(replies, verdicts),
                    Ok(false) => refuse_unless_repeated(replies, verdicts, &error),
                    Err(down) => refuse_unless_repeated(replies, verdicts, &down),
                }
            }
        }
    }

    /// The disk had no room for the group: writes it again and again until it has. The group stays
    /// right meanwhile, for nobody else writes.
    async fn insist(&mut self, group: &Arc<Group>, shortage: Shortage) -> Result<(), EngineError> {
        let mut full = EngineError::Failed {
            doing: "writing a group",
            why: shortage.to_string(),
        };
        for attempt in 0.. {
            match self.settle(group).await {
                Ok(true) => return Ok(()),
                Ok(false) | Err(EngineError::Full { .. }) => {}
                Err(down) => return Err(down),
            }
            if !self.hold(&shortage, attempt).await {
                break;
            }
            if self.down.is_some() {
                continue;
            }
            full = match self.engine.apply(group.clone()).await {
                Ok(()) => return Ok(()),
                Err(full @ EngineError::Full { .. }) => full,
                Err(moved @ EngineError::Moved { .. }) => return Err(moved),
                Err(error) => {
                    let landed = self.settle(group).await?;
                    return if landed { Ok(()) } else { Err(error) };
                }
            };
        }
        Err(full)
    }

    /// Waits a while for room, and lets everyone know. False where the store is being closed.
    async fn hold(&mut self, shortage: &Shortage, attempt: u32) -> bool {
        /// Doublings of the pause between two attempts.
        const MOST_DOUBLINGS: u32 = 4;
        self.shared.shortage.send_if_modified(|held| {
            if held.is_none() {
                tracing::error!(%shortage, "nothing can be written: batches wait until there is room");
            }
            let other = held.as_ref() != Some(shortage);
            *held = Some(shortage.clone());
            other
        });
        let pause = self.options.reopen_pause * 2_u32.pow(attempt.min(MOST_DOUBLINGS));
        let end = Instant::now() + pause;
        while !self.shared.closing.load(Ordering::Acquire) {
            tokio::select! {
                () = self.shared.closed.notified() => {}
                () = self.shared.suspect.notified() => self.recheck().await,
                () = sleep_until(end) => return true,
            }
        }
        false
    }

    /// Loads what the requests need and decides them. A failed load wrote nothing, so after
    /// reopening it is tried once more.
    async fn plan(&mut self, requests: Vec<Request>) -> Result<Plan, EngineError> {
        let mut draft = Draft::new(&requests);
        let wanted = std::mem::take(&mut draft.load);
        let loaded = match self.load(&requests, wanted).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "reading before a write failed");
                self.recover(self.options.reopen_attempts).await?;
                self.load(&requests, Draft::new(&requests).load).await?
            }
        };
        Ok(draft.decide(requests, loaded, &self.partitions))
    }

    async fn load(
        &mut self,
        requests: &[Request],
        mut request: LoadRequest,
    ) -> Result<Loaded, EngineError> {
        for partition in requests.iter().map(Request::partition) {
            if !self.partitions.touch(partition) && !request.heads.contains(&partition) {
                request.heads.push(partition);
            }
        }
        let unknown = request.heads.clone();
        let loaded = self.engine.load(request).await?;
        for (partition, head) in unknown.into_iter().zip(&loaded.heads) {
            let recent = match head.frames {
                0 => Vec::new(),
                _ => {
                    self.engine
                        .recent(partition, self.options.op_window)
                        .await?
                }
            };
            self.partitions.learn(partition, *head, &recent);
            self.shared.publish(partition, head.seq);
        }
        Ok(loaded)
    }

    /// The group is durable: what we remember follows, and readers hear of it.
    fn landed(&mut self, group: &Group) {
        for frame in &group.frames {
            let events = frame.events.len().try_into().unwrap_or(u32::MAX);
            let receipt = Receipt {
                first_seq: frame.at.first_seq,
                events,
            };
            self.partitions
                .remember(frame.at.partition, frame.op, receipt);
        }
        for change in &group.heads {
            self.partitions.advance(change.partition, change.after);
            self.shared.publish(change.partition, change.after.seq);
        }
    }

    /// Reopens after an apply of unknown outcome and looks whether the group is there. All or
    /// nothing: one missing frame means that none of it is. Acquisitions leave no frame; a group of
    /// nothing else counts as not landed, and acquiring again is safe.
    async fn settle(&mut self, group: &Group) -> Result<bool, EngineError> {
        self.recover(self.options.reopen_attempts).await?;
        let frames = group.frames.iter().map(|frame| frame.at).collect();
        let request = LoadRequest {
            frames,
            ..LoadRequest::default()
        };
        let loaded = match self.engine.load(request).await {
            Ok(loaded) => loaded,
            Err(error) => {
                self.down = Some(error.clone());
                return Err(error);
            }
        };
        let same = |(frame, found): (&Frame, &Option<FrameHead>)| {
            found.is_some_and(|found| found.op == frame.op && found.epoch == frame.epoch)
        };
        let landed = !group.frames.is_empty() && group.frames.iter().zip(&loaded.frames).all(same);
        tracing::warn!(
            landed,
            batches = group.frames.len(),
            "the database is open again"
        );
        if landed {
            group
                .heads
                .iter()
                .for_each(|head| self.shared.publish(head.partition, head.after.seq));
        }
        Ok(landed)
    }

    /// Someone else wrote to one of the group's partitions: its batches are fenced, the others of
    /// the group were not written and can be repeated.
    async fn moved(&mut self, replies: Vec<Reply>, verdicts: Vec<Verdict>, group: &Group) {
        self.partitions.clear();
        let heads: Vec<Partition> = group.heads.iter().map(|change| change.partition).collect();
        let request = LoadRequest {
            heads: heads.clone(),
            ..LoadRequest::default()
        };
        let current: Vec<(Partition, Head)> = match self.engine.load(request).await {
            Ok(loaded) => heads.into_iter().zip(loaded.heads).collect(),
            Err(_) => Vec::new(),
        };
        for (reply, verdict) in replies.into_iter().zip(verdicts) {
            let frame = match verdict {
                Verdict::Written { frame, .. } => group.frames.get(frame),
                Verdict::Repeated(_) | Verdict::Acquired(_) | Verdict::Refused(_) => None,
            };
            let fenced = frame.and_then(|frame| {
                let (partition, epoch) = (frame.at.partition, frame.epoch);
                let (_, head) = current.iter().find(|(p, _)| *p == partition)?;
                let current = head.epoch;
                (current != epoch).then_some(CommitError::Fenced {
                    partition,
                    epoch,
                    current,
                })
            });
            match (reply, verdict, fenced) {
                (Reply::Commit(reply), _, Some(fenced)) => answer(reply, Err(fenced)),
                (Reply::Commit(reply), Verdict::Repeated(receipt), None) => {
                    answer(reply, Ok(receipt));
                }
                (reply, ..) => refuse(reply, &EngineError::Failed {
                    doing: "writing a group",
                    why: "another host wrote to a partition of it; nothing was written, try again"
                        .to_owned(),
                }),
            }
        }
    }

    /// Reopens once, unless that was tried a moment ago.
    async fn recheck(&mut self) {
        let recently = self
            .tried
            .is_some_and(|at| at.elapsed() < self.options.reopen_pause);
        if !recently {
            // The outcome is kept in `down`.
            self.recover(1).await.unwrap_or_default();
        }
    }

    /// Forgets what was cached and reopens the database, in a bounded number of attempts.
    async fn recover(&mut self, attempts: u32) -> Result<(), EngineError> {
        self.partitions.clear();
        let mut outcome = Ok(());
        for attempt in 0..attempts.max(1) {
            if attempt > 0 {
                sleep(self.options.reopen_pause).await;
            }
            outcome = self.engine.reopen().await;
            self.tried = Some(Instant::now());
            match &outcome {
                Ok(()) | Err(EngineError::Closed) => break,
                Err(error) => tracing::error!(%error, attempt, "reopening the database failed"),
            }
        }
        self.down = outcome.clone().err();
        if outcome.is_ok() {
            self.shared.reopened.send_modify(|times| *times += 1);
        }
        outcome
    }
}

fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    // Nobody may be waiting: a submitted batch need not be awaited.
    drop(reply.send(value));
}

fn answer_all(replies: Vec<Reply>, verdicts: Vec<Verdict>) {
    for (reply, verdict) in replies.into_iter().zip(verdicts) {
        match (reply, verdict) {
            (
                Reply::Commit(reply),
                Verdict::Repeated(receipt) | Verdict::Written { receipt, .. },
            ) => {
                answer(reply, Ok(receipt));
            }
            (Reply::Commit(reply), Verdict::Refused(refusal)) => answer(reply, Err(refusal)),
            (Reply::Acquire(reply), Verdict::Acquired(epoch)) => answer(reply, Ok(epoch)),
            // Not reached: a verdict is of its request's kind. Dropping the reply says "closed".
            (Reply::Commit(_), Verdict::Acquired(_))
            | (
                Reply::Acquire(_),
                Verdict::Repeated(_) | Verdict::Written { .. } | Verdict::Refused(_),
            ) => {}
        }
    }
}

fn refuse(reply: Reply, why: &EngineError) {
    match (reply, why) {
        (Reply::Commit(reply), EngineError::Closed) => answer(reply, Err(CommitError::Closed)),
        (Reply::Acquire(reply), EngineError::Closed) => answer(reply, Err(StoreError::Closed)),
        (Reply::Commit(reply), why) => {
            answer(reply, Err(CommitError::Unavailable(why.to_string())));
        }
        (Reply::Acquire(reply), why) => answer(reply, Err(StoreError::Engine(why.clone()))),
    }
}

fn refuse_all(replies: Vec<Reply>, why: &EngineError) {
    replies.into_iter().for_each(|reply| refuse(reply, why));
}

/// Refuses a round that has batches only.
fn refuse_commits(replies: Vec<Reply>, why: &CommitError) {
    for reply in replies {
        match reply {
            Reply::Commit(reply) => answer(reply, Err(why.clone())),
            // Not reached. Dropping the reply says "closed".
            Reply::Acquire(_) => {}
        }
    }
}

/// The group did not land, so its refusals are void as well: they may rest on what it held. Only
/// what was durable before it stands.
fn refuse_unless_repeated(replies: Vec<Reply>, verdicts: Vec<Verdict>, why: &EngineError) {
    for (reply, verdict) in replies.into_iter().zip(verdicts) {
        match (reply, verdict) {
            (Reply::Commit(reply), Verdict::Repeated(receipt)) => answer(reply, Ok(receipt)),
            (reply, _) => refuse(reply, why),
        }
    }
}
