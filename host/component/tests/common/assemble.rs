//! Tiny guests for tests: core modules as text, made into components of Adjutant's worlds.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes a component of core module text. `world` is one of the contract's, or one of `extra`.
pub(crate) fn component_of(world: &str, extra: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
        .expect("the contract");
    let package = match extra {
        "" => package,
        text => resolve
            .push_source("extra.wit", text)
            .expect("the test's WIT is right"),
    };
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("the world exists");
    let mut module = wat::parse_str(core).expect("the test's module is right");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("metadata can be added");
    ComponentEncoder::default()
        .module(&module)
        .expect("the module fits its world")
        .validate(true)
        .encode()
        .expect("a component can be made")
}

pub(crate) fn component(world: &str, core: &str) -> Vec<u8> {
    component_of(world, "", core)
}

/// A core module with a memory, an allocator that never frees, `$answer(ptr, len)` that makes an
/// `ok(report)` of a text, and `body` as the rest. Address 0 to 1023 is the body's; the answer is
/// at 1024.
pub(crate) fn module(imports: &str, body: &str) -> String {
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 2)))))
    (local.get $at))
  (func $answer (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (local.get $ptr))
    (i32.store (i32.const 1032) (local.get $len))
    (i32.store8 (i32.const 1036) (i32.const 0))
    (i32.const 1024))
  {body}
)"#
    )
}

/// A subordinate that answers `fine` at once.
pub(crate) fn quick() -> Vec<u8> {
    component("subordinate", &module("", FINE))
}

pub(crate) const FINE: &str = r#"(data (i32.const 0) "fine")
  (func (export "work") (param i32) (result i32) (call $answer (i32.const 0) (i32.const 4)))"#;

/// A subordinate whose `work` is `instructions`; they leave nothing on the stack.
pub(crate) fn working(instructions: &str) -> Vec<u8> {
    let body = format!(
        r#"(data (i32.const 0) "fine")
  (func $work (export "work") (param i32) (result i32)
    {instructions}
    (call $answer (i32.const 0) (i32.const 4)))"#
    );
    component("subordinate", &module(PROGRESS, &body))
}

/// Imports `progress`, to be called with a text and a place for the result.
pub(crate) const PROGRESS: &str = r#"(import "adjutant:agent/reporting@0.1.0" "progress"
    (func $progress (param i32 i32 i32)))"#;

pub(crate) const CALL_PROGRESS: &str =
    "(call $progress (i32.const 0) (i32.const 4) (i32.const 512))";

/// The few WASI interfaces that a test guest calls itself.
pub(crate) const WASI: &str = r#"package test:guest;
world clocked {
    include adjutant:agent/subordinate@0.1.0;
    import wasi:clocks/wall-clock@0.2.3;
    import wasi:clocks/monotonic-clock@0.2.3;
    import wasi:random/random@0.2.3;
    import wasi:random/insecure@0.2.3;
    import wasi:random/insecure-seed@0.2.3;
    import wasi:io/poll@0.2.3;
    import wasi:cli/stdin@0.2.3;
    import wasi:cli/stdout@0.2.3;
    import wasi:cli/stderr@0.2.3;
    import wasi:cli/exit@0.2.3;
    import wasi:sockets/tcp-create-socket@0.2.3;
    import wasi:filesystem/preopens@0.2.3;
}
package wasi:clocks@0.2.3 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
    interface monotonic-clock {
        use wasi:io/poll@0.2.3.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
}
package wasi:random@0.2.3 {
    interface random {
        get-random-u64: func() -> u64;
        get-random-bytes: func(len: u64) -> list<u8>;
    }
    interface insecure { get-insecure-random-u64: func() -> u64; }
    interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
}
package wasi:io@0.2.3 {
    interface error { resource error; }
    interface poll {
        resource pollable { block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
        }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }
}
package wasi:cli@0.2.3 {
    interface stdin {
        use wasi:io/streams@0.2.3.{input-stream};
        get-stdin: func() -> input-stream;
    }
    interface stdout {
        use wasi:io/streams@0.2.3.{output-stream};
        get-stdout: func() -> output-stream;
    }
    interface stderr {
        use wasi:io/streams@0.2.3.{output-stream};
        get-stderr: func() -> output-stream;
    }
    interface exit { exit: func(status: result); }
}
package wasi:filesystem@0.2.3 {
    interface types { resource descriptor; }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}
package wasi:sockets@0.2.3 {
    interface network {
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
            concurrency-conflict, not-in-progress, would-block, invalid-state,
            new-socket-limit, address-not-bindable, address-in-use, remote-unreachable,
            connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }
}
"#;

/// A subordinate that may import what `WASI` has.
pub(crate) fn clocked(imports: &str, body: &str) -> Vec<u8> {
    component_of("clocked", WASI, &module(imports, body))
}
