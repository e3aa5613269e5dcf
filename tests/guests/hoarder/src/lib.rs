//! Allocates a mebibyte at a time and gives none back.

use adjutant_sdk::{Failure, Report, Subordinate, Task};

struct Hoarder;

impl Subordinate for Hoarder {
    fn work(_task: Task) -> Result<Report, Failure> {
        let mut hoard = Vec::new();
        loop {
            hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
        }
    }
}

adjutant_sdk::subordinate!(Hoarder);
