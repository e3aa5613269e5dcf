//! Components that are small and whole, fit a world, and take hours or all memory to compile.

use super::assemble::quick;
use std::fmt::Write;

/// Loops within loops, all of whose variables stay alive, and jumps to all of them from everywhere.
fn knot(functions: usize, depth: usize, variables: usize) -> Vec<u8> {
    let mut body = String::new();
    for _ in 0..depth {
        body.push_str("loop ");
    }
    for variable in 0..variables {
        write!(
            body,
            "local.get {variable} local.get {} i64.add local.set {variable} ",
            (variable + 1) % variables
        )
        .expect("a string takes all");
    }
    for around in (1..=depth).rev() {
        body.push_str("local.get 0 i32.wrap_i64 br_table ");
        for label in 0..around {
            write!(body, "{label} ").expect("a string takes all");
        }
        body.push_str("end ");
    }
    let function = format!("(func (local {}) {body})", "i64 ".repeat(variables));
    let module = format!("(module {})", function.repeat(functions));
    wat::parse_str(module).expect("the text is right")
}

/// A plugin that does nothing wrong, with a core module beside it that nobody uses.
fn with(module: &[u8]) -> Vec<u8> {
    let mut component = quick();
    component.push(1);
    let mut size = module.len();
    loop {
        let low = u8::try_from(size & 0x7f).expect("seven bits");
        size >>= 7;
        component.push(if size > 0 { low | 0x80 } else { low });
        if size == 0 {
            break;
        }
    }
    component.extend_from_slice(module);
    component
}

/// Takes longer than anyone waits: 126 KB, and many minutes.
pub(crate) fn slow() -> Vec<u8> {
    with(&knot(1, 400, 400))
}

/// Takes more memory than it is given: one function that is a megabyte of calls.
pub(crate) fn hungry() -> Vec<u8> {
    let calls = "i32.const 0 call_indirect ".repeat(200_000);
    let module = format!("(module (table 1 funcref) (func {calls}))");
    with(&wat::parse_str(module).expect("the text is right"))
}
