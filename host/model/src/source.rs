//! Where a plugin came from, and who vouches for it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a plugin came from, and who vouches for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The way it came in.
    pub origin: Origin,
    /// The number of the trusted key that signed it: 16 hexadecimal digits. None where it was not
    /// looked at, for it was not signed or no key was trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// The way a plugin came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody sent it, or it came with the host.
    #[default]
    Upload,
    /// The host was told to read this file.
    Path(String),
    /// It was dropped into the watched folder, as this file.
    Watched(String),
    /// The host pulled it from a registry: `registry/name:tag@sha256:…`.
    Registry(String),
}

impl Origin {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Origin::Upload => "upload",
            Origin::Path(_) => "path",
            Origin::Watched(_) => "watched",
            Origin::Registry(_) => "registry",
        }
    }

    /// Where exactly: a file or a reference.
    pub fn place(&self) -> Option<&str> {
        match self {
            Origin::Upload => None,
            Origin::Path(place) | Origin::Watched(place) | Origin::Registry(place) => Some(place),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => write!(f, "{} {place}", self.word()),
            None => f.write_str(self.word()),
        }
    }
}
