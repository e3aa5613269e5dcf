//! Lets simulated worlds live, and says which seed fails.

use adjutant_sim::{Counts, World, sweep};
use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;

/// Simulated worlds: one seed decides everything that happens in one.
#[derive(Parser)]
struct Args {
    /// How many worlds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first world's seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens.
    #[arg(long)]
    trace: bool,
    /// Instead of the seed's own crashes, one at every boundary of so many commits, each in a world
    /// of its own.
    #[arg(long)]
    sweep: Option<u64>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (from, seeds) = args.seed.map_or((args.from, args.seeds), |seed| (seed, 1));
    let began = Instant::now();
    let (mut counts, mut failed) = (Counts::default(), 0_u64);
    for seed in from..from.saturating_add(seeds) {
        let mut world = World::new(seed);
        world.trace = args.trace;
        let lived = match args.sweep {
            Some(commits) => sweep(seed, commits, args.trace),
            None => world.live().map(|lived| {
                if args.seed.is_some() {
                    let hex = lived.digest.iter().map(|byte| format!("{byte:02x}"));
                    println!("digest {}", hex.collect::<String>());
                }
                lived.counts
            }),
        };
        match lived {
            Ok(more) => counts.add(&more),
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
                if !args.keep_going {
                    break;
                }
            }
        }
    }
    print(&counts, failed, began);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(counts: &Counts, failed: u64, began: Instant) {
    let [before, after, call, any] = counts.crash_kinds;
    println!("worlds           {} ({failed} failed)", counts.seeds);
    println!("simulated time   {} h", counts.time_ms / 3_600_000);
    println!("events           {}", counts.events);
    println!("commits          {}", counts.commits);
    println!(
        "crash points     {} (before a sync {before}, after one {after}, at a disk call {call}, \
         at any time {any})",
        counts.crashes
    );
    println!("disk failures    {}", counts.failures);
    println!("tickets, runs    {}, {}", counts.tickets, counts.runs);
    println!("starts of runs   {}", counts.starts);
    println!(
        "calls            {} answered, {} replayed, {} replays that diverged",
        counts.calls, counts.replayed, counts.diverged
    );
    println!("done outside     {}", counts.effects);
    println!(
        "commands         {} ({} refused)",
        counts.commands, counts.refused
    );
    println!("states checked   {}", counts.looks);
    println!("took             {:.1} s", began.elapsed().as_secs_f64());
}
