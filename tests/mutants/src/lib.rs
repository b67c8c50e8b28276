//! Mutants of scans, and a judge of what reading makes of them.
//!
//! A mutant is named by its family, its seed and its number, and made again from these. It passes when reading it (the
//! summary, the volume and the images included) neither panics nor aborts, takes no more than a second, keeps its peak
//! memory within the allowance, and gives frames of the size that the header states.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "the test of one library, not a library")]

pub mod damage;
mod image;
pub mod judge;
pub mod random;
pub mod run;
pub mod seeds;
pub mod structure;
pub mod tree;
mod write;

use random::Random;
use tree::{Content, File, Value};

/// Kinds of mutants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Of whole files; those that are no DICOM have their bytes damaged.
    Structure,
    /// Of compressed pixels and deflated data sets under a sound header.
    Codestream,
    /// Not mutants: offences that the judge must notice (0 a panic, 1 an abort, 2 a hang, 3 memory).
    Trap,
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Codestream => "codestream",
            Self::Trap => "trap",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Structure, Self::Codestream, Self::Trap].into_iter().find(|family| family.name() == name)
    }
}

/// Mutant `number` of the seed `name`.
pub fn mutant(family: Family, name: &str, seed: &[u8], number: u64, chance: u64) -> Vec<u8> {
    let mut random = Random::new(chance, name, number);
    match family {
        Family::Trap => seed.to_vec(),
        Family::Codestream => codestream(seed, &mut random),
        Family::Structure => match File::parse(seed) {
            Some(file) if !random.one_in(16) => structure::mutant(&file, &mut random),
            _ => {
                let mut bytes = seed.to_vec();
                damage::bytes(&mut bytes, &mut random);
                bytes
            }
        },
    }
}

/// The transfer syntax, where it leaves something for [`Family::Codestream`].
pub fn compression(seed: &[u8]) -> Option<String> {
    let file = File::parse(seed).filter(|file| file.deflated || fragments(file).is_some())?;
    Some(file.syntax().replace("1.2.840.10008.1.2", "1.2"))
}

/// Where the pixel data is, and how many fragments it has.
fn fragments(file: &File) -> Option<(usize, usize)> {
    let at = file.body.iter().position(|element| element.tag == (0x7FE0, 0x10))?;
    match &file.body[at].value {
        Value::Items(items, _) if items.len() > 1 => Some((at, items.len() - 1)),
        _ => None,
    }
}

fn codestream(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(mut file) = File::parse(seed) else { return seed.to_vec() };
    let Some((at, count)) = fragments(&file) else {
        // A deflated data set: what precedes it stays.
        file.body.clear();
        file.deflated = false;
        let start = file.write().len();
        let mut tail = seed[start..].to_vec();
        damage::codestream(&mut tail, random);
        return [&seed[..start], &tail].concat();
    };
    if let Value::Items(items, _) = &mut file.body[at].value
        && let Content::Fragment(bytes) = &mut items[1 + random.below(count)].content
    {
        damage::codestream(bytes, random);
    }
    file.write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_it_was_read() {
        let (mut parsed, mut same) = (0, 0);
        for seed in seeds::all().expect("seeds") {
            let bytes = seed.load().expect("read");
            if let Some(file) = File::parse(&bytes).filter(|file| !file.deflated) {
                parsed += 1;
                same += usize::from(file.write() == bytes);
            }
        }
        // Some shared files are damaged; what is cut in a header is not kept.
        assert!(parsed >= 17 && same * 100 >= parsed * 97, "{same} of {parsed}");
    }

    #[test]
    fn a_mutant_is_made_again_from_its_name() {
        for seed in seeds::all().expect("seeds").iter().filter(|seed| seed.name.starts_with("made/")) {
            let bytes = seed.load().expect("read");
            let make = |number| mutant(Family::Structure, &seed.name, &bytes, number, 1);
            assert_eq!(make(7), make(7));
            assert!((0..20).filter(|&number| make(number) != bytes).count() > 15, "{}", seed.name);
        }
    }
}
