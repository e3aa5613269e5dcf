//! The subordinate of the benchmark's workloads: it posts one short message and reports 200 bytes.

use adjutant_sdk::{Failure, Report, Subordinate, Task, channels};

struct BenchWorker;

/// What it posts, 40 bytes.
const MESSAGE: &str = "The work is done; the report comes next.";
/// The size of its report in bytes.
const REPORT_BYTES: usize = 200;

impl Subordinate for BenchWorker {
    fn work(_task: Task) -> Result<Report, Failure> {
        channels::post(None, MESSAGE, None)?;
        Ok(Report::new("r".repeat(REPORT_BYTES)))
    }
}

adjutant_sdk::subordinate!(BenchWorker);
