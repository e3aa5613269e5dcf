//! Says something on stderr, then panics, which traps.

use adjutant_sdk::{Failure, Report, Subordinate, Task};

struct Trapper;

impl Subordinate for Trapper {
    fn work(task: Task) -> Result<Report, Failure> {
        eprintln!("about to trap on \"{}\"", task.ticket.title);
        panic!("this guest traps on purpose");
    }
}

adjutant_sdk::subordinate!(Trapper);
