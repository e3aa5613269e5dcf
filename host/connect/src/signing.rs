//! Signatures of components: minisign, by keys that the operator trusts.
//!
//! A signature is of the component's bytes, and so of the manifest in it. It says nothing about a name
//! or a version that is given beside.
//!
//! Invariants:
//! - A signature that is looked at is good, or the component is refused: there is no third way.
//! - Without trusted keys no signature means anything, so none is looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minisign_verify::{PublicKey, Signature};
use std::fmt;

/// Bytes that a signature's text may have: four lines, of which two are comments.
pub const SIGNATURE_BYTES: usize = 4 << 10;

/// Whose signatures are good, and whether one is needed.
#[derive(Clone, Debug, Default)]
pub struct Signatures {
    keys: Vec<TrustedKey>,
    required: bool,
}

/// A public key's number, in minisign's own notation: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(String);

#[derive(Clone, Debug)]
struct TrustedKey {
    id: KeyId,
    key: PublicKey,
}

/// Why keys cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// One is no key: its number, counted from 1. It is not told, for it may be a secret one.
    #[error(
        "number {0} of the trusted keys is no minisign public key: one is the line of 56 letters and digits \
         in the file `minisign.pub`, beginning with RW"
    )]
    NoKey(usize),
    /// All would be refused.
    #[error(
        "signatures are required, and no key is trusted: add one to `trusted_keys` in `[plugins]`, or by \
         `--trusted-key`"
    )]
    None,
}

/// Why a component is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error(
        "The component is not signed, and this host takes signed ones only. Sign it with `minisign -S -m \
         FILE` and send the signature along: `adjutant plugin install` takes FILE.minisig, which lies \
         beside it. Trusted here: {trusted}."
    )]
    Missing {
        /// The trusted keys.
        trusted: String,
    },
    /// It is no signature at all.
    #[error(
        "What came as the component's signature is none: it should be the content of a .minisig file, \
         four lines of at most {SIGNATURE_BYTES} bytes. Sign the component again with `minisign -S`."
    )]
    Malformed,
    /// It was made with a key that is not trusted.
    #[error(
        "The component is signed with the key {key}, which this host does not trust; it trusts \
         {trusted}. Have it signed by one of those, or have the operator add the key to `trusted_keys`."
    )]
    Unknown {
        /// The key that signed.
        key: KeyId,
        /// The trusted keys.
        trusted: String,
    },
    /// It is of something else.
    #[error(
        "The signature is not of this component: it claims the key {key}, and does not fit the bytes. The \
         component was changed or built again after it was signed, or the file was damaged: sign it again."
    )]
    Wrong {
        /// The key that it claims.
        key: KeyId,
    },
}

