//! Netra's side of `peers.py`: reads commands from its input, one a line, and answers each with one line.
//!
//! - `time STAGE`: milliseconds of one run;
//! - `save STAGE FILE`: runs once and writes the result as raw little-endian numbers;
//! - `peak STAGE`: the most bytes that one run holds beside its input;
//! - `copy`: gigabytes a second that all threads together copy (bytes read and bytes written both count).
//!
//! The only argument is the folder of inputs that `peers.py` writes.
#![forbid(unsafe_code)]

mod memory;
mod stages;

use std::io::{BufRead, Write};
use std::path::PathBuf;

use stages::Stage;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("the folder of inputs is missing")?);
    // The inputs of one stage are hundreds of megabytes: only those of the last one asked for are kept.
    let mut current: Option<(String, Stage)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["copy"] => format!("{:.3}", memory::copy_rate()),
            [verb, name, ref rest @ ..] => {
                if current.as_ref().is_none_or(|(known, _)| known != name) {
                    // The old inputs go before the new ones come.
                    drop(current.take());
                }
                let (_, stage) = match &mut current {
                    Some(current) => current,
                    none => none.insert((name.to_owned(), stages::load(name, &folder)?)),
                };
                answer(verb, rest, stage)?
            }
            _ => return Err(format!("no command: {line}").into()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(verb: &str, rest: &[&str], stage: &Stage) -> Result<String, Error> {
    Ok(match (verb, rest) {
        ("time", []) => format!("{:.4}", 1e3 * stage()?.time.as_secs_f64()),
        ("save", [file]) => {
            std::fs::write(file, stage()?.made.bytes())?;
            "saved".to_owned()
        }
        ("peak", []) => stage()?.peak.to_string(),
        _ => return Err(format!("no command: {verb}").into()),
    })
}
