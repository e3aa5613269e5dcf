//! End-to-end tests: the real binary, driven over HTTP and from the command line, with real
//! components, a real store and real git repositories. Each module is a story.

mod support;

mod authoring;
mod backup;
mod bad_input;
mod bad_plugins;
mod budgets;
mod cancel;
mod chain;
mod channels;
mod cli;
mod crash;
mod cut_short;
mod debugging;
mod disks;
mod eviction;
mod fairness;
mod hostile;
mod hostile_abi;
mod hostile_calls;
mod hostile_work;
mod idempotency;
mod joins;
mod lifecycle;
mod main_job;
mod manifests;
mod operating;
mod parallel;
mod plugin_sources;
mod queues;
mod race_and_queue;
mod report_task;
mod retries;
mod schema;
mod selectors;
mod shutdown;
mod sse;
mod told;
mod torture;
mod worktree;
