//! What is accepted, what is refused and with which words, and what is kept on disk.

use std::fs;

use crate::common::{self, FINE, component, component_of, engine, module, quick};
use adjutant_component::{Engine, EngineOptions, Fault, LoadError, World};

fn refusal(bytes: &[u8]) -> LoadError {
    engine(2).load(bytes).expect_err("it should be refused")
}

fn faults(error: LoadError) -> Vec<Fault> {
    match error {
        LoadError::Unfit { faults, .. } => faults,
        other => panic!("another error: {other}"),
    }
}

#[test]
fn what_is_no_component_is_named() {
    let text = refusal(b"\x7fELF\x02\x01").to_string();
    assert!(
        text.contains("not WebAssembly") && text.contains("ELF"),
        "{text}"
    );
    assert!(refusal(b"").to_string().contains("It is empty"));
    assert!(
        refusal(b"(component)")
            .to_string()
            .contains("wasm-tools parse")
    );

    for (packed, how) in [
        (&b"\x1f\x8b\x08\0"[..], "gunzip"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
        (b"PK\x03\x04", "zip archive"),
    ] {
        let text = refusal(packed).to_string();
        assert!(text.contains(how), "{text}");
    }

    let module = wat::parse_str("(module)").expect("text");
    assert!(matches!(refusal(&module), LoadError::CoreModule));

    let small = EngineOptions {
        max_component: 10,
        ..EngineOptions::default()
    };
    let error = Engine::new(&small)
        .expect("an engine")
        .load(&quick())
        .expect_err("too large");
    assert!(
        matches!(error, LoadError::TooLarge { limit: 10, .. }),
        "{error}"
    );
}

#[test]
fn wherever_it_is_cut_off_or_broken_it_is_refused() {
    let whole = quick();
    let engine = engine(2);
    // What is left is whole again only where the cut is between trailing sections without meaning.
    let loads = (8..whole.len()).filter(|length| engine.load(&whole[..*length]).is_ok());
    assert!(loads.count() <= 2);
    let error = refusal(&whole[..whole.len() / 2]);
    assert!(matches!(error, LoadError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("cut off at byte"), "{error}");

    // An instruction that does not exist, in a body that only the compiler looks at.
    let mut broken = whole.clone();
    let body = whole
        .windows(5)
        .position(|part| part == [0x41, 0, 0x41, 4, 0x10]);
    broken[body.expect("the body of `work`") + 4] = 0xff;
    let error = refusal(&broken);
    assert!(matches!(error, LoadError::Invalid { .. }), "{error}");
}

#[test]
fn worlds_are_told_apart() {
    let engine = engine(2);
    let subordinate = engine.load(&quick()).expect("it fits");
    assert_eq!(subordinate.world(), World::Subordinate);
    assert_eq!(subordinate.exports(), ["work"]);
    assert!(
        subordinate.imports().iter().all(|name| name.contains(':')),
        "no bare types"
    );
    assert!(subordinate.digest().starts_with("sha256:") && subordinate.digest().len() == 71);

    let team = r#"(import "adjutant:agent/delegation@0.1.0" "team" (func $team (param i32)))"#;
    let bytes = component("boss", &module(team, FINE));
    let boss = engine.load(&bytes).expect("it fits");
    assert_eq!(boss.world(), World::Boss);
    assert!(
        boss.imports()
            .iter()
            .any(|name| name == "adjutant:agent/delegation@0.1.0")
    );
    assert!(
        engine.load_as(&quick(), World::Boss).is_ok(),
        "a boss need not delegate"
    );

    let faults = faults(
        engine
            .load_as(&bytes, World::Subordinate)
            .expect_err("it delegates"),
    );
    let text = faults[0].to_string();
    assert!(
        text.contains("`adjutant:agent/delegation@0.1.0` (function `team`)"),
        "{text}"
    );
    assert!(text.contains("does not offer to a subordinate"), "{text}");

    let choose = r#"(func (export "choose")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#;
    let bytes = component("selector", &module("", choose));
    assert_eq!(
        engine.load(&bytes).expect("it fits").world(),
        World::Selector
    );
}

#[test]
fn a_missing_export_is_named_with_what_there_is() {
    let wit = "package t:t; world w { export run: func(); }";
    let bytes = component_of("w", wit, r#"(module (func (export "run")))"#);
    let error = refusal(&bytes);
    assert!(matches!(error, LoadError::NoWorld { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`choose`") && text.contains("`work`") && text.contains("run"),
        "{text}"
    );

    let error = engine(2)
        .load_as(&bytes, World::Subordinate)
        .expect_err("it lacks work");
    assert_eq!(
        faults(error),
        [Fault::MissingExport {
            name: "work".to_owned(),
            exports: vec!["run".to_owned()]
        }]
    );
}

#[test]
fn every_fault_is_named_at_once() {
    let wit = r#"package t:t;
        world w {
            import adjutant:agent/tools@0.1.0;
            import adjutant:agent/memory@0.2.0;
            import adjutant:agent/reporting@0.1.7;
            import wasi:http/outgoing-handler@0.2.0;
            import lonely: func();
            export work: func(task: string) -> result<string>;
        }
        package adjutant:agent@0.1.0 { interface tools { call: func(name: string); } }
        package adjutant:agent@0.2.0 { interface memory { get: func(key: string) -> u8; } }
        package adjutant:agent@0.1.7 {
            interface reporting { progress: func(note: u32); shout: func(); }
        }
        package wasi:http@0.2.0 { interface outgoing-handler { handle: func(); } }"#;
    let core = r#"(module
        (import "adjutant:agent/tools@0.1.0" "call" (func (param i32 i32)))
        (import "adjutant:agent/memory@0.2.0" "get" (func (param i32 i32) (result i32)))
        (import "adjutant:agent/reporting@0.1.7" "progress" (func (param i32)))
        (import "adjutant:agent/reporting@0.1.7" "shout" (func))
        (import "wasi:http/outgoing-handler@0.2.0" "handle" (func))
        (import "$root" "lonely" (func))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "work") (param i32 i32) (result i32) unreachable))"#;
    // The test's package must not be mixed with the contract's of the same name.
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_source("w.wit", wit).expect("WIT");
    let world = resolve
        .select_world(&[package], Some("w"))
        .expect("the world");
    let mut module = wat::parse_str(core).expect("text");
    let utf8 = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, utf8).expect("metadata");
    let bytes = wit_component::ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("a component");

    let faults = faults(refusal(&bytes));
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for part in [
        "its export `work` does not fit: parameter `task` is string there and record task here",
        "imports `adjutant:agent/tools@0.1.0` (function `call`), which this host does not offer",
        "imports `adjutant:agent/memory@0.2.0`, and this host offers version 0.1.0",
        "function `progress` of `adjutant:agent/reporting@0.1.7` with another type: parameter \
         `note` is u32 there and string here",
        "function `shout` of `adjutant:agent/reporting@0.1.7`, and this host offers version 0.1.0, \
         which has no such function; it has: progress, ",
        "imports `wasi:http/outgoing-handler@0.2.0`",
        "imports `lonely`",
    ] {
        assert!(
            said.iter().any(|fault| fault.contains(part)),
            "{part}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 7, "{said:#?}");
}

#[test]
fn a_wasi_function_that_does_not_exist_is_refused_by_the_linker() {
    let wit = r#"package t:t;
        world w { include adjutant:agent/subordinate@0.1.0; import wasi:random/random@0.2.0; }
        package wasi:random@0.2.0 { interface random { get-dice: func() -> u8; } }"#;
    let import = r#"(import "wasi:random/random@0.2.0" "get-dice" (func (result i32)))"#;
    let error = refusal(&component_of("w", wit, &module(import, FINE)));
    assert!(
        matches!(
            error,
            LoadError::Link {
                world: World::Subordinate,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("get-dice"), "{error}");
}

#[tokio::test]
async fn compiled_once_kept_and_compiled_again_when_damaged() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let dir = root.path().join("compiled");
    let options = EngineOptions {
        max_instances: 2,
        cache_dir: Some(dir.clone()),
        ..EngineOptions::default()
    };
    let first = Engine::new(&options).expect("an engine");
    let bytes = quick();
    first
        .load_async(bytes.clone(), None)
        .await
        .expect("it fits");
    let file = || {
        let mut entries = fs::read_dir(&dir)
            .expect("the cache")
            .map(|e| e.expect("entry").path());
        let file = entries.next().expect("one file");
        assert!(entries.next().is_none(), "only one");
        file
    };
    let stored = fs::read(file()).expect("the artifact");
    assert!(stored.len() > 1_000);

    // Another engine of the same configuration uses it: the file stays byte for byte.
    let engine = Engine::new(&options).expect("an engine");
    let component = engine.load(&bytes).expect("from the cache");
    assert_eq!(fs::read(file()).expect("the artifact"), stored);
    let prepared = engine
        .prepare::<common::Host>(&component)
        .expect("it links");
    let (answer, _) = prepared
        .work(common::Host::default(), Default::default(), &common::task())
        .await
        .unwrap_or_else(|stop| panic!("{stop}"));
    assert_eq!(answer.expect("a report").summary, "fine");

    // A damaged one is replaced.
    let mut damaged = stored.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    fs::write(file(), &damaged).expect("it is ours");
    engine.load(&bytes).expect("compiled again");
    assert_ne!(fs::read(file()).expect("the artifact"), damaged);
}

#[test]
fn a_component_is_not_run_as_what_it_is_not() {
    let engine = engine(2);
    let subordinate = engine.load(&quick()).expect("it fits");
    let error = engine
        .prepare_selector(&subordinate)
        .err()
        .expect("it is no selector");
    assert!(matches!(error, LoadError::OtherWorld { .. }), "{error}");
}

/// A component whose `work` gives a list of a type of so many levels, each made of the one before it.
fn deep(levels: usize, level: impl Fn(usize) -> String) -> Vec<u8> {
    let types: Vec<String> = (1..=levels)
        .map(|n| format!("(type $t{n} {})", level(n - 1)))
        .collect();
    let text = format!(
        r#"(component (type $t0 string) {}
        (core module $m (memory (export "m") 1)
            (func (export "w") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (type $all (list $t{levels}))
        (func (export "work") (result $all)
            (canon lift (core func $i "w") (memory (core memory $i "m")))))"#,
        types.join("\n")
    );
    wat::parse_str(&text).expect("the text is right")
}

#[test]
fn types_nested_without_end_are_refused_with_a_message_that_can_be_read() {
    let engine = engine(2);
    let list = |below| format!("(list $t{below})");
    let pair = |below| format!("(tuple $t{below} $t{below})");
    for (bytes, says) in [
        (deep(90, list), "does not fit"),
        (deep(1_000, list), "nesting is too deep"),
        (deep(100_000, list), "nesting is too deep"),
        // Written out, it would have 2^17 and 2^60 parts.
        (deep(17, pair), "does not fit"),
        (deep(60, pair), "type size"),
    ] {
        let error = engine
            .load_as(&bytes, World::Subordinate)
            .expect_err("it should be refused")
            .to_string();
        assert!(error.contains(says), "{says}: {error:.300}");
        assert!(error.len() < 2_000, "{} bytes: {error:.300}", error.len());
    }
}

#[test]
fn what_is_wrong_a_thousand_times_is_told_briefly() {
    let imports: String = (0..1_000)
        .map(|n| format!("(import \"a:b/c{n}\" (instance (export \"f\" (func))))"))
        .collect();
    let name = "x".repeat(20_000);
    let exports: String = (0..100)
        .map(|n| format!("(component $c{n}) (export \"{name}{n}\" (component $c{n}))"))
        .collect();
    for text in [imports, exports] {
        let bytes = wat::parse_str(format!("(component {text})")).expect("the text is right");
        for world in [None, Some(World::Boss)] {
            let loaded = match world {
                None => engine(2).load(&bytes),
                Some(world) => engine(2).load_as(&bytes, world),
            };
            let error = loaded.expect_err("it should be refused").to_string();
            assert!(error.len() < 4_000, "{} bytes: {error:.300}", error.len());
        }
    }
}

#[test]
fn components_nested_without_end_are_refused_and_do_not_end_the_host() {
    for levels in [50, 5_000] {
        // From the inside out: each is a section of the next.
        let head = b"\0asm\x0d\0\x01\0";
        let mut bytes = head.to_vec();
        for _ in 0..levels {
            let mut outer = head.to_vec();
            outer.push(4);
            leb(&mut outer, bytes.len());
            outer.extend(&bytes);
            bytes = outer;
        }
        let error = refusal(&bytes).to_string();
        assert!(
            error.contains("none of Adjutant's worlds") || error.contains("nest"),
            "{levels}: {error:.300}"
        );
    }
}

fn leb(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[test]
fn what_no_run_could_hold_is_refused_before_it_runs() {
    let engine = engine(2);
    let with = |more: &str| {
        engine.load(&component(
            "subordinate",
            &module("", &format!("{more} {FINE}")),
        ))
    };
    for (more, says) in [
        ("(memory $second 1)", "exceeds the per-instance limit of 1"),
        ("(table 10000000 funcref)", "exceeds the limit of 100000"),
        ("(memory $shared 1 1 shared)", "threads must be enabled"),
    ] {
        let error = with(more).expect_err("it should be refused").to_string();
        assert!(error.contains(says), "{more}: {error}");
    }
}
