//! What the store gives back: damaged records are an error with a sentence, and what can be read is the
//! same when it is written and read again. The first byte says which kind of record it is.
#![no_main]

use adjutant_model::{
    Agent, Event, Journal, Message, Plugin, Record, Run, Ticket, WorkPlan, Workspace,
};
use adjutant_store::records::{decode, encode};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fn read<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = match decode("record", bytes) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    // Compared as bytes, for a NaN is not equal to itself.
    let written = encode(&value);
    let again: T = decode("record", &written).expect("what was written can be read");
    assert_eq!(encode(&again), written);
    Some(value)
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 9 {
        0 => {
            if let Some(records) = read::<Vec<Record>>(bytes)
                && let Ok(journal) = Journal::from_records(records)
            {
                let open = journal.entries.iter().filter(|entry| entry.reply.is_none());
                assert!(open.count() <= 1, "only the last may lack its answer");
            }
        }
        1 => drop(read::<Ticket>(bytes)),
        2 => drop(read::<Run>(bytes)),
        3 => drop(read::<Agent>(bytes)),
        4 => drop(read::<Event>(bytes)),
        5 => drop(read::<Message>(bytes)),
        6 => drop(read::<Plugin>(bytes)),
        7 => drop(read::<Workspace>(bytes)),
        _ => drop(read::<WorkPlan>(bytes)),
    }
});
