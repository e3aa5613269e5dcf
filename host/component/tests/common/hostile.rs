//! Components that are written to hurt, as text: each breaks one rule that no compiler would let it
//! break, or uses without end what it may use a little of.

use super::assemble::{CALL_PROGRESS, FINE, PROGRESS, WASI, component_of, module};

/// A hostile component.
pub(crate) struct Kind {
    /// What it does.
    pub(crate) name: &'static str,
    /// Whether it wants WASI's interfaces.
    wasi: bool,
    core: String,
    /// What the host says about it in the end.
    pub(crate) says: &'static str,
}

impl Kind {
    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        if self.wasi {
            component_of("clocked", WASI, &self.core)
        } else {
            component_of("subordinate", "", &self.core)
        }
    }
}

/// One whose `work` does something and then answers `fine`.
fn working(imports: &str, instructions: &str) -> String {
    let body = format!(
        r#"(data (i32.const 0) "fine")
  (table $table 1 funcref)
  (type $nothing (func))
  (func $work (export "work") (param i32) (result i32)
    {instructions}
    (call $answer (i32.const 0) (i32.const 4)))"#
    );
    module(imports, &body)
}

/// One that answers `fine` at once and has an allocator of its own.
fn allocating(imports: &str, realloc: &str) -> String {
    let usual = working(imports, "");
    let from = usual
        .find("(func (export \"cabi_realloc\")")
        .expect("it has one");
    let to = usual.find("(func $answer").expect("it follows");
    format!(
        "{}(func $realloc (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)\n{realloc})\n{}",
        &usual[..from],
        &usual[to..]
    )
}

/// One that answers `fine` at once, with something beside it.
fn fine_and(imports: &str, more: &str) -> String {
    module(imports, &format!("{FINE} {more}"))
}

const SPIN: &str = "(loop $again (br $again))";
const MENTION: &str = r#"(import "adjutant:agent/channels@0.1.0" "mention"
    (func $mention (param i32 i32 i32 i32 i32)))"#;
