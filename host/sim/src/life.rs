//! One life of the machine: from the start of the host to a crash, a shutdown, or rest.

use crate::actors::Actors;
use crate::audit::{self, Story};
use crate::dice::Dice;
use crate::engine::{Crash, SimEngine};
use crate::outside::Outside;
use crate::people::{Client, Plan, Reporter, settle};
use crate::worktrees::SimWorktrees;
use adjutant_component::{Engine as Components, EngineOptions};
use adjutant_connect::ports::Worktrees as _;
use adjutant_dispatch::{Host, HostOptions, HostParts, Inside};
use adjutant_model::Limits;
use adjutant_run::{Clock, RunnerOptions};
use adjutant_store::testing::{Call, SimDisk};
use adjutant_store::{Options, Store, records};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Hours after which a world must have come to rest. The longest wait is a tenth of that.
const HOURS: u32 = 72;

/// What one life is to be.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) outside: Outside,
    pub(crate) disk: SimDisk,
    pub(crate) worktrees: SimWorktrees,
    pub(crate) plans: Vec<Plan>,
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    pub(crate) ends: Ends,
    /// What people do meanwhile.
    pub(crate) people: u64,
    /// Of a hundred things that people do, how many may interfere.
    pub(crate) meddles: u64,
    /// Whether the disk fails by itself at times.
    pub(crate) trouble: bool,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The disk turns the machine off.
    AtDisk(Crash),
    /// The machine is off after so many milliseconds.
    At(u64),
    /// The host is stopped after so many milliseconds.
    Stopped(u64),
    /// When all is at rest.
    AtRest,
    /// As [`AtRest`](Ends::AtRest), and from the beginning on nobody does anything.
    Again,
}

/// What was found when all was at rest.
pub(crate) struct Rest {
    pub(crate) digest: [u8; 32],
}

impl Life {
    /// Lives. `None` says that it ended before all was at rest.
    pub(crate) async fn live(mut self) -> Option<Rest> {
        self.outside.switched_on();
        let crash = match self.ends {
            Ends::AtDisk(crash) => crash,
            Ends::At(_) | Ends::Stopped(_) | Ends::AtRest | Ends::Again => Crash::Never,
        };
        let opened = SimEngine::open(
            self.disk.clone(),
            crash,
            self.dice.fork(),
            self.outside.clone(),
        )
        .await;
        let engine = match opened {
            Ok(engine) => Arc::new(engine),
            Err(error) => {
                self.outside
                    .violated(format!("the database cannot be opened again: {error}"));
                return None;
            }
        };
        let store = match Store::open(engine.clone(), self.store_options()).await {
            Ok(store) => store,
            Err(error) => {
                self.outside
                    .violated(format!("the store cannot be opened: {error}"));
                return None;
            }
        };
        if let Err(why) = self.plugins(&store).await {
            self.outside.violated(format!("no plugins: {why}"));
            return None;
        }
        let host = match self.host(store.clone()).await {
            Ok(host) => host,
            Err(error) => {
                self.outside
                    .violated(format!("the host cannot start: {error}"));
                return None;
            }
        };
        self.outside.set_host(host.clone());
        self.outside
            .trace(|| format!("the host has started; {:?}", self.ends));
        let ends = self.ends;
        let clock = self.outside.clone();
        let life = self.go_on(host.clone(), store, engine);
        match ends {
            Ends::AtDisk(_) | Ends::AtRest | Ends::Again => life.await,
            Ends::At(ms) => {
                tokio::select! {
                    biased;
                    () = sleep(Duration::from_millis(ms)) => clock.trace(|| "the machine is off".into()),
                    _ = life => {}
                }
                None
            }
            Ends::Stopped(ms) => {
                tokio::select! {
                    biased;
                    () = sleep(Duration::from_millis(ms)) => {}
                    _ = life => {}
                }
                host.shutdown().await;
                clock.trace(|| "the host has stopped".into());
                None
            }
        }
    }

    async fn go_on(mut self, host: Host, store: Store, engine: Arc<SimEngine>) -> Option<Rest> {
        let mut around = JoinSet::new();
        if self.ends != Ends::Again {
            settle(&host, &self.plans, &self.outside).await;
        }
        let ids: Vec<_> = self.outside.lock().workspaces.values().copied().collect();
        for workspace in &ids {
            let (host, outside, workspace) = (host.clone(), self.outside.clone(), *workspace);
            around.spawn(async move { watch(host, outside, workspace).await });
        }
        if self.ends != Ends::Again {
            let reporter = Reporter {
                host: host.clone(),
                outside: self.outside.clone(),
                dice: self.dice.fork(),
            };
            around.spawn(reporter.work());
        }
        let mut people = JoinSet::new();
        self.outside.lock().people_left = 3;
        for _ in 0..3 {
            let client = Client {
                host: host.clone(),
                outside: self.outside.clone(),
                dice: self.dice.fork(),
                plans: self.plans.clone(),
                actions: self.people.div_ceil(3),
                meddles: self.meddles,
            };
            people.spawn(client.work());
        }
        if self.trouble {
            let (disk, dice) = (self.disk.clone(), self.dice.fork());
            let outside = self.outside.clone();
            around.spawn(async move { trouble(disk, engine, dice, outside).await });
        }
        while people.join_next().await.is_some() {}
        if !matches!(self.ends, Ends::AtRest | Ends::Again) {
            std::future::pending::<()>().await;
        }
        let inside = self.rest(&host).await?;
        drop(around);
        let stories = self.audit(&host, &store, &inside).await?;
        let digest = digest(&store, &stories).await;
        host.shutdown().await;
        Some(Rest { digest })
    }