impl Signatures {
    /// Trusts these keys, each as the base64 line of a `.pub` file or all of that file.
    ///
    /// # Errors
    /// Where one is no key, or where signatures are required and there is none to make them.
    pub fn new<T: AsRef<str>>(
        keys: impl IntoIterator<Item = T>,
        required: bool,
    ) -> Result<Signatures, KeyError> {
        let keys = keys.into_iter().enumerate().map(|(n, key)| {
            let key = TrustedKey::parse(key.as_ref());
            key.ok_or(KeyError::NoKey(n + 1))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if required && keys.is_empty() {
            return Err(KeyError::None);
        }
        Ok(Signatures { keys, required })
    }

    /// Whether a component without a signature is refused.
    pub fn required(&self) -> bool {
        self.required
    }

    /// The keys that are trusted.
    pub fn trusted(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|key| &key.id)
    }

    /// Checks a component. Gives back the key that signed it; none where it need not be signed and
    /// is not, or where no key is trusted.
    ///
    /// # Errors
    /// Where the component is to be refused.
    pub fn check(
        &self,
        component: &[u8],
        signature: Option<&str>,
    ) -> Result<Option<KeyId>, SignatureError> {
        let Some(text) = signature else {
            return if self.required {
                Err(SignatureError::Missing {
                    trusted: self.names(),
                })
            } else {
                Ok(None)
            };
        };
        if self.keys.is_empty() {
            return Ok(None);
        }
        let (id, signature) = read(text).ok_or(SignatureError::Malformed)?;
        // A number is no secret, and two keys may have the same one.
        let mut known = self.keys.iter().filter(|key| key.id == id).peekable();
        if known.peek().is_none() {
            return Err(SignatureError::Unknown {
                key: id,
                trusted: self.names(),
            });
        }
        if known.any(|known| known.key.verify(component, &signature, true).is_ok()) {
            Ok(Some(id))
        } else {
            Err(SignatureError::Wrong { key: id })
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.trusted().map(|id| id.0.as_str()).collect();
        names.join(", ")
    }
}

impl TrustedKey {
    fn parse(text: &str) -> Option<TrustedKey> {
        // The whole file has a comment first.
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        let key = PublicKey::from_base64(line).ok()?;
        let id = KeyId::of(line)?;
        Some(TrustedKey { id, key })
    }
}

/// A signature as one line, for headers and annotations.
pub fn encode_signature(text: &str) -> String {
    BASE64.encode(text)
}

/// A signature from its line; none where it cannot be one.
pub fn decode_signature(line: &str) -> Option<String> {
    if line.len() > SIGNATURE_BYTES * 2 {
        return None;
    }
    String::from_utf8(BASE64.decode(line.trim()).ok()?).ok()
}

/// A signature and the number of the key that it says it was made with.
fn read(text: &str) -> Option<(KeyId, Signature)> {
    if text.len() > SIGNATURE_BYTES {
        return None;
    }
    let signature = Signature::decode(text).ok()?;
    let id = KeyId::of(text.lines().nth(1)?.trim())?;
    Some((id, signature))
}

impl KeyId {
    /// Keys and signatures begin with two bytes for the algorithm and eight for the key's number, the
    /// least first.
    fn of(base64: &str) -> Option<KeyId> {
        let bytes = BASE64.decode(base64).ok()?;
        let number: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
        Some(KeyId(format!("{:016X}", u64::from_le_bytes(number))))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minisign::KeyPair;
    use std::io::Cursor;

    fn keys() -> KeyPair {
        KeyPair::generate_unencrypted_keypair().expect("a key pair")
    }

    fn public(keys: &KeyPair) -> String {
        keys.pk.to_base64()
    }

    fn sign(keys: &KeyPair, bytes: &[u8]) -> String {
        let signed = minisign::sign(None, &keys.sk, Cursor::new(bytes), Some("mine"), None);
        signed.expect("signed").to_string()
    }

    #[test]
    fn what_a_trusted_key_has_signed_is_good() {
        let (ours, theirs) = (keys(), keys());
        let both = Signatures::new([public(&theirs), public(&ours)], true).expect("two keys");
        let id = both.check(b"wasm", Some(&sign(&ours, b"wasm")));
        let id = id.expect("good").expect("signed");
        assert_eq!(both.trusted().nth(1), Some(&id));
        // The whole file will do as well, and the number is minisign's own.
        let file = ours.pk.to_box().expect("a file").to_string();
        assert!(file.contains(&id.to_string()), "{file}");
        let one = Signatures::new([file], false).expect("one key");
        assert_eq!(
            one.check(b"wasm", Some(&sign(&ours, b"wasm"))),
            Ok(Some(id))
        );
        assert_eq!(one.check(b"wasm", None), Ok(None), "none is needed");
    }

    #[test]
    fn all_else_is_refused_and_told_why() {
        let (ours, theirs) = (keys(), keys());
        let host = Signatures::new([public(&ours)], true).expect("one key");
        let good = sign(&ours, b"wasm");
        let refused = |bytes: &[u8], signature: Option<&str>| {
            host.check(bytes, signature)
                .expect_err("refused")
                .to_string()
        };
        assert!(refused(b"wasm", None).contains("minisign -S"));
        assert!(refused(b"wasn", Some(&good)).contains("not of this component"));
        assert!(refused(b"wasm", Some(&sign(&theirs, b"wasm"))).contains("does not trust"));
        let mut cut: Vec<&str> = good.lines().collect();
        cut.pop();
        for broken in ["", "signed, honestly", &cut.join("\n"), &good.repeat(100)] {
            assert_eq!(
                host.check(b"wasm", Some(broken)),
                Err(SignatureError::Malformed)
            );
        }
        // Of the right key's number with another key's hand.
        let claim = sign(&theirs, b"wasm").replacen(
            sign(&theirs, b"wasm").lines().nth(1).expect("a line"),
            good.lines().nth(1).expect("a line"),
            1,
        );
        assert!(
            host.check(b"wasm", Some(&claim)).is_err(),
            "the comment is signed too"
        );
    }

    #[test]
    fn keys_are_checked_before_they_are_trusted() {
        for text in [
            "",
            "RW",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
            &"R".repeat(56),
        ] {
            let error = Signatures::new([text], false).expect_err("no key");
            assert_eq!(error, KeyError::NoKey(1));
        }
        assert_eq!(
            Signatures::new::<&str>([], true).err(),
            Some(KeyError::None)
        );
        assert_eq!(
            decode_signature(&encode_signature("a\nb")).as_deref(),
            Some("a\nb")
        );
        assert_eq!(decode_signature("?"), None);
        let nobody = Signatures::new::<&str>([], false).expect("fine");
        assert_eq!(nobody.check(b"x", Some("anything")), Ok(None));
    }
}
