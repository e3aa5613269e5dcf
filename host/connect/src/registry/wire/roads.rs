//! Where a registry may lead: by a redirect, an upload's place, or the realm of its logins.
//!
//! Invariants: from a registry that is spoken to over HTTPS nothing leads to plain HTTP. From one that is
//! spoken to over plain HTTP there is plain HTTP to its own host on this machine and to places that the
//! operator names; and for logins to its own host alone. A registry may always lead to itself.

use super::super::errors::place;
use super::super::{RegistryOptions, is_this_machine};
use oci_client::Reference;
use reqwest::Url;
use reqwest::redirect::Policy;

/// Redirects, one after the other, that are followed.
const MOST_HOPS: usize = 5;

/// The places that one registry may lead to.
#[derive(Clone, Debug)]
pub(super) struct Roads {
    root: Url,
    options: RegistryOptions,
}

impl Roads {
    /// Those of a reference's registry. The error is a phrase.
    pub(super) fn of(reference: &Reference, options: &RegistryOptions) -> Result<Roads, String> {
        let registry = reference.resolve_registry();
        let scheme = match options.is_plain(registry) {
            true => "http",
            false => "https",
        };
        let root = Url::parse(&format!("{scheme}://{registry}/v2/"));
        Ok(Roads {
            root: root.map_err(|error| error.to_string())?,
            options: options.clone(),
        })
    }

    /// Where the registry's own places begin.
    pub(super) fn root(&self) -> &Url {
        &self.root
    }

    /// Whether a request without a login may go there, or one with the registry's own to itself.
    pub(super) fn may_lead_to(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" if self.root.scheme() == "http" => {
                let place = place(url);
                let is_named = self.options.names(&place);
                let is_here = self.is_same_host(url) && is_this_machine(&place);
                url.origin() == self.root.origin() || is_named || is_here
            }
            _ => false,
        }
    }

    /// Whether a name and a password may go there.
    pub(super) fn may_log_in_at(&self, url: &Url) -> bool {
        let encrypted = url.scheme() == "https";
        self.may_lead_to(url) && (encrypted || self.is_same_host(url))
    }

    /// How redirects are followed. The client itself takes logins off those to another place.
    pub(super) fn redirects(&self) -> Policy {
        let roads = self.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > MOST_HOPS {
                attempt.error("it leads from one place to the next without end")
            } else if roads.may_lead_to(attempt.url()) {
                attempt.follow()
            } else {
                attempt.error("it leads to a place that is not encrypted")
            }
        })
    }

    fn is_same_host(&self, url: &Url) -> bool {
        url.host_str() == self.root.host_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_in_the_open_gets_no_password_of_an_encrypted_registry() {
        let options = RegistryOptions {
            plain_http: vec![
                "lan:5000".to_owned(),
                "lan:5001".to_owned(),
                "files.lan".to_owned(),
                "lan:80".to_owned(),
                "VM.LAN:5000".to_owned(),
                "Vm.Lan:80".to_owned(),
                "old.lan:08080".to_owned(),
            ],
            ..RegistryOptions::default()
        };
        // A registry, where it leads, whether it may, and with a login.
        let table = [
            ("ghcr.io", "https://ghcr.io/token", true, true),
            ("ghcr.io", "https://auth.example/token", true, true),
            ("ghcr.io", "http://ghcr.io/token", false, false),
            ("ghcr.io", "http://auth.example/token", false, false),
            ("ghcr.io", "http://127.0.0.1/token", false, false),
            // Named, but as a registry of its own.
            ("ghcr.io", "http://lan:5000/token", false, false),
            ("ghcr.io", "ftp://ghcr.io/token", false, false),
            ("lan:5000", "http://lan:5000/token", true, true),
            ("lan:5000", "http://lan:5001/token", true, true),
            ("lan:5000", "http://lan:5002/token", false, false),
            ("lan:5000", "http://files.lan/blob", true, false),
            ("lan:5000", "http://thief.example/token", false, false),
            ("lan:5000", "http://127.0.0.1:80/token", false, false),
            ("lan:5000", "https://auth.example/token", true, true),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token", true, true),
            (
                "127.0.0.1:5000",
                "http://localhost:5001/token",
                false,
                false,
            ),
            ("localhost:5000", "http://lan:5000/token", true, false),
            // A registry leads to itself, however its name and its port are written.
            ("lan:80", "http://lan/v2/", true, true),
            ("lan:80", "http://lan:80/token", true, true),
            ("lan:80", "http://vm.lan/blob", true, false),
            ("files.lan:80", "http://files.lan/token", true, true),
            ("VM.LAN:5000", "http://vm.lan:5000/token", true, true),
            ("vm.lan:5000", "http://VM.LAN/token", true, true),
            ("old.lan:08080", "http://old.lan:8080/token", true, true),
            ("lan:5000", "http://lan/blob", true, true),
            ("LOCALHOST:5000", "http://localhost/token", true, true),
            // Named is port 80: nobody has said that of the encrypted one.
            ("vm.lan", "http://vm.lan/token", false, false),
        ];
        for (registry, url, leads, logs_in) in table {
            let reference = format!("{registry}/a/b:1").parse().expect("a reference");
            let roads = Roads::of(&reference, &options).expect("an address");
            assert!(roads.may_lead_to(roads.root()), "{registry} to itself");
            let url = Url::parse(url).expect("an address");
            let may = (roads.may_lead_to(&url), roads.may_log_in_at(&url));
            assert_eq!(may, (leads, logs_in), "from {registry} to {url}");
        }
    }
}