    /// Waits until nothing happens any more.
    async fn rest(&mut self, host: &Host) -> Option<Vec<Inside>> {
        let mut quiet = 0;
        for _ in 0..HOURS * 4 {
            sleep(Duration::from_secs(900)).await;
            let inside = match host.look_inside().await {
                Ok(inside) => inside,
                Err(error) => {
                    self.outside.violated(format!("the host has died: {error}"));
                    return None;
                }
            };
            let still = inside.iter().all(|world| {
                world.in_flight == 0
                    && world.broken.is_none()
                    && world.running.is_empty()
                    && world.state.next_timer().is_none()
            });
            quiet = if still { quiet + 1 } else { 0 };
            if quiet == 3 {
                return Some(inside);
            }
        }
        let inside = host.look_inside().await.unwrap_or_default();
        for world in &inside {
            audit::look(&self.outside, host.limits(), world);
            audit::at_rest(&self.outside, world);
        }
        self.outside.violated("it does not come to rest");
        None
    }

    async fn audit(&self, host: &Host, store: &Store, inside: &[Inside]) -> Option<Vec<Story>> {
        let outside = &self.outside;
        for world in inside {
            audit::look(outside, host.limits(), world);
            audit::at_rest(outside, world);
        }
        let mut stories = Vec::new();
        for world in inside {
            match Story::read(host, outside, world.workspace).await {
                Ok(story) => stories.push(story),
                Err(error) => {
                    outside.violated(format!("what is stored cannot be read: {error}"));
                    return None;
                }
            }
        }
        for story in &stories {
            story.audit(outside);
            self.audit_memory(store, story).await;
        }
        audit::audit_promises(outside, &stories);
        for known in self.worktrees.known().await.unwrap_or_default() {
            let live = stories.iter().any(|story| {
                let ticket = story.tickets.get(&adjutant_model::TicketId(known));
                ticket.is_some_and(|ticket| !ticket.status.is_over())
            });
            if !live {
                outside.violated(format!("the worktree of ticket {known} was left behind"));
            }
        }
        Some(stories)
    }

    /// An agent that does one thing at a time has counted as often as its journals say.
    async fn audit_memory(&self, store: &Store, story: &Story) {
        let partition = records::partition(story.workspace);
        for (agent, puts) in story.counted() {
            let Ok(Some((_, record))) = store.get(partition, &records::agent_key(agent)).await
            else {
                continue;
            };
            let Ok(record) = records::decode::<adjutant_model::Agent>("agent", &record) else {
                continue;
            };
            if record.limits.max_concurrent != 1 {
                continue;
            }
            let key = records::memory_key(agent, crate::script::COUNT);
            let found = store.get(partition, &key).await;
            let value = found.ok().flatten().map(|(_, value)| value);
            let value = value.unwrap_or_default().try_into().unwrap_or_default();
            let counted = u64::from_be_bytes(value);
            if counted != puts {
                self.outside.violated(format!(
                    "{} has counted to {counted} in its memory, and its journals to {puts}",
                    record.name
                ));
            }
        }
    }

    fn store_options(&mut self) -> Options {
        Options {
            // At times there is hardly room to wait.
            queue: if self.dice.chance(15) { 3 } else { 256 },
            group: if self.dice.chance(30) { 2 } else { 64 },
            op_window: 64,
            ..Options::default()
        }
    }

    async fn host(&mut self, store: Store) -> Result<Host, String> {
        let limits = Limits {
            tree_tickets: 14,
            live_tickets: 60,
            external_default_ms: 3_600_000,
            ask_default_ms: 120_000,
            ..Limits::default()
        };
        let park = [0, 10, 700, 5_000];
        let runner = RunnerOptions {
            park_after: Duration::from_millis(park[self.dice.roll(4) as usize]),
            flush_every: Duration::from_millis(200 + self.dice.roll(400)),
        };
        let actors = Actors {
            outside: self.outside.clone(),
            seed: self.seed,
            options: runner.clone(),
            limits: Arc::new(limits.clone()),
            dice: Mutex::new(self.dice.fork()),
            lost: if self.dice.chance(30) { 10 } else { 0 },
            crowded: if self.dice.chance(30) { 50 } else { 0 },
        };
        let parts = HostParts {
            store,
            engine: components(),
            worktrees: Arc::new(self.worktrees.clone()),
            plugins: PathBuf::from("/nonexistent"),
        };
        let options = HostOptions {
            limits,
            runner,
            clock: Arc::new(self.outside.clone()),
            queue: if self.dice.chance(20) { 2 } else { 256 },
            ..HostOptions::default()
        };
        Host::start_with(parts, options, Some(Arc::new(actors)))
            .await
            .map_err(|error| error.to_string())
    }

