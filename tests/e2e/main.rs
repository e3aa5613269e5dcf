//! End-to-end tests: the real binary, driven over HTTP and from the command line, with real
//! components, a real store and real git repositories. Each module is a story.

mod support;

mod bad_input;
mod cancel;
mod chain;
mod channels;
mod cli;
mod crash;
mod eviction;
mod hostile;
mod joins;
mod main_job;
mod parallel;
mod race_and_queue;
mod report_task;
mod schema;
mod sse;
mod worktree;
