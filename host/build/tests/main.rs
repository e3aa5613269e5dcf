//! The guests of this repository, built; and its tests, all of them run.

mod modules;
mod worlds;
