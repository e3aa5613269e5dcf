//! The host's settings, as a file has them, and what the command line says on top.

use crate::args::ServeArgs;
use crate::exit::{Error, Result};
use crate::team::read_text;
use crate::wire::{PluginSettings, Settings};
use adjutant_connect::Signatures;
use adjutant_connect::registry::{Registries, RegistryOptions};
use adjutant_dispatch::SourceOptions;
use adjutant_model::Limits;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The host's settings, as a file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    limits: Limits,
    runs: Runs,
    store: Storage,
    plugins: Plugins,
}

/// How the disk is used, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Storage {
    /// Bytes of the disk that are to stay free: with less, nothing new is stored. 0 turns it off.
    floor_bytes: Option<u64>,
    /// Bytes of memory for pages of the store.
    cache_bytes: Option<usize>,
}

/// How runs are executed, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Runs {
    /// How long a run waits in memory before its instance is dropped.
    park_after_ms: Option<u64>,
    /// How many runs can be in memory at a time; more wait, and workspaces take turns.
    instances: Option<u32>,
    /// How long runs get to come to a halt when the host stops.
    shutdown_ms: Option<u64>,
}

/// Where plugins may come from, and how they are bounded, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plugins {
    /// Bytes of a component.
    max_bytes: Option<usize>,
    /// How long compiling one may take.
    compile_ms: Option<u64>,
    /// Bytes of memory that compiling one may take.
    compile_memory: Option<u64>,
    /// How many new ones may wait while another one is compiled; one more is told to come again.
    compile_queue: Option<usize>,
    /// Bytes of a manifest that a registry gives.
    max_manifest: Option<u64>,
    /// Bytes of any other answer of a registry, such as a token.
    max_answer: Option<u64>,
    /// Whether a component without a signature is refused.
    require_signed: bool,
    /// The keys whose signatures count: minisign public keys, beginning with RW.
    trusted_keys: Vec<String>,
    /// A folder; components that are dropped into it are registered. Relative to the file.
    watch: Option<PathBuf>,
    /// Registries on other machines that are spoken to over plain HTTP.
    plain_http: Vec<String>,
}

/// How long runs get to come to a halt unless told otherwise.
const SHUTDOWN_MS: u64 = 10_000;

impl Config {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Config> {
        let shown = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|error| Error::Usage(format!("{shown} cannot be read: {error}")))?;
        let text = read_text(file, &shown)?;
        let mut config: Config = toml::from_str(&text)
            .map_err(|error| Error::Usage(format!("{shown}: {}", error.to_string().trim_end())))?;
        if let (Some(watch), Some(folder)) = (&mut config.plugins.watch, path.parent()) {
            *watch = folder.join(&*watch);
        }
        Ok(config)
    }

    /// What the host is to be, by this and the command line.
    pub(super) fn into_settings(self, data: &Path, args: &ServeArgs) -> Result<Settings> {
        let mut settings = Settings {
            limits: self.limits,
            park_after: self.runs.park_after_ms.map(Duration::from_millis),
            instances: self.runs.instances,
            shutdown: Duration::from_millis(self.runs.shutdown_ms.unwrap_or(SHUTDOWN_MS)),
            plugins: self.plugins.into_settings(args)?,
            ..Settings::below(data, args.addr)
        };
        if let Some(floor) = self.store.floor_bytes {
            settings.store.floor_bytes = floor;
        }
        if let Some(cache) = self.store.cache_bytes {
            settings.store.cache_bytes = cache;
        }
        Ok(settings)
    }
}

impl Plugins {
    fn into_settings(mut self, args: &ServeArgs) -> Result<PluginSettings> {
        for key in &args.trusted_key {
            self.trusted_keys.push(trusted_key(key)?);
        }
        let required = self.require_signed || args.require_signed;
        let signatures = Signatures::new(&self.trusted_keys, required)
            .map_err(|error| Error::Usage(error.to_string()))?;
        let mut settings = PluginSettings::default();
        settings.max_bytes = self.max_bytes.unwrap_or(settings.max_bytes);
        let compile_ms = self.compile_ms.map(Duration::from_millis);
        settings.compile_time = compile_ms.unwrap_or(settings.compile_time);
        settings.compile_memory = self.compile_memory.unwrap_or(settings.compile_memory);
        settings.compile_queue = self.compile_queue.unwrap_or(settings.compile_queue);
        let usual = RegistryOptions::default();
        let registries = RegistryOptions {
            max_bytes: settings.max_bytes as u64,
            max_manifest: self.max_manifest.unwrap_or(usual.max_manifest),
            max_answer: self.max_answer.unwrap_or(usual.max_answer),
            plain_http: self.plain_http,
            ..usual
        };
        settings.sources = SourceOptions {
            signatures,
            registries: Registries::new(registries),
            watch: args.plugins.clone().or(self.watch),
        };
        Ok(settings)
    }
}

/// Bytes of what is given as a key and shown, where it is none.
const LONGEST_SHOWN: usize = 40;

/// What a key's file is expected to hold.
const A_KEY: &str = "one is the line of 56 letters and digits, beginning with RW, in the file that \
                     `minisign -G` writes as `minisign.pub`";

/// Whether what was given looks like a key's text and not like the name of its file. Such is not shown: it may
/// be the secret one.
fn may_be_key(given: &str) -> bool {
    given.len() > LONGEST_SHOWN || !given.contains(['/', '.'])
}