const POST: &str = r#"(import "adjutant:agent/channels@0.1.0" "post"
    (func $post (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const LIST: &str = r#"(import "adjutant:agent/tickets@0.1.0" "list"
    (func $list (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const STDOUT: &str = r#"(import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
      (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop (param i32)))"#;
const POLL: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration"
      (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))"#;
const RANDOM: &str = r#"(import "wasi:random/random@0.2.3" "get-random-bytes"
    (func $random (param i64 i32)))"#;

/// All of them.
pub(crate) fn kinds() -> Vec<Kind> {
    let kind = |name, says, core| Kind {
        name,
        wasi: false,
        core,
        says,
    };
    let wasi = |name, says, core| Kind {
        name,
        wasi: true,
        core,
        says,
    };
    let mut all = vec![
        // It computes without end, wherever its code runs.
        kind("spins in work", "computed for more than", working("", SPIN)),
        kind(
            "spins in its start function",
            "computed for more than",
            fine_and("", &format!("(func $spin {SPIN}) (start $spin)")),
        ),
        kind(
            "spins when its answer is freed",
            "computed for more than",
            fine_and(
                "",
                &format!(r#"(func (export "cabi_post_work") (param i32) {SPIN})"#),
            ),
        ),
        kind(
            "spins in its allocator",
            "computed for more than",
            allocating("", &format!("{SPIN} unreachable")),
        ),
        kind(
            "calls the host without end",
            "computed for more than",
            working(PROGRESS, &format!("(loop $a {CALL_PROGRESS} (br $a))")),
        ),
        kind(
            "copies its memory over and over",
            "computed for more than",
            working(
                "",
                "(drop (memory.grow (i32.const 1000))) (loop $a (memory.copy (i32.const 0) \
                (i32.const 32000000) (i32.const 32000000)) (br $a))",
            ),
        ),
        // It recurses.
        kind(
            "recurses without end",
            "used up its stack",
            fine_and(
                "",
                "(func $down (param i64) (call $down (i64.add (local.get 0) (i64.const 1)))) \
                (func (export \"cabi_post_work\") (param i32) (call $down (i64.const 0)))",
            ),
        ),
        kind(
            "recurses and calls the host from every depth",
            "used up its stack",
            fine_and(
                PROGRESS,
                &format!(
                    "(func $down {CALL_PROGRESS} (call $down)) \
                (func $into (param i32) (call $down)) (export \"cabi_post_work\" (func $into))"
                ),
            )
            .replace(r#"(export "cabi_post_work" (func $into))"#, "")
            .replace(
                "(call $answer (i32.const 0) (i32.const 4))",
                "(call $down) (unreachable)",
            ),
        ),
        kind(
            "recurses in its allocator",
            "used up its stack",
            allocating(
                "",
                "(call $realloc (local.get 0) (local.get 1) (local.get 2) (local.get 3))",
            ),
        ),
        // It allocates.
        kind(
            "grows its memory without end",
            "wanted more memory",
            working(
                "",
                "(loop $a (br_if $a (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
            ),
        ),
        kind(
            "grows its memory before it is called",
            "wanted more memory",
            fine_and(
                "",
                "(func $s (loop $a (br_if $a (i32.ne (memory.grow (i32.const 16)) \
                (i32.const -1)))) unreachable) (start $s)",
            ),
        ),
        kind(
            "grows a table without end",
            "its tables may have",
            working(
                "",
                "(loop $a (br_if $a (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) \
                (i32.const -1)))) unreachable",
            ),
        ),
        wasi(
            "opens handles without end",
            "WASI handles",
            working(STDOUT, "(loop $a (drop (call $stdout)) (br $a))"),
        ),
        wasi(
            "makes pollables without end",
            "WASI handles",
            working(
                POLL,
                "(loop $a (drop (call $subscribe (i64.const 0))) (br $a))",
            ),
        ),
        wasi(
            "asks for more random bytes than there is memory",
            "exceeds limit 4194304",
            working(RANDOM, "(call $random (i64.const -1) (i32.const 512))"),
        ),
        // It traps.
        kind("is unreachable", "unreachable", working("", "unreachable")),
        kind(
            "divides by nothing",
            "divide by zero",
            working("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        ),
        kind(
            "calls nothing",
            "uninitialized element",
            working("", "(call_indirect $table (type $nothing) (i32.const 0))"),
        ),
        kind(
            "reads past its memory",
            "out of bounds memory access",
            working("", "(drop (i64.load (i32.const -4)))"),
        ),
        kind(
            "traps in its start function",
            "unreachable",
            fine_and("", "(func $s unreachable) (start $s)"),
        ),
        kind(
            "traps when its answer is freed",
            "unreachable",
            fine_and(
                "",
                r#"(func (export "cabi_post_work") (param i32) unreachable)"#,
            ),
        ),
        kind(
            "traps in its allocator",
            "unreachable",
            allocating("", "unreachable"),
        ),
    ];
    all.extend(abi(&kind));
    all.extend(handles(&wasi));
    all
}

/// Breaks the rules by which values cross between guest and host.
fn abi(kind: &impl Fn(&'static str, &'static str, String) -> Kind) -> Vec<Kind> {
    let answering = |stores: &str| {
        module(
            "",
            &format!(
                r#"(func (export "work") (param i32) (result i32) {stores} (i32.const 1024))"#
            ),
        )
    };
    vec![
        kind(
            "says what is no UTF-8",
            "utf-8",
            working(
                PROGRESS,
                "(i32.store (i32.const 64) (i32.const 0x80c1ffed)) \
                (call $progress (i32.const 64) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "answers with what is no UTF-8",
            "utf-8",
            answering(
                "(i32.store8 (i32.const 0) (i32.const 0xff)) (i32.store (i32.const 1032) (i32.const 1))",
            ),
        ),
        kind(
            "answers neither well nor badly",
            "discriminant",
            answering("(i32.store8 (i32.const 1024) (i32.const 2))"),
        ),
        kind(
            "answers with an option that is neither",
            "discriminant",
            answering("(i32.store8 (i32.const 1036) (i32.const 255))"),
        ),
        kind(
            "passes an option that is neither",
            "discriminant",
            working(
                POST,
                "(call $post (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4) \
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))",
            ),
        ),
        kind(
            "passes a case that does not exist",
            "discriminant",
            working(
                LIST,
                "(call $list (i32.const 1) (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 0) \
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))",
            ),
        ),
        kind(
            "points past its memory",
            "out of bounds of memory",
            working(
                PROGRESS,
                "(call $progress (i32.const 0x7fffffff) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "passes a text of 4 GiB",
            "out of bounds of memory",
            working(
                PROGRESS,
                "(call $progress (i32.const 0) (i32.const -1) (i32.const 512))",
            ),
        ),
        kind(
            "passes a list of 2^31 texts",
            "out of bounds of memory",
            working(
                MENTION,
                "(call $mention (i32.const 0) (i32.const 0x80000000) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "passes a list whose bytes do not fit 32 bits",
            "out of bounds of memory",
            working(
                MENTION,
                "(call $mention (i32.const 8) (i32.const 0x20000000) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "passes a list at an odd place",
            "not aligned",
            working(
                MENTION,
                "(call $mention (i32.const 9) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "wants an answer at an odd place",
            "not aligned",
            working(
                PROGRESS,
                "(call $progress (i32.const 0) (i32.const 4) (i32.const 513))",
            ),
        ),
        kind(
            "wants an answer past its memory",
            "out of bounds",
            working(
                PROGRESS,
                "(call $progress (i32.const 0) (i32.const 4) (i32.const 0x7ffffff0))",
            ),
        ),
        kind(
            "answers past its memory",
            "out of bounds",
            module(
                "",
                r#"(func (export "work") (param i32) (result i32) (i32.const 0x7ffffff0))"#,
            ),
        ),
        kind(
            "answers at an odd place",
            "not aligned",
            module(
                "",
                r#"(func (export "work") (param i32) (result i32) (i32.const 1025))"#,
            ),
        ),
        kind(
            "answers with more than a call may carry",
            "too much data",
            working(
                "",
                "(drop (memory.grow (i32.const 1000))) \
                (return (call $answer (i32.const 0) (i32.const 40000000)))",
            ),
        ),
        kind(
            // A million times the same 64 KiB would be 64 GiB here.
            "passes one text a million times",
            "too much data",
            working(
                MENTION,
                "(local $i i32) (drop (memory.grow (i32.const 200))) \
                (loop $a (i32.store (i32.add (i32.const 131072) (local.get $i)) (i32.const 9000000)) \
                  (i32.store (i32.add (i32.const 131076) (local.get $i)) (i32.const 65536)) \
                  (local.set $i (i32.add (local.get $i) (i32.const 8))) \
                  (br_if $a (i32.lt_u (local.get $i) (i32.const 8000000)))) \
                (call $mention (i32.const 131072) (i32.const 1000000) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        kind(
            "allocates past its memory",
            "beyond end of memory",
            allocating("", "(i32.const -16)"),
        ),
        kind(
            "allocates at an odd place",
            "not aligned",
            allocating("", "(i32.const 4099)"),
        ),
        kind(
            "calls the host while it allocates",
            "cannot leave component instance",
            allocating(PROGRESS, &format!("{CALL_PROGRESS} (i32.const 4096)")),
        ),
        kind(
            "calls the host when its answer is freed",
            "cannot leave component instance",
            fine_and(
                PROGRESS,
                &format!(r#"(func (export "cabi_post_work") (param i32) {CALL_PROGRESS})"#),
            ),
        ),
        kind(
            "calls the host before it is called",
            "uninitialized element",
            fine_and(PROGRESS, &format!("(func $s {CALL_PROGRESS}) (start $s)")),
        ),
    ]
}

/// Uses handles that it was never given, or in ways that they are not for.
fn handles(wasi: &impl Fn(&'static str, &'static str, String) -> Kind) -> Vec<Kind> {
    vec![
        wasi(
            "writes through a handle that it made up",
            "unknown handle index",
            working(
                STDOUT,
                "(call $write (i32.const 4711) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        wasi(
            "drops a handle twice",
            "unknown handle index",
            working(
                STDOUT,
                "(call $drop (call $stdout)) (call $drop (i32.const 1))",
            ),
        ),
        wasi(
            "uses a handle after it is dropped",
            "unknown handle index",
            working(
                STDOUT,
                "(local $h i32) (local.set $h (call $stdout)) (call $drop (local.get $h)) \
                (call $write (local.get $h) (i32.const 0) (i32.const 4) (i32.const 512))",
            ),
        ),
        wasi(
            "takes a stream for a pollable",
            "handle index 1 used with the wrong type",
            working(&format!("{STDOUT} {POLL}"), "(call $block (call $stdout))"),
        ),
        wasi(
            "waits for nothing at all",
            "empty poll list",
            working(
                POLL,
                "(call $poll (i32.const 0) (i32.const 0) (i32.const 512))",
            ),
        ),
        wasi(
            "waits an hour through WASI",
            "time does not pass inside a run",
            working(
                POLL,
                "(call $block (call $subscribe (i64.const 3600000000000)))",
            ),
        ),
        wasi(
            "waits for what is over, without end",
            "computed for more than",
            working(
                POLL,
                "(local $h i32) (local.set $h (call $subscribe (i64.const 0))) \
                (loop $a (call $block (local.get $h)) (br $a))",
            ),
        ),
        wasi(
            "prints without end",
            "computed for more than",
            working(
                STDOUT,
                "(local $h i32) (local.set $h (call $stdout)) \
                (loop $a (call $write (local.get $h) (i32.const 0) (i32.const 4096) (i32.const 512)) (br $a))",
            ),
        ),
        wasi(
            "reads an input that does not exist, without end",
            "computed for more than",
            working(
                r#"(import "wasi:cli/stdin@0.2.3" "get-stdin" (func $stdin (result i32)))
                (import "wasi:io/streams@0.2.3" "[method]input-stream.blocking-read"
                  (func $read (param i32 i64 i32)))"#,
                "(local $h i32) (local.set $h (call $stdin)) \
                (loop $a (call $read (local.get $h) (i64.const -1) (i32.const 512)) (br $a))",
            ),
        ),
    ]
}
