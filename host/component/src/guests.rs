//! Where guests compute: threads of their own, apart from those that decide, store and answer.
//!
//! A task is a run with all that the host does for it. Each poll's processor time is charged to the
//! task's owner, and [`Shares`] says whose task is polled next. A poll of a guest ends at the latest with
//! the engine's tick, and at once where somebody waits who has used less.
//!
//! What needs little does not need them: a task that has computed for less than [`BRIEF`] of an owner that
//! has lately used the least is polled by the runtime's own workers, which spares it the way to another
//! thread and back.
//!
//! Invariants:
//! - The threads have a lower priority than the rest of the host, which so waits for a guest only where that
//!   one is brief, and its owner's use small beside that of others.
//! - A panic ends its task and no thread.
//! - Dropping a [`GuestTask`] cancels it: its future is dropped on one of these threads, soon. When the
//!   last handle to the executor is gone, what is ready is dropped and the threads end.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::Thread;
use std::time::{Duration, Instant};

use async_task::Runnable;
use tokio::runtime::Handle;
use tracing::error;

use crate::permits::Owner;
use crate::shares::Shares;

/// What a task may compute before it leaves the runtime's workers for good.
const BRIEF: Duration = Duration::from_millis(5);

/// By how much the priority of guests is lower than that of the host (a `nice` value).
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// `SCHED_FLAG_RESET_ON_FORK` of sched_setattr(2), whose type differs between C libraries.
#[cfg(target_os = "linux")]
const RESET_ON_FORK: u64 = 1;

/// A guest's turn at a processor that nobody else wants; the longest that Linux takes.
#[cfg(target_os = "linux")]
const TURN: Duration = Duration::from_millis(100);

/// The executor. Dropping it ends its threads.
#[derive(Debug)]
pub(crate) struct Guests(Arc<Pool>);

/// A task under way. Its output is what its future gives; dropping it cancels the task.
#[derive(Debug)]
#[must_use = "dropping a task cancels it: await or detach it"]
pub struct GuestTask<T>(async_task::FallibleTask<T, Terms>);

/// The task has panicked, or the executor is gone.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a task of a run broke off; the host's log says why")]
pub struct TaskLost;

/// What a task brings along.
#[derive(Debug)]
struct Terms {
    owner: Owner,
    /// For its timers, and for what it spawns.
    runtime: Handle,
    /// Nanoseconds that it has computed.
    used: Arc<AtomicU64>,
}

struct Pool {
    state: Mutex<State>,
    /// Makes the guests that are being polled yield.
    preempt: Box<dyn Fn() + Send + Sync>,
}

struct State {
    shares: Shares<Runnable<Terms>>,
    recent: Recent,
    /// Threads that sleep and that nobody has woken, the last to fall asleep last: it is the warmest.
    idle: Vec<(usize, Thread)>,
    /// A thread that was woken and has not looked for a task yet. It wakes the next one if there is more,
    /// so that as many are woken as find something to do.
    woken: Option<usize>,
    /// Guests were told to yield since a thread last looked for a task.
    preempting: bool,
    closed: bool,
}

impl Guests {
    /// Starts the threads: one for each processor, and as many spare ones.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn new(
        processors: usize,
        preempt: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let pool = Arc::new(Pool {
            state: Mutex::new(State {
                shares: Shares::new(processors, processors),
                recent: Recent::default(),
                idle: Vec::new(),
                woken: None,
                preempting: false,
                closed: false,
            }),
            preempt: Box::new(preempt),
        });
        let guests = Self(pool);
        for n in 0..2 * processors {
            let pool = guests.0.clone();
            std::thread::Builder::new()
                .name(format!("guests-{n}"))
                .spawn(move || pool.work(n))?;
        }
        Ok(guests)
    }

    /// Begins a task for an owner, in the present runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn spawn<F>(&self, owner: Owner, future: F) -> GuestTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_used(owner, Duration::ZERO, future)
    }

    /// The same, for a task that has computed for so long already.
    fn spawn_used<F>(&self, owner: Owner, used: Duration, future: F) -> GuestTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let pool = self.0.clone();
        let schedule = move |task| pool.push(task);
        let terms = Terms {
            owner,
            runtime: Handle::current(),
            used: Arc::default(),
        };
        charge(&terms.used, used);
        let (runnable, task) = async_task::Builder::new()
            .metadata(terms)
            .spawn(move |_| future, schedule);
        runnable.schedule();
        GuestTask(task.fallible())
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let left = state.shares.take_all();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.iter().for_each(|(_, thread)| thread.unpark());
        drop(left);
    }
}

