//! Compiling in a process of its own.
//!
//! A component may be made so that compiling it takes hours or all memory, or so that the compiler
//! itself breaks. So a host starts its own program once more for each component that is new to it:
//! that process is the least urgent of the machine, has a limit on its memory, is ended when it is too
//! slow, and ends with its host. What it says comes through pipes.
//!
//! Invariant: machine code comes from the program that this host itself is, and from a process that
//! ended well.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::component::{LoadError, World};

/// The first argument that makes a program such a process, where it calls [`compile_component`].
pub const COMPILE_COMMAND: &str = "compile-component";

/// The exit code of a process that found something wrong with the component, and says what on stderr.
const REFUSED: u8 = 3;
/// Bytes of what the process says that are kept.
const SAID: u64 = 16 << 10;
/// Processor time that checking a component's types may take. The host repeats that check itself.
const TYPE_CHECK: Duration = Duration::from_secs(5);

/// The program that compiles: this one, started again.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
}

impl Compiler {
    /// The program that is running now. It has to call [`compile_component`] where its first argument
    /// is [`COMPILE_COMMAND`].
    ///
    /// # Errors
    /// Where the system does not say which program that is.
    pub fn this_program() -> io::Result<Compiler> {
        // Stays the same program also where its file has been replaced since.
        let link = PathBuf::from("/proc/self/exe");
        let program = if link.exists() {
            link
        } else {
            std::env::current_exe()?
        };
        Ok(Compiler { program })
    }

    /// Checks and compiles a component. Blocks until that is done or a limit is reached.
    pub(crate) fn compile(&self, bytes: &[u8], job: &Job) -> Result<Vec<u8>, LoadError> {
        let mut child = self.start(job).map_err(|error| LoadError::Compiler {
            detail: format!("its process cannot be started: {error}"),
        })?;
        let ended = converse(&mut child, bytes, job);
        if ended.is_err() {
            // It may have ended meanwhile; then there is nothing to kill.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| LoadError::Compiler {
            detail: format!("its process cannot be waited for: {error}"),
        })?;
        let Ended { code, said } = ended?;
        if status.success() {
            return Ok(code);
        }
        Err(failure(status, said.trim(), job))
    }

    fn start(&self, job: &Job) -> io::Result<Child> {
        use std::os::unix::process::CommandExt;
        Command::new(&self.program)
            .arg(COMPILE_COMMAND)
            .args(job.to_args())
            .env_clear()
            // Whoever interrupts the host from a terminal means the host alone.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// What bounds components of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes that a component may have.
    pub max_bytes: usize,
    /// How long compiling one may take, where that happens in a process of its own.
    pub compile_time: Duration,
    /// Bytes of memory that compiling one may take, likewise.
    pub compile_memory: u64,
    /// How many may wait while another one is compiled.
    pub compile_queue: usize,
}

/// What one process is told to do, and within which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Bytes that a component may have.
    pub(crate) max_component: usize,
    /// Bytes of memory that the process may take.
    pub(crate) memory: u64,
    /// How long it may take.
    pub(crate) time: Duration,
    /// The world to check against; the one that its exports speak of where none is given.
    pub(crate) world: Option<World>,
}

impl Job {
    fn to_args(&self) -> [String; 4] {
        let world = self.world.map(|world| world.to_string());
        [
            self.max_component.to_string(),
            self.memory.to_string(),
            self.time.as_millis().to_string(),
            world.unwrap_or_else(|| "any".to_owned()),
        ]
    }

    fn from_args(args: impl Iterator<Item = OsString>) -> Option<Job> {
        let args: Vec<String> = args
            .map(|arg| arg.into_string().ok())
            .collect::<Option<_>>()?;
        let [max_component, memory, time, world] = args.as_slice() else {
            return None;
        };
        Some(Job {
            max_component: max_component.parse().ok()?,
            memory: memory.parse().ok()?,
            time: Duration::from_millis(time.parse().ok()?),
            world: match world.as_str() {
                "any" => None,
                "selector" => Some(World::Selector),
                "subordinate" => Some(World::Subordinate),
                "boss" => Some(World::Boss),
                _ => return None,
            },
        })
    }
}

/// What came from a process until it closed its output.
struct Ended {
    code: Vec<u8>,
    said: String,
}

/// Gives the process the component and takes what it answers, all at once so that neither waits for
/// the other for ever. An error means that the process may still be there.
fn converse(child: &mut Child, bytes: &[u8], job: &Job) -> Result<Ended, LoadError> {
    let missing = || LoadError::Compiler {
        detail: "its process has no pipes".to_owned(),
    };
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    std::thread::scope(|threads| {
        threads.spawn(move || {
            // A process that does not want to hear more says why, or ends with a status.
            let _ = stdin.write_all(bytes);
        });
        let said = threads.spawn(move || read_some(stderr, SAID).map(|(said, _)| said));
        let (done, ended) = mpsc::channel();
        // Machine code that would not fit into the process cannot come from it.
        threads.spawn(move || done.send(read_some(stdout, job.memory)));
        let ended = match ended.recv_timeout(job.time) {
            Ok(ended) => ended.map_err(|error| LoadError::Compiler {
                detail: format!("its process broke off: {error}"),
            }),
            Err(_) => Err(LoadError::TooSlow { limit: job.time }),
        };
        if ended.is_err() {
            // Ends the pipes too, and with them the threads.
            let _ = child.kill();
        }
        let (code, whole) = ended?;
        if !whole {
            let _ = child.kill();
            return Err(LoadError::TooHungry { limit: job.memory });
        }
        let said = said.join().ok().and_then(Result::ok).unwrap_or_default();
        Ok(Ended {
            code,
            said: String::from_utf8_lossy(&said).into_owned(),
        })
    })
}