/// A key as it is, or from its file. Neither what a file holds is shown, nor what may be a key's text.
fn trusted_key(given: &str) -> Result<String> {
    let is_key = |text: &str| Signatures::new([text], true).is_ok();
    let path = Path::new(given);
    if !path.exists() {
        return match is_key(given) {
            true => Ok(given.to_owned()),
            false => {
                let shown = match may_be_key(given) {
                    true => "what was given",
                    false => given,
                };
                Err(Error::Usage(format!(
                    "--trusted-key: {shown} is neither a file nor a minisign public key: {A_KEY}"
                )))
            }
        };
    }
    let shown = format!("--trusted-key {given}");
    let file = std::fs::File::open(path)
        .map_err(|error| Error::Usage(format!("{shown}: it cannot be read: {error}")))?;
    let text = read_text(file, &shown)?;
    match is_key(&text) {
        true => Ok(text),
        false => Err(Error::Usage(format!(
            "{shown}: the file holds no minisign public key: {A_KEY}; the secret key stays with whoever signs"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn config(text: &str) -> Result<Config> {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("adjutant.toml");
        std::fs::write(&path, text).expect("written");
        Config::read(&path)
    }

    fn settings(text: &str, line: &[&str]) -> Result<Settings> {
        let cli = Cli::try_parse_from([&["adjutant", "serve"], line].concat());
        let Command::Serve(args) = cli.expect("it parses").command else {
            panic!("not serve");
        };
        config(text)?.into_settings(Path::new("data"), &args)
    }

    #[test]
    fn limits_are_read_by_their_names() {
        let text = "[limits]\ndepth = 5\n[runs]\npark_after_ms = 50\nshutdown_ms = 7\n\
            [store]\nfloor_bytes = 9\n[plugins]\nmax_bytes = 10\ncompile_ms = 11\ncompile_memory = 12\n\
            compile_queue = 13\nmax_manifest = 14\nmax_answer = 15\n";
        let read = settings(text, &[]).expect("settings");
        assert_eq!(read.shutdown, Duration::from_millis(7));
        assert_eq!(read.park_after, Some(Duration::from_millis(50)));
        assert_eq!((read.limits.depth, read.store.floor_bytes), (5, 9));
        assert_eq!(read.limits.children, Limits::default().children);
        let plugins = read.plugins;
        assert_eq!((plugins.max_bytes, plugins.compile_memory), (10, 12));
        assert_eq!(plugins.compile_time, Duration::from_millis(11));
        assert_eq!(plugins.compile_queue, 13);
        let registries = plugins.sources.registries;
        let registries = registries.options();
        assert_eq!((registries.max_manifest, registries.max_answer), (14, 15));
        for (wrong, name) in [
            ("[limits]\ndepht = 5\n", "depht"),
            ("[plugins]\nwatsh = 1", "watsh"),
        ] {
            let error = config(wrong).expect_err("a wrong name");
            assert!(matches!(error, Error::Usage(_)));
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn keys_come_from_the_file_and_the_command_line() {
        const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let text = format!("[plugins]\nrequire_signed = true\ntrusted_keys = [\"{KEY}\"]");
        let read = settings(&text, &["--trusted-key", KEY]).expect("settings");
        let signatures = read.plugins.sources.signatures;
        assert!(signatures.required());
        let keys: Vec<String> = signatures.trusted().map(ToString::to_string).collect();
        assert_eq!(keys, ["E7620F1842B4E81F", "E7620F1842B4E81F"]);
        let error = settings("", &["--require-signed"]).expect_err("nobody could sign");
        assert!(error.to_string().contains("--trusted-key"), "{error}");
        let error = settings("", &["--trusted-key", "lost.pub"]).expect_err("no key");
        let said = error.to_string();
        assert!(
            said.contains("--trusted-key: lost.pub is neither a file")
                && said.contains("minisign.pub"),
            "{said}"
        );
        // What may be a key's text is not told, for it may be the secret one: here it is one, cut.
        let long = format!("RWRTY0Iy/hidden.{}", "A".repeat(25));
        for secret in ["RWRTY0Iyhidden", &long] {
            let error = settings("", &["--trusted-key", secret]).expect_err("no key");
            let config = format!("[plugins]\ntrusted_keys = [\"{KEY}\", \"{secret}\"]");
            let in_file = settings(&config, &[]).expect_err("no key");
            assert!(in_file.to_string().contains("number 2 of the trusted keys"));
            for said in [error, in_file].map(|error| error.to_string()) {
                assert!(
                    said.contains("minisign public key") && !said.contains("hidden"),
                    "{said}"
                );
            }
        }
        // A file with something else is named, and what it holds is not told: it may be the secret key.
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("minisign.key");
        std::fs::write(&file, "untrusted comment: secret\nRWRTY0Iyhidden\n").expect("written");
        let file = file.to_str().expect("text");
        let error = settings("", &["--trusted-key", file]).expect_err("another key");
        let said = error.to_string();
        assert!(
            said.contains(file)
                && said.contains("no minisign public key")
                && !said.contains("hidden"),
            "{said}"
        );
        assert!(matches!(error, Error::Usage(_)));
        let file = root.path().join("minisign.pub");
        std::fs::write(&file, format!("untrusted comment: public\n{KEY}\n")).expect("written");
        settings("", &["--trusted-key", file.to_str().expect("text")]).expect("its public half");
    }

    #[test]
    fn a_watched_folder_is_where_its_file_says() {
        let read = config("[plugins]\nwatch = \"plugins\"\n").expect("settings");
        let watch = read.plugins.watch.expect("a folder");
        assert!(
            watch.is_absolute() && watch.ends_with("plugins"),
            "{}",
            watch.display()
        );
    }
}
