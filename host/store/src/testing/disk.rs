//! A disk in memory that fails on command and loses power.
//!
//! Writes go to a cache that reads see; a sync moves them to the platter. Losing power keeps the
//! platter and an arbitrary part of what was written since.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A handle to the disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<Disk>>);

/// Which calls a planned failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Only syncs.
    Sync,
    /// Only writes.
    Write,
    /// Writes, syncs and changes of length.
    Any,
}

#[derive(Default)]
struct Disk {
    cache: Vec<u8>,
    platter: Vec<u8>,
    pending: Vec<Change>,
    plan: Option<Plan>,
    failures: u64,
    calls: u64,
    /// Bytes that fit on it; all where none is given.
    capacity: Option<usize>,
}

enum Change {
    Write(u64, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Copy)]
struct Plan {
    calls: Call,
    /// Calls that still succeed.
    left: u64,
    /// Goes on failing, reads too, until the disk is mended.
    lasting: bool,
    tripped: bool,
}

impl SimDisk {
    /// The `nth` such call from now on (1 is the next) fails; once, or with everything after it.
    pub fn fail_at(&self, calls: Call, nth: u64, lasting: bool) {
        let left = nth.saturating_sub(1);
        self.lock().plan = Some(Plan {
            calls,
            left,
            lasting,
            tripped: false,
        });
    }

    /// From now on no more than so many bytes fit on the disk; growing past them fails as on a full
    /// disk. `None` makes room again.
    pub fn hold_at_most(&self, bytes: Option<usize>) {
        self.lock().capacity = bytes;
    }

    /// Bytes on it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lock().cache.len()
    }

    /// Ends all failing.
    pub fn mend(&self) {
        self.lock().plan = None;
    }

    /// Whether a lasting failure has begun: nothing works until the disk is mended.
    #[must_use]
    pub fn is_down(&self) -> bool {
        let plan = self.lock().plan;
        plan.is_some_and(|plan| plan.tripped && plan.lasting)
    }

    /// Writes, syncs and changes of length so far, failed ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many calls failed so far.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// Loses power: what was not synced is kept or lost sector by sector, as `luck` has it.
    pub fn lose_power(&self, mut luck: u64) {
        let mut disk = self.lock();
        let disk = &mut *disk;
        let mut heads = || {
            // A linear congruential step: any reproducible coin will do.
            luck = luck
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            luck >> 63 == 0
        };
        for change in disk.pending.drain(..) {
            match change {
                // A lost change of length would also lose synced data behind it in this model.
                Change::Length(length) => disk.platter.resize(length, 0),
                // Most writes are there wholly or not at all; some are torn between sectors.
                Change::Write(offset, data) if heads() || heads() => {
                    if heads() {
                        write(&mut disk.platter, offset, &data);
                    }
                }
                Change::Write(offset, data) => {
                    for (at, sector) in sectors(offset, &data) {
                        if heads() {
                            write(&mut disk.platter, at, sector);
                        }
                    }
                }
            }
        }
        disk.cache.clone_from(&disk.platter);
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn step(&mut self, call: Call) -> io::Result<()> {
        self.calls += 1;
        let Some(plan) = &mut self.plan else {
            return Ok(());
        };
        let fails = if plan.tripped {
            plan.lasting
        } else if plan.calls == Call::Any || plan.calls == call {
            plan.tripped = plan.left == 0;
            plan.left = plan.left.saturating_sub(1);
            plan.tripped
        } else {
            false
        };
        if fails {
            self.failures += 1;
            return Err(io::Error::other("the simulated disk failed"));
        }
        Ok(())
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.lock();
        if disk.plan.is_some_and(|plan| plan.tripped && plan.lasting) {
            return Err(io::Error::other("the simulated disk is down"));
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = disk.cache.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step(Call::Any)?;
        let length = usize::try_from(len).map_err(io::Error::other)?;
        if length > disk.cache.len() && disk.capacity.is_some_and(|capacity| length > capacity) {
            disk.failures += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.cache.resize(length, 0);
        disk.pending.push(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step(Call::Sync)?;
        let disk = &mut *disk;
        for change in disk.pending.drain(..) {
            match change {
                Change::Length(length) => disk.platter.resize(length, 0),
                Change::Write(offset, data) => write(&mut disk.platter, offset, &data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step(Call::Write)?;
        write(&mut disk.cache, offset, data);
        disk.pending.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

/// Bytes that a disk writes all or none of.
const SECTOR: u64 = 512;

/// A write cut at the borders of sectors.
fn sectors(offset: u64, mut data: &[u8]) -> Vec<(u64, &[u8])> {
    let mut all = Vec::new();
    let mut at = offset;
    while !data.is_empty() {
        let room = usize::try_from(SECTOR - at % SECTOR).unwrap_or(usize::MAX);
        let (sector, rest) = data.split_at(room.min(data.len()));
        all.push((at, sector));
        at += sector.len() as u64;
        data = rest;
    }
    all
}

fn write(to: &mut [u8], offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    // A write beyond the end cannot happen: the database sets the length first.
    if let Some(place) = start
        .checked_add(data.len())
        .and_then(|end| to.get_mut(start..end))
    {
        place.copy_from_slice(data);
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Disk({} bytes, {} changes pending)",
            self.cache.len(),
            self.pending.len()
        )
    }
}