impl<T> GuestTask<T> {
    /// Lets it go on by itself.
    pub fn detach(self) {
        self.0.detach();
    }
}

impl<T> Future for GuestTask<T> {
    type Output = Result<T, TaskLost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|output| output.ok_or(TaskLost))
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task is ready.
    fn push(self: &Arc<Self>, task: Runnable<Terms>) {
        let Terms {
            owner,
            runtime,
            used,
        } = task.metadata();
        let owner = *owner;
        let is_brief = used.load(Ordering::Relaxed) < BRIEF.as_nanos() as u64;
        let mut state = self.state();
        if is_brief && !state.closed && state.recent.is_modest(owner, Instant::now()) {
            drop(state);
            let (pool, runtime) = (self.clone(), runtime.clone());
            runtime.spawn(async move { pool.run_here(task) });
            return;
        }
        if state.closed {
            drop(state);
            // Cancels it.
            return drop(task);
        }
        state.shares.push(owner, task);
        let wake = state.take_idle();
        let preempt = !state.preempting && state.shares.is_held_up(owner);
        state.preempting |= preempt;
        drop(state);
        if let Some(thread) = wake {
            thread.unpark();
        }
        if preempt {
            (self.preempt)();
        }
    }

    /// Polls a task on a worker of the runtime.
    fn run_here(&self, task: Runnable<Terms>) {
        let (owner, used) = (task.metadata().owner, task.metadata().used.clone());
        let begin = Instant::now();
        poll(task);
        let (now, time) = (Instant::now(), begin.elapsed());
        charge(&used, time);
        self.state().recent.ran(owner, time, now);
    }

    /// Sleeps until it is woken.
    fn sleep<'a>(&'a self, me: usize, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.idle.push((me, std::thread::current()));
        loop {
            drop(state);
            std::thread::park();
            state = self.state();
            // It may wake by itself.
            if state.closed || !state.idle.iter().any(|(number, _)| *number == me) {
                break;
            }
        }
        state.woken.take_if(|number| *number == me);
        state
    }

    /// What each thread does.
    fn work(&self, me: usize) {
        lower_priority();
        let mut clock = thread_time();
        let mut state = self.state();
        while !state.closed {
            let Some((owner, task)) = state.shares.pop() else {
                state = self.sleep(me, state);
                continue;
            };
            state.preempting = false;
            let wake = state.take_idle();
            drop(state);
            if let Some(thread) = wake {
                thread.unpark();
            }
            let used = task.metadata().used.clone();
            run(task);
            let now = thread_time();
            let time = now.saturating_sub(clock);
            clock = now;
            charge(&used, time);
            state = self.state();
            state.shares.ran(owner, time);
            state.recent.ran(owner, time, Instant::now());
        }
    }
}

