//! Passes over programs.

use crate::Program;

/// Runs every pass until none changes anything.
pub fn optimise(program: &mut Program) {
    let _ = program;
}
