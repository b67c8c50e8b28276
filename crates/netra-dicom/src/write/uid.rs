//! Unique identifiers under the UUID root (PS3.5 B.2).

use netra_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

/// A source of unique identifiers of the form `2.25.<UUID as a decimal number>`.
#[derive(Clone, Debug)]
pub struct Uids(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Random,
    Derived(String),
}

impl Uids {
    /// Identifiers from the operating system's random numbers: what files for patients carry.
    pub fn random() -> Self {
        Self(Kind::Random)
    }

    /// Identifiers that follow from `seed`: the same seed and role give the same identifier. For tests
    /// and for objects that should be written twice alike.
    pub fn derived(seed: impl Into<String>) -> Self {
        Self(Kind::Derived(seed.into()))
    }

    /// The identifier for `role`, for example `series` or `tracking/3`. A random source gives a fresh one at
    /// every call and ignores the role. Fails when the operating system has no random numbers to give.
    pub fn uid(&self, role: &str) -> Result<String> {
        let mut bytes = [0u8; 16];
        let version = match &self.0 {
            Kind::Random => {
                getrandom::fill(&mut bytes)
                    .map_err(|e| Error::new(ErrorKind::Io, format!("no random numbers: {e}")).at("new UID"))?;
                0x40
            }
            Kind::Derived(seed) => {
                let mut hash = Sha256::new();
                hash.update((seed.len() as u64).to_le_bytes());
                hash.update(seed.as_bytes());
                hash.update(role.as_bytes());
                bytes.copy_from_slice(&hash.finalize()[..16]);
                0x80
            }
        };
        // RFC 9562: version 4 is random, version 8 is the application's own; the variant is 0b10.
        bytes[6] = (bytes[6] & 0x0f) | version;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Ok(format!("2.25.{}", u128::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_identifiers_repeat_and_differ_by_role_and_seed() {
        let a = Uids::derived("seed");
        assert_eq!(a.uid("series").unwrap(), a.uid("series").unwrap());
        assert_ne!(a.uid("series").unwrap(), a.uid("instance").unwrap());
        assert_ne!(a.uid("series").unwrap(), Uids::derived("other").uid("series").unwrap());
    }

    #[test]
    fn identifiers_fit_the_value_representation() {
        for uids in [Uids::random(), Uids::derived("x")] {
            let uid = uids.uid("role").unwrap();
            let number = uid.strip_prefix("2.25.").expect("UUID root");
            assert!(uid.len() <= 64 && !number.starts_with('0') && number.parse::<u128>().is_ok(), "{uid}");
        }
        assert_ne!(Uids::random().uid("role").unwrap(), Uids::random().uid("role").unwrap());
    }
}