/// Reads to the end and keeps so many bytes. Says whether that is all there was.
fn read_some(mut from: impl Read, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    from.by_ref().take(most).read_to_end(&mut kept)?;
    let rest = io::copy(&mut from, &mut io::sink())?;
    Ok((kept, rest == 0))
}

/// Why a process ended otherwise than well.
fn failure(status: ExitStatus, said: &str, job: &Job) -> LoadError {
    use std::os::unix::process::ExitStatusExt;
    /// By these numbers on every Unix.
    const KILL: i32 = 9;
    const OUT_OF_TIME: i32 = 24;
    if status.code() == Some(i32::from(REFUSED)) && !said.is_empty() {
        return LoadError::Refused {
            sentence: said.to_owned(),
        };
    }
    let out_of_memory = [
        "memory allocation of",
        "out of memory",
        "failed to spawn thread",
    ];
    match status.signal() {
        Some(OUT_OF_TIME) => LoadError::TooSlow { limit: job.time },
        // The system kills the largest where it has no memory left.
        Some(KILL) => LoadError::TooHungry { limit: job.memory },
        _ if out_of_memory.iter().any(|words| said.contains(words)) => {
            LoadError::TooHungry { limit: job.memory }
        }
        _ => LoadError::Compiler {
            detail: match said.lines().next() {
                Some(line) => format!("its process ended with {status}, saying {line:?}"),
                None => format!("its process ended with {status}"),
            },
        },
    }
}

/// Is the process that compiles: takes a component from stdin, and gives its machine code on stdout or
/// says on stderr what is wrong. For [`Compiler`], which starts it with these arguments.
pub fn compile_component(args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(job) = Job::from_args(args) else {
        eprint!("{COMPILE_COMMAND} is for Adjutant itself: it compiles for a host that runs");
        return ExitCode::from(2);
    };
    match work(&job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprint!("{sentence}");
            ExitCode::from(REFUSED)
        }
    }
}

fn work(job: &Job) -> Result<(), String> {
    confine(job)
        .map_err(|error| format!("The component cannot be compiled within limits: {error}"))?;
    let mut bytes = Vec::new();
    let most = job.max_component as u64 + 1;
    let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map_err(|error| format!("The component broke off on its way to the compiler: {error}"))?;
    let began = processor_time();
    crate::engine::check(&bytes, job.max_component, job.world)
        .map_err(|error| error.to_string())?;
    if processor_time().saturating_sub(began) > TYPE_CHECK {
        return Err(format!(
            "The component's types are so many or so large that checking them takes longer than {} s. \
             Have its imports and exports use fewer types.",
            TYPE_CHECK.as_secs()
        ));
    }
    let code = crate::engine::machine_code(&bytes).map_err(|error| error.to_string())?;
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(&code).and_then(|()| stdout.flush());
    written.map_err(|error| {
        format!("The compiled component broke off on its way to the host: {error}")
    })
}

/// Gives up all that this process does not need, before it looks at anything from outside.
fn confine(job: &Job) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // All who run something go first.
    rustix::process::nice(19)?;
    let limit = |resource, most| {
        let least = rustix::process::getrlimit(resource).maximum;
        let most = least.map_or(most, |least| least.min(most));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit)
    };
    // What it can write to. Address space alone costs nothing.
    limit(Resource::Data, job.memory)?;
    limit(Resource::Core, 0)?;
    // Should nobody be there to end it.
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    limit(
        Resource::Cpu,
        (job.time.as_secs() + 1).saturating_mul(processors),
    )?;
    Ok(())
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn job() -> Job {
        Job {
            max_component: 1_000,
            memory: 2_000,
            time: Duration::from_secs(3),
            world: Some(World::Boss),
        }
    }

    #[test]
    fn a_job_survives_its_way_into_the_process() {
        for world in [
            None,
            Some(World::Selector),
            Some(World::Subordinate),
            Some(World::Boss),
        ] {
            let job = Job { world, ..job() };
            let args = job.to_args().into_iter().map(OsString::from);
            assert_eq!(Job::from_args(args), Some(job));
        }
        assert_eq!(Job::from_args(["1".into()].into_iter()), None);
        assert_eq!(
            Job::from_args(["1", "2", "3", "x"].map(OsString::from).into_iter()),
            None
        );
    }

    #[test]
    fn each_end_of_the_process_has_its_sentence() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let table = [
            (exit(3), "It is too blue.", "It is too blue."),
            (exit(3), "", "compiler failed"),
            (
                exit(101),
                "thread panicked\nmore",
                "saying \"thread panicked\"",
            ),
            (
                ExitStatus::from_raw(6),
                "memory allocation of 8 bytes failed",
                "more than 2000 bytes",
            ),
            (ExitStatus::from_raw(9), "", "more than 2000 bytes"),
            (ExitStatus::from_raw(24), "", "longer than 3 s"),
            (ExitStatus::from_raw(11), "", "signal: 11"),
        ];
        for (status, said, wanted) in table {
            let text = failure(status, said, &job()).to_string();
            assert!(text.contains(wanted), "{status}: {text}");
        }
    }
}
