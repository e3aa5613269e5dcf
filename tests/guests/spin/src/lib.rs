//! Spins for ever inside `work`.

use adjutant_sdk::{Failure, Report, Subordinate, Task};

struct Spin;

impl Subordinate for Spin {
    fn work(_task: Task) -> Result<Report, Failure> {
        let mut n = 0u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }
}

adjutant_sdk::subordinate!(Spin);
