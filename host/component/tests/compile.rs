//! Compiling in a process of its own. This program is that process too, where it is started as one;
//! so it has a `main` instead of the usual harness.

#[path = "common/assemble.rs"]
#[allow(dead_code, reason = "bombs need a part of it")]
mod assemble;
#[path = "common/bombs.rs"]
mod bombs;

use adjutant_component::{
    COMPILE_COMMAND, Compiler, Engine, EngineOptions, LoadError, World, compile_component,
};
use assemble::{component, module, quick};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const TESTS: [(&str, fn()); 5] = [
    (
        "a_component_is_compiled_apart_and_kept",
        a_component_is_compiled_apart_and_kept,
    ),
    (
        "what_is_wrong_is_told_in_the_same_words",
        what_is_wrong_is_told_in_the_same_words,
    ),
    (
        "a_compile_without_end_is_ended",
        a_compile_without_end_is_ended,
    ),
    (
        "a_compile_that_takes_all_memory_is_ended",
        a_compile_that_takes_all_memory_is_ended,
    ),
    (
        "a_limit_too_low_to_begin_is_told",
        a_limit_too_low_to_begin_is_told,
    ),
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    if first
        .as_deref()
        .is_some_and(|first| first == COMPILE_COMMAND)
    {
        return compile_component(args);
    }
    let filter = first.and_then(|first| first.into_string().ok());
    let filter = filter
        .filter(|filter| !filter.starts_with('-'))
        .unwrap_or_default();
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        let began = Instant::now();
        test();
        println!("test {name} ... ok ({:.1?})", began.elapsed());
    }
    ExitCode::SUCCESS
}

fn options() -> EngineOptions {
    EngineOptions {
        compiler: Some(Compiler::this_program().expect("the system says it")),
        pooling: false,
        ..EngineOptions::default()
    }
}

fn engine(options: &EngineOptions) -> Engine {
    Engine::new(options).expect("an engine")
}

fn refusal(bytes: &[u8], options: &EngineOptions) -> LoadError {
    engine(options)
        .load(bytes)
        .expect_err("it should be refused")
}

fn a_component_is_compiled_apart_and_kept() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let apart = EngineOptions {
        cache_dir: Some(root.path().join("compiled")),
        ..options()
    };
    let loaded = engine(&apart).load(&quick()).expect("it fits");
    assert_eq!(loaded.world(), World::Subordinate);
    let kept = || {
        let files = std::fs::read_dir(root.path().join("compiled")).expect("a directory");
        files
            .map(|file| file.expect("a file").path())
            .collect::<Vec<_>>()
    };
    let path = kept().pop().expect("one file");
    // What is kept is what this process would have compiled itself: it loads it without compiling.
    let here = EngineOptions {
        compiler: None,
        ..apart
    };
    let written = std::fs::metadata(&path).expect("it is there").len();
    engine(&here).load(&quick()).expect("it fits");
    assert_eq!(kept(), std::slice::from_ref(&path));
    assert_eq!(
        std::fs::metadata(&path).expect("it is there").len(),
        written
    );
    // And without a directory it is simply compiled.
    engine(&options()).load(&quick()).expect("it fits");
}

fn what_is_wrong_is_told_in_the_same_words() {
    let mut broken = quick();
    let body = broken
        .windows(5)
        .position(|part| part == [0x41, 0, 0x41, 4, 0x10]);
    broken[body.expect("the body of `work`") + 4] = 0xff;
    let nothing = wat::parse_str("(component)").expect("text");
    let half = quick()[..quick().len() / 2].to_vec();
    let here = EngineOptions {
        compiler: None,
        ..options()
    };
    for bytes in [broken, nothing, half] {
        let (apart, here) = (refusal(&bytes, &options()), refusal(&bytes, &here));
        assert_eq!(apart.to_string(), here.to_string());
    }
    let error = engine(&options())
        .load_as(&quick(), World::Selector)
        .expect_err("another world");
    assert!(
        error
            .to_string()
            .contains("does not fit the world `selector`"),
        "{error}"
    );
}

fn a_compile_without_end_is_ended() {
    let bomb = bombs::slow();
    assert!(bomb.len() < 200_000, "{} bytes", bomb.len());
    let limited = EngineOptions {
        compile_time: Duration::from_millis(1_500),
        ..options()
    };
    let engine = engine(&limited);
    let began = Instant::now();
    let error = engine.load(&bomb).expect_err("it has no end");
    assert!(matches!(error, LoadError::TooSlow { .. }), "{error}");
    assert!(error.to_string().contains("longer than 1.5 s"), "{error}");
    assert!(began.elapsed() >= limited.compile_time);
    assert_eq!(children(), 0, "the process is gone");
    engine.load(&quick()).expect("all others still compile");
}

fn a_compile_that_takes_all_memory_is_ended() {
    let bomb = bombs::hungry();
    assert!(bomb.len() < 2_000_000, "{} bytes", bomb.len());
    let limited = EngineOptions {
        compile_memory: 300 << 20,
        ..options()
    };
    let engine = engine(&limited);
    let error = engine.load(&bomb).expect_err("it takes more");
    assert!(matches!(error, LoadError::TooHungry { .. }), "{error}");
    assert_eq!(children(), 0, "the process is gone");
    engine.load(&quick()).expect("all others still compile");
}

fn a_limit_too_low_to_begin_is_told() {
    let body = "(func (export \"work\") (param i32) (result i32) unreachable)";
    let other = component("subordinate", &module("", body));
    let small = EngineOptions {
        max_component: other.len(),
        compile_memory: 1 << 10,
        ..options()
    };
    // So little memory that the process cannot even begin.
    let error = refusal(&other, &small).to_string();
    assert!(
        error.contains("memory") || error.contains("the compiler failed"),
        "{error}"
    );
}

/// How many processes this one has started that are still there, in whatever state.
fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this system has it");
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("children")).ok()
    };
    let lists: Vec<String> = tasks.filter_map(of).collect();
    lists
        .iter()
        .flat_map(|list| list.split_whitespace())
        .count()
}