impl State {
    /// A thread that is to be woken for what is ready.
    fn take_idle(&mut self) -> Option<Thread> {
        if self.woken.is_some() || !self.shares.has_next() {
            return None;
        }
        let (number, thread) = self.idle.pop()?;
        self.woken = Some(number);
        Some(thread)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// What owners have used lately. What is older counts less: half after [`Recent::HALF`].
#[derive(Debug, Default)]
struct Recent(HashMap<Owner, (Duration, Instant)>);

impl Recent {
    const HALF: Duration = Duration::from_millis(500);
    /// Less than this is nothing.
    const NOTHING: Duration = Duration::from_micros(10);
    /// Owners that are remembered at most.
    const OWNERS: usize = 64;

    fn of(&(used, at): &(Duration, Instant), now: Instant) -> Duration {
        let age = now.saturating_duration_since(at).as_secs_f64() / Self::HALF.as_secs_f64();
        used.mul_f64((-age).exp2())
    }

    /// An owner's task was polled for so long.
    fn ran(&mut self, owner: Owner, time: Duration, now: Instant) {
        let before = self
            .0
            .get(&owner)
            .map_or(Duration::ZERO, |one| Self::of(one, now));
        self.0.insert(owner, (before + time, now));
        if self.0.len() > Self::OWNERS {
            // Who is forgotten counts as one that has used nothing.
            self.0.retain(|_, one| Self::of(one, now) > Self::NOTHING);
            let least = self.0.iter().min_by_key(|(_, one)| Self::of(one, now));
            if let Some(least) = least
                .map(|(owner, _)| *owner)
                .filter(|_| self.0.len() > Self::OWNERS)
            {
                self.0.remove(&least);
            }
        }
    }

    /// Whether nobody else has lately used anything, or nobody who has used less than this one.
    fn is_modest(&self, owner: Owner, now: Instant) -> bool {
        let mine = self
            .0
            .get(&owner)
            .map_or(Duration::ZERO, |one| Self::of(one, now));
        self.0.iter().all(|(other, one)| {
            let theirs = Self::of(one, now);
            *other == owner || theirs <= Self::NOTHING || mine <= theirs
        })
    }
}

fn charge(used: &AtomicU64, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    used.fetch_add(nanos, Ordering::Relaxed);
}

/// Polls a task once on a thread of this executor.
fn run(task: Runnable<Terms>) {
    let runtime = task.metadata().runtime.clone();
    let _within = runtime.enter();
    poll(task);
}

/// Polls a task once, or drops it where it was cancelled.
fn poll(task: Runnable<Terms>) {
    // The task's future is dropped by then, and whoever waits for it is told.
    if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
        error!("a run's task panicked");
    }
}

/// What this thread has computed.
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// For this thread only: a lower weight, and turns that are long where nobody else wants the processor,
/// of which the scheduler makes short ones for whoever wakes meanwhile (Linux from 6.12 on; before, the
/// length is ignored). A process that it starts inherits the weight and not the length. Otherwise the host, which sleeps and
/// wakes several times for each write, would wait for a clock tick each time.
#[cfg(target_os = "linux")]
fn lower_priority() {
    // Relative to what the host itself was started with.
    let host = rustix::process::getpriority_process(None).unwrap_or(0);
    let lowered = uapi::sched_getattr(0, 0).and_then(|mut attributes| {
        attributes.sched_policy = uapi::c::SCHED_BATCH as u32;
        attributes.sched_flags = RESET_ON_FORK;
        attributes.sched_nice = (host + NICE).min(19);
        attributes.sched_runtime = TURN.as_nanos() as u64;
        uapi::sched_setattr(0, &attributes, 0)
    });
    // A sandbox may refuse the one and grant the other.
    let lowered =
        lowered.or_else(|_| rustix::process::setpriority_process(None, host + NICE).map_err(drop));
    if lowered.is_err() {
        tracing::warn!("the system refuses guests a lower priority: they run at the host's own");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    fn guests(processors: usize) -> Guests {
        Guests::new(processors, || {}).expect("threads")
    }

    /// Says when it is dropped.
    struct Tells(Option<oneshot::Sender<()>>);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.take().map(|tell| tell.send(()));
        }
    }

