//! Who has read a result and answers for it.

use std::str::FromStr;

use netra_core::{Error, Result};

/// An identifier of a person or an organisation, for example in a register. Reads itself from `SYSTEM|VALUE`, FHIR's own way of
/// writing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// A URI that says which register.
    pub system: String,
    /// The entry in it.
    pub value: String,
}

impl FromStr for Identifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('|') {
            Some((system, value)) if !value.trim().is_empty() && system.contains(':') && !has_space(system) => {
                Ok(Self { system: system.to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(Error::invalid(format!("{text:?} is no identifier: SYSTEM|VALUE, where SYSTEM is a URI"))),
        }
    }
}

fn has_space(text: &str) -> bool {
    text.contains(char::is_whitespace)
}

/// Who answers for the conclusion of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// A person.
    Practitioner {
        /// The name.
        name: PersonName,
        /// Which of those of that name.
        identifier: Option<Identifier>,
    },
    /// An organisation.
    Organization {
        /// Name for people.
        name: String,
        /// Which of those of that name.
        identifier: Option<Identifier>,
    },
}

impl Interpreter {
    /// The name as people write it.
    pub fn display(&self) -> String {
        match self {
            Self::Practitioner { name, .. } => name.display(),
            Self::Organization { name, .. } => name.clone(),
        }
    }
}

/// A person's name as DICOM writes it (PN, PS3.5 6.2): family name, given name, middle name, prefix and suffix between carets.
/// One that has no caret stands as it is. At most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// The name in DICOM's way.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as people write it: prefix, given, middle and family name, suffix.
    pub fn display(&self) -> String {
        let parts: Vec<&str> = self.0.split('^').map(str::trim).collect();
        let in_order = [3, 1, 2, 0, 4].into_iter().filter_map(|i| parts.get(i).filter(|part| !part.is_empty()));
        in_order.copied().collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for PersonName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = Self(text.trim().to_owned());
        // A backslash would make two names of one, and `=` begins the same name in another script.
        let forbidden = |c: char| c.is_control() || matches!(c, '\\' | '=');
        if name.display().is_empty()
            || name.0.contains(forbidden)
            || name.0.chars().count() > 64
            || name.0.split('^').count() > 5
        {
            return Err(Error::invalid(format!(
                "{text:?} is no name of a person: at most 64 characters and 5 parts between ^, without \\ and ="
            )));
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_for_people() {
        for (pn, display) in [
            ("Rao^Anita^S^Dr^MD", "Dr Anita S Rao MD"),
            ("Rao^Anita", "Anita Rao"),
            ("Anita Rao", "Anita Rao"),
            (" Rao^^^Dr ", "Dr Rao"),
        ] {
            assert_eq!(pn.parse::<PersonName>().unwrap().display(), display);
        }
        for wrong in ["", " ", "^^", "a\\b", "a=b", "a\nb", "a^b^c^d^e^f", &"n".repeat(65)] {
            assert!(wrong.parse::<PersonName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_have_a_system_and_a_value() {
        let read: Identifier = "https://doctor.ndhm.gov.in|21-1521-3828-3227".parse().unwrap();
        assert_eq!((read.system.as_str(), read.value.as_str()), ("https://doctor.ndhm.gov.in", "21-1521-3828-3227"));
        for wrong in ["", "21-1521", "|21-1521", "https://a.b|", "a register:|7", "register|7"] {
            assert!(wrong.parse::<Identifier>().is_err(), "{wrong:?}");
        }
    }
}
