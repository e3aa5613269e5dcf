//! Digests as registries write them: an algorithm, a colon and hexadecimal digits.

use sha2::digest::DynDigest;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::fmt::Write as _;

/// A digest that content has to have, while the content comes.
pub(super) struct Expected<'a> {
    text: &'a str,
    hasher: Box<dyn DynDigest + Send>,
}

impl<'a> Expected<'a> {
    /// Reads a digest. The error is a phrase.
    pub(super) fn parse(text: &'a str) -> Result<Expected<'a>, String> {
        let (algorithm, digits) = text.split_once(':').unwrap_or_default();
        let hasher: Option<Box<dyn DynDigest + Send>> = match algorithm {
            "sha256" => Some(Box::new(Sha256::default())),
            "sha384" => Some(Box::new(Sha384::default())),
            "sha512" => Some(Box::new(Sha512::default())),
            _ => None,
        };
        // It becomes a part of a URL.
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let plain = digits.bytes().all(plain);
        match hasher.filter(|hasher| plain && digits.len() == 2 * hasher.output_size()) {
            Some(hasher) => Ok(Expected { text, hasher }),
            None => Err(format!(
                "{:?} is no digest that can be checked",
                text.chars().take(200).collect::<String>()
            )),
        }
    }

    /// The next part of the content.
    pub(super) fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// Whether that was all. The error is a phrase with both digests.
    pub(super) fn check(self) -> Result<(), String> {
        let (algorithm, digits) = self.text.split_once(':').unwrap_or_default();
        let found = hex(&self.hasher.finalize());
        if found == digits {
            return Ok(());
        }
        Err(format!("expected {}, got {algorithm}:{found}", self.text))
    }
}

/// The usual digest of a content.
pub(super) fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A string takes all that is written.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_its_digest_or_not() {
        let good = sha256(b"wasm");
        let mut expected = Expected::parse(&good).expect("a digest");
        expected.update(b"wa");
        expected.update(b"sm");
        assert_eq!(expected.check(), Ok(()));
        let mut other = Expected::parse(&good).expect("a digest");
        other.update(b"wasn");
        let why = other.check().expect_err("another content");
        assert!(
            why.contains(&good) && why.contains(&sha256(b"wasn")),
            "{why}"
        );
        let long = format!("sha512:{}", "0".repeat(128));
        assert!(Expected::parse(&long).is_ok());
        for wrong in [
            "",
            "sha256:",
            "sha256:../../x",
            "md5:00",
            &good[..70],
            &good.to_uppercase(),
        ] {
            assert!(Expected::parse(wrong).is_err(), "{wrong}");
        }
    }
}
