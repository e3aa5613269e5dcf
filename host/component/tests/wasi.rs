//! What a guest sees of WASI: a clock and randomness that can be replayed, no sleep, no files, no
//! sockets.

use std::sync::Arc;

use crate::common::*;
use adjutant_component::{Context, GuestClock};

/// A guest that answers with 16 letters for each of the numbers that `calls` puts at address 256.
fn lettering(imports: &str, calls: &str, count: usize) -> Vec<u8> {
    let bytes = count * 8;
    let body = format!(
        r#"(func (export "work") (param i32) (result i32)
        (local $i i32)
        {calls}
        (loop $next
          (i32.store8 (i32.add (i32.const 2048) (i32.mul (local.get $i) (i32.const 2)))
            (i32.add (i32.const 97) (i32.and (i32.const 15)
              (i32.load8_u (i32.add (i32.const 256) (local.get $i))))))
          (i32.store8 (i32.add (i32.const 2049) (i32.mul (local.get $i) (i32.const 2)))
            (i32.add (i32.const 97) (i32.shr_u
              (i32.load8_u (i32.add (i32.const 256) (local.get $i))) (i32.const 4))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $i) (i32.const {bytes}))))
        (call $answer (i32.const 2048) (i32.const {})))"#,
        bytes * 2
    );
    clocked(imports, &body)
}

fn number(letters: &str) -> u64 {
    letters
        .bytes()
        .rev()
        .collect::<Vec<_>>()
        .chunks(2)
        .fold(0, |number, pair| {
            number << 8 | u64::from(pair[0] - b'a') << 4 | u64::from(pair[1] - b'a')
        })
}

#[tokio::test]
async fn clock_and_randomness_follow_from_the_context_alone() {
    let imports = r#"
      (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
      (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $mono (result i64)))
      (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
      (import "wasi:random/insecure@0.2.3" "get-insecure-random-u64" (func $insecure (result i64)))
      (import "wasi:random/insecure-seed@0.2.3" "insecure-seed" (func $seed (param i32)))"#;
    let calls = r#"
      (call $wall (i32.const 768))
      (i64.store (i32.const 256) (i64.load (i32.const 768)))
      (i64.store (i32.const 264) (i64.load32_u (i32.const 776)))
      (i64.store (i32.const 272) (call $mono))
      (i64.store (i32.const 280) (call $mono))
      (i64.store (i32.const 288) (call $random))
      (i64.store (i32.const 296) (call $random))
      (i64.store (i32.const 304) (call $insecure))
      (call $seed (i32.const 312))"#;
    let engine = engine(2);
    let prepared = prepare(&engine, &lettering(imports, calls, 9));
    let context = |seed| Context {
        seed: [seed; 32],
        clock: Arc::new(GuestClock::new(7_000_000_000)),
        ..Context::default()
    };
    let run = |seed| answer(&prepared, Host::default(), context(seed));
    let first = run(1).await;
    assert_eq!(run(1).await, first);
    let values: Vec<u64> = (0..9).map(|n| number(&first[n * 16..][..16])).collect();
    assert_eq!(
        values[..4],
        [7, 1_000, 2_000, 3_000],
        "one microsecond for each reading"
    );
    let random: std::collections::HashSet<_> = values[4..].iter().collect();
    assert_eq!(random.len(), 5, "five different numbers: {values:?}");
    // ChaCha20 with this key and no nonce begins so: what old journals were made with never
    // changes.
    assert_eq!(values[4], 0xc476_243a_2037_3f02);

    let other = run(2).await;
    assert_eq!(
        first[..64],
        other[..64],
        "the clock does not depend on the seed"
    );
    assert_ne!(first[64..], other[64..]);
}

#[tokio::test]
async fn a_guest_cannot_sleep_but_may_ask_to_wait_for_nothing() {
    let imports = r#"
      (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration"
        (func $subscribe (param i64) (result i32)))
      (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#;
    let body = |nanos: u64| {
        FINE.replace(
            "(call $answer",
            &format!("(call $block (call $subscribe (i64.const {nanos}))) (call $answer"),
        )
    };
    let stop = stopped(&clocked(imports, &body(1)), short()).await;
    assert!(
        stop.to_string().contains("time does not pass inside a run"),
        "{stop}"
    );
    assert!(stop.to_string().contains("await-reports"), "{stop}");

    let engine = engine(2);
    let prepared = prepare(&engine, &clocked(imports, &body(0)));
    assert_eq!(
        answer(&prepared, Host::default(), Context::default()).await,
        "fine"
    );
}

#[tokio::test]
async fn sockets_are_denied_as_a_value_and_there_are_no_files() {
    let imports = r#"
      (import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket"
        (func $tcp (param i32 i32)))
      (import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $dirs (param i32)))"#;
    // Result at 256: is it an error, and which; then the length of the list.
    let calls = "(call $tcp (i32.const 0) (i32.const 256)) (call $dirs (i32.const 264))";
    let engine = engine(2);
    let prepared = prepare(&engine, &lettering(imports, calls, 2));
    let letters = answer(&prepared, Host::default(), Context::default()).await;
    let (tcp, directories) = (number(&letters[..16]), number(&letters[16..]));
    assert_eq!(tcp & 0xff, 1, "an error");
    assert_eq!(tcp >> 32 & 0xff, 1, "access-denied");
    assert_eq!(directories >> 32, 0, "no directories");
}
