//! Where plugins come from: files, registries, the watched folder.

use super::operate::registered;
use crate::args::{Global, InstallArgs, PullArgs, PushArgs, SourceCommand};
use crate::client::{Client, Component, NewPlugin};
use crate::commands::{MOST_COMPONENT, client, compiling, component, read};
use crate::exit::{Code, Error, Result};
use crate::{clean, print};
use adjutant_connect::registry::{
    Pushed, Registries, RegistryError, RegistryOptions, is_reference,
};
use adjutant_connect::{SIGNATURE_BYTES, encode_signature};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Does it.
pub(super) async fn run(command: &SourceCommand, global: &Global) -> Result<Code> {
    match command {
        SourceCommand::Install(args) => install(&client(global)?, args, global.json).await?,
        SourceCommand::Push(args) => push(args, global.json).await?,
        SourceCommand::Pull(args) => pull(args, global.json).await?,
        SourceCommand::Watched => watched(&client(global)?, global.json).await?,
    }
    Ok(Code::Ok)
}

async fn install(client: &Client, args: &InstallArgs, json: bool) -> Result<()> {
    let path = Path::new(&args.from);
    let (what, beside) = if args.on_host {
        (Component::Path(args.from.clone()), None)
    } else if path.exists() || !is_reference(&args.from) {
        (Component::Bytes(component(path)?), Some(path))
    } else {
        (Component::Oci(args.from.clone()), None)
    };
    let signature = signature(args.signature.as_deref(), beside)?;
    let plugin = args.plugin.as_ref();
    let new = NewPlugin {
        name: plugin.map(|plugin| plugin.name.clone()),
        version: plugin.map(|plugin| plugin.version.clone()),
        activate: !args.no_activate,
        canary: args.canary,
        force: args.force,
        digest: args.digest.clone(),
        signature: signature.as_deref().map(encode_signature),
    };
    let installing = client.install(&new, what);
    let added = print::meanwhile(&compiling(&args.from), installing).await?;
    if json {
        return print::json(&added);
    }
    print::text(&registered(&read(added)?, new.activate))
}

async fn push(args: &PushArgs, json: bool) -> Result<()> {
    let bytes = component(&args.file)?;
    let checked = adjutant_author::check::check(&bytes, None);
    if !checked.fits {
        return Err(Error::Usage(format!(
            "{} is no plugin that a host would take: {}",
            args.file.display(),
            checked.faults.join("; ")
        )));
    }
    let mut about = BTreeMap::new();
    if let Some(manifest) = checked.manifest {
        let authors = manifest.authors.join(", ");
        let parts = [
            ("title", manifest.name),
            ("version", manifest.version),
            ("description", manifest.description),
            ("authors", authors),
            ("licenses", manifest.license.unwrap_or_default()),
            ("url", manifest.homepage.unwrap_or_default()),
        ];
        let said = parts.into_iter().filter(|(_, text)| !text.is_empty());
        about.extend(said.map(|(name, text)| (name.to_owned(), text)));
    }
    let pushed = Pushed {
        component: bytes,
        signature: signature(args.signature.as_deref(), Some(&args.file))?,
        imports: checked
            .imports
            .into_iter()
            .map(|import| import.interface)
            .collect(),
        exports: checked.exports,
        about,
    };
    let reference = registries(&args.to, args.plain_http)
        .push(&args.to, pushed)
        .await;
    let reference = reference.map_err(told)?;
    if json {
        return print::json(&json!({ "reference": reference }));
    }
    print::text(&clean::line(&format!("pushed {reference}"), 1_000))
}

async fn pull(args: &PullArgs, json: bool) -> Result<()> {
    let pulled = registries(&args.from, args.plain_http)
        .pull(&args.from)
        .await;
    let pulled = pulled.map_err(told)?;
    create(&args.output, &pulled.component)?;
    let signature = pulled.signature.map(|text| {
        let path = signature_of(&args.output);
        create(&path, text.as_bytes()).map(|()| path)
    });
    let signature = signature.transpose()?;
    let (reference, file) = (&pulled.reference, args.output.display());
    if json {
        return print::json(&json!({
            "reference": reference,
            "file": args.output,
            "signature": signature,
        }));
    }
    let signed = match signature {
        Some(path) => format!(", with its signature in {}", path.display()),
        None => String::new(),
    };
    print::text(&clean::line(
        &format!("pulled {reference} into {file}{signed}"),
        2_000,
    ))
}

async fn watched(client: &Client, json: bool) -> Result<()> {
    let folder = client.watched().await?;
    if json {
        return print::json(&folder);
    }
    let Some(path) = folder["path"].as_str() else {
        return print::text("the host watches no folder; `adjutant serve --plugins FOLDER` does");
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let files = folder["files"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = files
        .map(|file| {
            let became = match (file["plugin"].as_str(), file["removed"].as_str()) {
                (Some(plugin), _) => plugin.to_owned(),
                (None, Some(plugin)) => format!(
                    "removed: {plugin}; copy the file here once more, or install it, to have it again"
                ),
                (None, None) => format!("refused: {}", text(&file["refused"])),
            };
            vec![text(&file["file"]), became]
        })
        .collect();
    let left_alone = folder["left_alone"].as_u64().unwrap_or_default();
    let more = match left_alone {
        0 => String::new(),
        more => format!("; {more} files more are left alone"),
    };
    let head = format!("the host watches {path}{more}");
    print::text(&clean::line(&head, 2_000))?;
    print::text(&print::table(&["FILE", "PLUGIN"], &rows, None))
}

fn registries(reference: &str, plain_http: bool) -> Registries {
    let registry = reference.trim_start_matches("oci://").split('/').next();
    let plain = registry.filter(|_| plain_http).map(ToOwned::to_owned);
    Registries::new(RegistryOptions {
        max_bytes: MOST_COMPONENT,
        plain_http: plain.into_iter().collect(),
        ..RegistryOptions::default()
    })
}

fn told(error: RegistryError) -> Error {
    let text = error.to_string();
    match error {
        RegistryError::Reference { .. } | RegistryError::Digest { .. } => Error::Usage(text),
        _ => Error::Failed(text),
    }
}

/// A signature's text: from a file that is named, or from the one beside the component.
fn signature(named: Option<&Path>, beside: Option<&Path>) -> Result<Option<String>> {
    let path = match (named, beside) {
        (Some(path), _) => path.to_owned(),
        (None, Some(component)) if signature_of(component).exists() => signature_of(component),
        (None, _) => return Ok(None),
    };
    let shown = path.display();
    let unreadable = |error| Error::Usage(format!("{shown} cannot be read: {error}"));
    if std::fs::metadata(&path).map_err(unreadable)?.len() > SIGNATURE_BYTES as u64 {
        return Err(Error::Usage(format!(
            "{shown} is no signature: it has more than {SIGNATURE_BYTES} bytes"
        )));
    }
    std::fs::read_to_string(&path).map(Some).map_err(unreadable)
}

fn signature_of(component: &Path) -> PathBuf {
    let mut path = component.to_owned().into_os_string();
    path.push(".minisig");
    path.into()
}

/// Writes a file that is not there yet.
fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::Usage(format!("{} cannot be written: {error}", path.display()));
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}
