//! How long the disk takes for a page of nobody's, beside a measurement: whether what was felt was
//! the disk's.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two pages: few enough not to be felt themselves.
const PAUSE: Duration = Duration::from_millis(20);
/// What is written each time.
const PAGE: [u8; 4096] = [b'x'; 4096];

/// Writes and flushes a page again and again, in a file of its own that grows, until it is ended.
#[derive(Debug)]
pub(crate) struct DiskProbe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Duration>>,
}

impl DiskProbe {
    /// Begins, with a file in a folder that is gone in the end.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub(crate) fn begin(folder: &Path) -> io::Result<Self> {
        let file = tempfile_in(folder)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || longest(file, &stopped));
        Ok(Self { stop, thread })
    }

    /// The longest that a page took.
    ///
    /// # Errors
    /// Where one could not be written.
    pub(crate) fn end(self) -> io::Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let gone = |_| io::Error::other("the thread that looks at the disk panicked");
        self.thread.join().map_err(gone)?
    }
}

fn longest(mut file: File, stop: &AtomicBool) -> io::Result<Duration> {
    let mut longest = Duration::ZERO;
    loop {
        let begin = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        longest = longest.max(begin.elapsed());
        if stop.load(Ordering::Relaxed) {
            return Ok(longest);
        }
        std::thread::sleep(PAUSE);
    }
}

/// A file without a name, which so cannot be left behind.
fn tempfile_in(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("disk-{}", std::process::id()));
    let file = File::create(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_long_a_page_took_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let probe = DiskProbe::begin(folder.path()).expect("a file");
        let longest = probe.end().expect("the disk works");
        assert!(longest > Duration::ZERO);
        let left = std::fs::read_dir(folder.path()).expect("it is there");
        assert_eq!(left.count(), 0);
    }
}
