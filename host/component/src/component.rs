//! A component that is verified and compiled, and why one may be refused.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::contract::{Fault, Shape};

/// Which of the contract's worlds a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// Exports `choose`: says who should do a task.
    Selector,
    /// Exports `work`: does a task itself.
    Subordinate,
    /// Exports `work` and may delegate.
    Boss,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Selector => "selector",
            Self::Subordinate => "subordinate",
            Self::Boss => "boss",
        })
    }
}

/// A component that fits its world and is ready to be linked. Made by [`crate::Engine::load`].
pub struct Component {
    pub(crate) compiled: wasmtime::component::Component,
    digest: String,
    world: World,
    size: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    /// How many of the engine's permits one instance takes.
    weight: AtomicU32,
}

impl Component {
    pub(crate) fn new(
        compiled: wasmtime::component::Component,
        digest: String,
        world: World,
        size: usize,
        shape: &Shape,
    ) -> Self {
        // The pool has room for two memories and two tables for each permit.
        let weight = compiled.resources_required().map_or(1, |needs| {
            needs.num_memories.max(needs.num_tables).div_ceil(2).max(1)
        });
        Self {
            compiled,
            digest,
            world,
            size,
            imports: shape.imports(),
            exports: shape.exports(),
            weight: AtomicU32::new(weight),
        }
    }

    /// `sha256:` and the hash of its bytes in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The world that it was checked against.
    pub fn world(&self) -> World {
        self.world
    }

    /// Its size in bytes, as WebAssembly.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What it imports, such as `adjutant:agent/channels@0.1.0`, in its own order.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What it exports, such as `work`.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Remembers that an instance takes more of the pool than was thought.
    pub(crate) fn weigh_at_least(&self, weight: u32) {
        self.weight.fetch_max(weight, Ordering::Relaxed);
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("digest", &self.digest)
            .field("world", &self.world)
            .field("size", &self.size)
            .field("imports", &self.imports)
            .field("exports", &self.exports)
            .finish_non_exhaustive()
    }
}

/// Why bytes are not a component that this host can run. Each is a sentence for the plugin's author.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing at all.
    #[error("It is empty: there is no WebAssembly in it.")]
    Empty,
    /// Not WebAssembly at all.
    #[error("This is not WebAssembly: it begins with {begins}.{hint}")]
    NotWasm {
        /// Its first bytes, readable.
        begins: String,
        /// What it could be instead, as a sentence with a blank before it, or nothing.
        hint: &'static str,
    },
    /// A core module.
    #[error(
        "This is a core WebAssembly module, not a component: build it for wasm32-wasip2, or make a \
         component of it with `wasm-tools component new`."
    )]
    CoreModule,
    /// Larger than the host accepts.
    #[error("The component has {size} bytes, and this host accepts at most {limit}.")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Cut off or overwritten.
    #[error(
        "The component is damaged or cut off at byte {offset}: {}. Build it or copy it again.",
        brief(.detail)
    )]
    Damaged {
        /// Where reading failed.
        offset: usize,
        /// What was wrong there.
        detail: String,
    },
    /// Whole, but not valid.
    #[error("The component is not valid: {}", brief(.detail))]
    Invalid {
        /// What is wrong with it, with causes.
        detail: String,
    },
    /// It exports neither `choose` nor `work`.
    #[error(
        "The component is for none of Adjutant's worlds: it exports neither the function `choose` \
         (a selector) nor `work` (a subordinate or a boss), but {}.", brief(.exports)
    )]
    NoWorld {
        /// What it exports, as a phrase.
        exports: String,
    },
    /// It does not fit the world that it is meant for.
    #[error("The component does not fit the world `{world}`: {}.", sentences(.faults))]
    Unfit {
        /// The world.
        world: World,
        /// All that does not fit; never empty.
        faults: Vec<Fault>,
    },
    /// Its types fit, and wasmtime refuses to link it all the same.
    #[error("The component cannot be linked as a {world}: {}", brief(.detail))]
    Link {
        /// The world.
        world: World,
        /// wasmtime's reason, with causes.
        detail: String,
    },
    /// It was loaded for another world than the one it is to be used in.
    #[error("The component was loaded as a {loaded} and cannot be run as a {wanted}.")]
    OtherWorld {
        /// The world that it was loaded for.
        loaded: World,
        /// What it was to be used as.
        wanted: &'static str,
    },
    /// Another process looked at it, and this is what it says.
    #[error("{}", brief(.sentence))]
    Refused {
        /// The sentence.
        sentence: String,
    },
    /// Compiling it took too long.
    #[error(
        "Compiling the component took longer than {} s, and was stopped. Make it smaller: an optimized \
         build, fewer or shorter functions. Or raise `compile_ms` in the host's `[plugins]`.",
        .limit.as_secs_f32()
    )]
    TooSlow {
        /// The limit.
        limit: std::time::Duration,
    },
    /// Compiling it took too much memory.
    #[error(
        "Compiling the component takes more than {limit} bytes of memory, and was stopped. Make it \
         smaller: an optimized build, fewer or shorter functions. Or raise `compile_memory` in the \
         host's `[plugins]`."
    )]
    TooHungry {
        /// The limit in bytes.
        limit: u64,
    },
    /// It could not be read where it is kept.
    #[error("{sentence}")]
    Unreadable {
        /// Where and why, as a sentence.
        sentence: String,
    },
    /// Others wait already, and it was not its turn yet. Nothing is wrong with it.
    #[error(
        "Another component is being compiled, and as many wait for that as may ({limit}): try again in a \
         moment, or raise `compile_queue` in the host's `[plugins]`."
    )]
    Crowded {
        /// How many may wait.
        limit: usize,
    },
    /// Reading or compiling it made the host's own code panic.
    #[error("The component could not be compiled: the compiler failed ({detail}).")]
    Compiler {
        /// What is known of it.
        detail: String,
    },
}

