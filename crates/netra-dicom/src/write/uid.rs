//! Unique identifiers under the UUID root (PS3.5 B.2).

use netra_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

/// A source of unique identifiers of the form `2.25.<UUID as a decimal number>`: one seed, and an identifier for each role.
#[derive(Clone, Debug)]
pub struct Uids {
    seed: String,
}

impl Uids {
    /// From a seed of the operating system's random numbers: what files for patients carry. Fails when there are none.
    pub fn random() -> Result<Self> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed)
            .map_err(|e| Error::new(ErrorKind::Io, format!("no random numbers: {e}")).at("new UID"))?;
        Ok(Self { seed: seed.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// From a seed that is told: the same seed and role give the same identifier anywhere. For tests and for objects that should
    /// be written twice alike.
    pub fn derived(seed: impl Into<String>) -> Self {
        Self { seed: seed.into() }
    }

    /// The identifier for `role`, for example `series` or `tracking/3`.
    pub fn uid(&self, role: &str) -> String {
        let mut hash = Sha256::new();
        hash.update((self.seed.len() as u64).to_le_bytes());
        hash.update(self.seed.as_bytes());
        hash.update(role.as_bytes());
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        // RFC 9562: version 8 is the application's own; the variant is 0b10.
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        format!("2.25.{}", u128::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_identifiers_repeat_and_differ_by_role_and_seed() {
        let a = Uids::derived("seed");
        assert_eq!(a.uid("series"), a.uid("series"));
        assert_ne!(a.uid("series"), a.uid("instance"));
        assert_ne!(a.uid("series"), Uids::derived("other").uid("series"));
    }

    #[test]
    fn identifiers_fit_the_value_representation() {
        for uids in [Uids::random().unwrap(), Uids::derived("x")] {
            let uid = uids.uid("role");
            let number = uid.strip_prefix("2.25.").expect("UUID root");
            assert!(uid.len() <= 64 && !number.starts_with('0') && number.parse::<u128>().is_ok(), "{uid}");
        }
        assert_ne!(Uids::random().unwrap().uid("role"), Uids::random().unwrap().uid("role"));
    }
}