    #[tokio::test]
    async fn a_task_has_timers_spawns_and_gives_its_output() {
        let guests = guests(1);
        let task = guests.spawn(1, async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async { 20 }).await.expect("no panic") + 1
        });
        assert_eq!(task.await.expect("it ends"), 21);
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_no_thread() {
        let guests = guests(1);
        for _ in 0..10 {
            let task = guests.spawn(1, async { panic!("on purpose") });
            let lost: Result<(), TaskLost> = task.await;
            assert!(lost.is_err());
        }
        assert_eq!(guests.spawn(1, async { 1 }).await.expect("it ends"), 1);
    }

    #[tokio::test]
    async fn dropping_a_task_cancels_it_and_detaching_does_not() {
        let guests = guests(1);
        let (tell, gone) = oneshot::channel();
        let tells = Tells(Some(tell));
        let task = guests.spawn(1, async move {
            let _tells = tells;
            std::future::pending::<()>().await;
        });
        drop(task);
        gone.await.expect("it is dropped");
        let (tell, done) = oneshot::channel();
        let task = guests.spawn(1, async move {
            tokio::task::yield_now().await;
            tell.send(()).expect("somebody waits");
        });
        task.detach();
        done.await.expect("it goes on");
    }

    #[test]
    fn who_has_lately_used_the_least_is_modest_and_who_used_nothing_counts_for_nothing() {
        let mut recent = Recent::default();
        let begin = Instant::now();
        let ms = Duration::from_millis;
        assert!(recent.is_modest(1, begin), "there is nobody else");
        recent.ran(1, ms(100), begin);
        assert!(recent.is_modest(1, begin), "still nobody else");
        recent.ran(2, ms(10), begin);
        assert!(recent.is_modest(2, begin) && !recent.is_modest(1, begin));
        assert!(recent.is_modest(3, begin), "a newcomer");
        // Half a second later one has used 50 ms lately, and two, who went on, 65.
        let later = begin + Recent::HALF;
        recent.ran(2, ms(60), later);
        assert!(recent.is_modest(1, later) && !recent.is_modest(2, later));
        assert!(recent.is_modest(2, begin + ms(60_000)), "long ago");
        for owner in 0..1_000 {
            recent.ran(owner, ms(1), later);
        }
        assert!(recent.0.len() <= Recent::OWNERS);
    }

    #[tokio::test]
    async fn what_computes_for_long_leaves_the_runtimes_workers() {
        let guests = guests(1);
        let here = std::thread::current().id();
        let task = guests.spawn(1, async move {
            let first = std::thread::current().id();
            let begin = Instant::now();
            while begin.elapsed() <= BRIEF {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
            (first, std::thread::current().id())
        });
        let (first, then) = task.await.expect("it ends");
        // The test's runtime has one worker, which is this thread.
        assert_eq!(first, here);
        assert_ne!(then, here);
    }

    #[tokio::test]
    async fn what_is_left_when_the_executor_goes_is_dropped_and_its_threads_end() {
        let guests = guests(1);
        let pool = Arc::downgrade(&guests.0);
        let (wake, woken) = oneshot::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let task = guests.spawn(1, async move {
            begun.send(()).expect("somebody waits");
            woken.await.expect("woken");
            panic!("it goes no further");
        });
        begins.await.expect("it begins");
        drop(guests);
        // It becomes ready where nobody polls it any more.
        wake.send(()).expect("it waits");
        assert!(task.await.is_err());
        while pool.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_has_used_less_finds_a_thread_and_the_others_are_told_to_yield() {
        let told = Arc::new(AtomicUsize::new(0));
        let telling = told.clone();
        let guests = Guests::new(1, move || {
            telling.fetch_add(1, Ordering::SeqCst);
        })
        .expect("threads");
        let (begun, begins) = oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let long = guests.spawn_used(1, BRIEF, async move {
            begun.send(()).expect("somebody waits");
            // One poll that cannot be cut short.
            ended.recv().expect("it is ended");
        });
        begins.await.expect("it begins");
        guests.spawn_used(1, BRIEF, async {}).detach();
        assert_eq!(told.load(Ordering::SeqCst), 0, "its own can wait");
        let other = guests.spawn_used(2, BRIEF, async {});
        other.await.expect("it ends meanwhile");
        assert_eq!(told.load(Ordering::SeqCst), 1);
        end.send(()).expect("it waits");
        long.await.expect("it ends");
    }
}