/// Faults that are told one by one.
const TOLD: usize = 20;
/// Bytes of what a component itself can make as long as it likes: names, types.
const BRIEF: usize = 1_500;

fn sentences(faults: &[Fault]) -> String {
    let mut told = String::new();
    for (n, fault) in faults.iter().enumerate() {
        let fault = fault.to_string();
        if n > 0 {
            told.push_str("; ");
            if n == TOLD || told.len() + fault.len() > BRIEF {
                return format!("{told}and {} more", faults.len() - n);
            }
        }
        told.push_str(&brief(&fault));
    }
    told
}

fn brief(text: &str) -> String {
    if text.len() <= BRIEF {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(BRIEF)])
}

/// What to do where it is in an archive.
fn packed(bytes: &[u8]) -> Option<&'static str> {
    const PACKED: [(&[u8], &str); 5] = [
        (
            b"\x1f\x8b",
            " It is packed with gzip: unpack it with `gunzip`.",
        ),
        (
            b"\x28\xb5\x2f\xfd",
            " It is packed with zstd: unpack it with `unzstd`.",
        ),
        (
            b"PK\x03\x04",
            " It is a zip archive: unpack it, and send the .wasm file in it.",
        ),
        (
            b"\xfd7zXZ\0",
            " It is packed with xz: unpack it with `unxz`.",
        ),
        (
            b"BZh",
            " It is packed with bzip2: unpack it with `bunzip2`.",
        ),
    ];
    let known = PACKED.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map(|(_, hint)| *hint)
}

/// Checks the outermost form: is it a component, and is it whole?
pub(crate) fn check_form(bytes: &[u8], limit: usize) -> Result<(), LoadError> {
    if bytes.len() > limit {
        return Err(LoadError::TooLarge {
            size: bytes.len(),
            limit,
        });
    }
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        let looks_like = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let hint = match (packed(bytes), looks_like) {
            (Some(hint), _) => hint,
            (None, None) => " It is blank.",
            (None, Some(b'(')) => {
                " It looks like WebAssembly text: assemble it with `wasm-tools parse`."
            }
            (None, Some(_)) => "",
        };
        let begins = format!("\"{}\"", bytes[..bytes.len().min(8)].escape_ascii());
        return Err(LoadError::NotWasm { begins, hint });
    }
    if wasmparser::Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        payload.map_err(|error| LoadError::Damaged {
            offset: error.offset(),
            detail: error.message().to_owned(),
        })?;
    }
    Ok(())
}
