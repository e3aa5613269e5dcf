//! `adjutant plugin test`: the strategy against a script, without a host.

use super::{build_shown, compiled, open};
use crate::args::TestArgs;
use crate::exit::{Code, Error, Result};
use crate::{clean, print, wire};
use adjutant_author::testing::{self, Options, TestError, Tested};
use serde_json::json;
use std::fmt::Write as _;

/// The selector of bosses whose test names none, as a host has it.
const SELECTOR: &str = "skills";

/// Does it.
pub(super) async fn run(args: &TestArgs, json: bool) -> Result<Code> {
    let project = open(&args.dir)?;
    let built = build_shown(&project).await?.map_err(Error::Failed)?;
    let component = crate::commands::component(&built.path)?;
    let options = Options {
        cache: compiled(),
        selector: wire::builtin(SELECTOR).map(<[u8]>::to_vec),
        update: args.update,
        filter: args.filter.clone(),
    };
    let show = |tested: &Tested| {
        if !json {
            // Whoever read it has gone; the tests' end counts all the same.
            let _ = print::text(&told(tested, args.show));
        }
    };
    let all = Box::pin(testing::run(&project, &component, &options, show)).await;
    let all = all.map_err(|error| match error {
        TestError::None { .. } => Error::Usage(error.to_string()),
        other => Error::Failed(other.to_string()),
    })?;
    let failed = all.iter().filter(|tested| !tested.passed).count();
    if json {
        print::json(&json!({ "passed": failed == 0, "tests": all }))?;
    } else {
        let tests = if all.len() == 1 { "test" } else { "tests" };
        print::text(&match failed {
            0 => format!("\n{} {tests} passed", all.len()),
            failed => format!("\n{failed} of {} {tests} failed", all.len()),
        })?;
    }
    Ok(if failed == 0 { Code::Ok } else { Code::Failed })
}

fn told(tested: &Tested, show: bool) -> String {
    let mark = if tested.passed { "ok    " } else { "FAILED" };
    let updated = if tested.updated {
        ", snapshot written"
    } else {
        ""
    };
    let cuts = if tested.cuts > 0 {
        let cuts = if tested.cuts == 1 { "cut" } else { "cuts" };
        format!(", the same from {} {cuts}", tested.cuts)
    } else {
        String::new()
    };
    let calls = if tested.calls == 1 { "call" } else { "calls" };
    let mut told = format!(
        "{mark} {} ({} {calls}{cuts}, {} ms{updated})\n",
        clean::line(&tested.name, 100),
        tested.calls,
        tested.ms
    );
    for failure in &tested.failures {
        let _ = writeln!(
            told,
            "       {}",
            clean::block(failure).trim_end().replace('\n', "\n       ")
        );
    }
    let more = match &tested.difference {
        Some(difference) => Some(difference),
        None => show.then_some(&tested.story),
    };
    if let Some(text) = more {
        for line in clean::block(text).lines() {
            let _ = writeln!(told, "       {line}");
        }
    }
    told
}