    /// Registers the names of the scripted strategies.
    async fn plugins(&self, store: &Store) -> Result<(), String> {
        let found = store
            .scan(records::HOST, records::prefix::PLUGIN, None, 1)
            .await;
        if !found.map_err(|error| error.to_string())?.is_empty() {
            return Ok(());
        }
        let epoch = store.acquire(records::HOST).await;
        let epoch = epoch.map_err(|error| error.to_string())?;
        let op = *self.outside.id().as_bytes();
        let mut batch = adjutant_store::Batch::new(records::HOST, op, epoch);
        for (name, world) in [
            ("boss", adjutant_model::World::Boss),
            ("worker", adjutant_model::World::Subordinate),
            ("liaison", adjutant_model::World::Subordinate),
        ] {
            let plugin = adjutant_model::Plugin {
                name: name.to_owned(),
                version: "1".to_owned(),
                digest: format!("sha256:{name}"),
                world,
                size: 0,
                builtin: true,
                added_at: 0,
                source: Default::default(),
            };
            let key = records::plugin_key(name, "1");
            batch.put.push((key, Some(records::encode(&plugin))));
        }
        store
            .commit(batch)
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// An engine for the host to have; no component ever runs in it.
fn components() -> Components {
    static ENGINE: OnceLock<Components> = OnceLock::new();
    let make = || {
        let options = EngineOptions {
            max_instances: 1,
            cache_dir: None,
            ..EngineOptions::default()
        };
        Components::new(&options).expect("this machine can run WebAssembly")
    };
    ENGINE.get_or_init(make).clone()
}

/// Follows a workspace's log as a client does, and looks at the whole state whenever it grows.
async fn watch(host: Host, outside: Outside, workspace: adjutant_model::WorkspaceId) {
    let mut grown = host.watch(workspace);
    let mut after = 0;
    loop {
        while let Ok(page) = host.events(workspace, after, 200).await {
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (seq, event) in &page {
                let value = serde_json::to_value(event).unwrap_or_default();
                outside.saw_event(workspace, *seq, &value.to_string());
            }
        }
        if let Ok(all) = host.look_inside().await {
            for inside in all.iter().filter(|inside| inside.workspace == workspace) {
                audit::look(&outside, host.limits(), inside);
            }
        }
        tokio::select! {
            biased;
            changed = grown.changed() => if changed.is_err() { return },
            // Also where nobody tells: after a failed write the log may be read only later.
            () = sleep(Duration::from_secs(60)) => {}
        }
    }
}

/// The disk fails now and then, for a while, in all the ways that it can.
async fn trouble(disk: SimDisk, engine: Arc<SimEngine>, mut dice: Dice, outside: Outside) {
    for _ in 0..dice.between(1, 4) {
        sleep(Duration::from_millis(dice.roll(20_000))).await;
        let before = disk.failures();
        let ms = dice.between(1, 15_000);
        let kind = dice.roll(5);
        outside.trace(|| format!("trouble {kind} with the disk for {ms} ms"));
        match kind {
            0 => disk.fail_at(Call::Any, dice.between(1, 30), false),
            1 => disk.fail_at(Call::Sync, 1, false),
            2 => disk.fail_at(Call::Sync, 1, true),
            3 => disk.fail_at(Call::Any, dice.between(1, 30), true),
            _ => engine.fill_up(ms),
        }
        sleep(Duration::from_millis(ms)).await;
        disk.mend();
        outside.lock().counts.failures += disk.failures() - before;
    }
}

/// Everything that is stored, in a few bytes.
async fn digest(store: &Store, stories: &[Story]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut partitions = vec![records::HOST];
    partitions.extend(
        stories
            .iter()
            .map(|story| records::partition(story.workspace)),
    );
    for partition in partitions {
        let mut after: Option<Vec<u8>> = None;
        while let Ok(page) = store.scan(partition, b"", after.as_deref(), 1_000).await {
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for item in &page {
                hash.update(&item.key);
                hash.update(item.version.to_be_bytes());
                hash.update(&item.value);
            }
        }
        let mut seq = 0;
        while let Ok(page) = store.events(partition, seq, 1_000).await {
            let Some((last, _)) = page.last() else { break };
            seq = *last;
            page.iter().for_each(|(_, event)| hash.update(event));
        }
    }
    for story in stories {
        let partition = records::partition(story.workspace);
        let channels = story
            .tickets
            .values()
            .map(|t| records::channel_stream(t.channel));
        let journals = story.runs.keys().map(|run| records::journal_stream(*run));
        for stream in channels.chain(journals).collect::<Vec<_>>() {
            let mut from = 0;
            while let Ok(page) = store.read_stream(partition, &stream, from, 1_000).await {
                let Some((last, _)) = page.last() else { break };
                from = last + 1;
                page.iter().for_each(|(_, record)| hash.update(record));
            }
        }
    }
    hash.finalize().into()
}
