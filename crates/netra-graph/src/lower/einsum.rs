//! Einstein sums of one or two operands: a matrix product between transpositions and reshapes.

use super::Inputs;
use super::emit::Lowerer;
use super::matrix::mat_mul;
use super::shape::transpose;
use crate::{Error, Kernel, Reduction, Result, ValueId};

/// An operand and the letter of each of its axes.
struct Term {
    id: ValueId,
    letters: Vec<char>,
}

/// Ellipses and letters repeated within one operand are `Unsupported`.
pub fn einsum(lo: &mut Lowerer, inputs: &Inputs<'_>, equation: &str) -> Result<ValueId> {
    let (operands, output) = parse(equation)?;
    let ids = inputs.all()?;
    if operands.len() != ids.len() {
        return Err(Error::malformed(format!("{} operands for equation '{equation}'", ids.len())));
    }
    let mut terms = Vec::with_capacity(2);
    for (id, letters) in ids.into_iter().zip(operands) {
        if lo.shape(id).len() != letters.len() {
            return Err(Error::malformed(format!("shape {:?} for '{equation}'", lo.shape(id))));
        }
        terms.push(Term { id, letters });
    }
    let result = match <[Term; 2]>::try_from(terms) {
        Ok([a, b]) => {
            let a = sum_away(lo, a, |l| output.contains(&l) || b.letters.contains(&l))?;
            let b = sum_away(lo, b, |l| output.contains(&l) || a.letters.contains(&l))?;
            product(lo, &a, &b, &output)?
        }
        Err(terms) => match <[Term; 1]>::try_from(terms) {
            Ok([only]) => sum_away(lo, only, |l| output.contains(&l))?,
            Err(_) => return Err(Error::unsupported(format!("equation '{equation}' of more than two operands"))),
        },
    };
    arranged(lo, &result, &output)
}

/// The letters of the operands and of the output; without an arrow, those that occur once, in alphabetical order.
fn parse(equation: &str) -> Result<(Vec<Vec<char>>, Vec<char>)> {
    let plain: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match plain.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (plain.as_str(), None),
    };
    let letters = |term: &str| -> Result<Vec<char>> {
        let letters: Vec<char> = term.chars().collect();
        let repeated = |i: usize| letters[..i].contains(&letters[i]);
        if letters.len() > 16 || !letters.iter().all(char::is_ascii_alphabetic) || (0..letters.len()).any(repeated) {
            return Err(Error::unsupported(format!("equation '{equation}'")));
        }
        Ok(letters)
    };
    let operands = left.split(',').take(3).map(letters).collect::<Result<Vec<_>>>()?;
    let all: Vec<char> = operands.concat();
    let output = match right {
        Some(right) => letters(right)?,
        None => {
            let mut once: Vec<char> =
                all.iter().copied().filter(|l| all.iter().filter(|o| *o == l).count() == 1).collect();
            once.sort_unstable();
            once
        }
    };
    if output.iter().any(|l| !all.contains(l)) {
        return Err(Error::malformed(format!("equation '{equation}' makes an axis from nothing")));
    }
    Ok((operands, output))
}

/// Sums over the letters that nothing else needs.
fn sum_away(lo: &mut Lowerer, term: Term, needed: impl Fn(char) -> bool) -> Result<Term> {
    let axes: Vec<usize> = (0..term.letters.len()).filter(|&i| !needed(term.letters[i])).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let kept = |i: &usize| !axes.contains(i);
    let letters = (0..term.letters.len()).filter(kept).map(|i| term.letters[i]).collect();
    let shape: Vec<usize> = (0..term.letters.len()).filter(kept).map(|i| lo.shape(term.id)[i]).collect();
    let kernel = Kernel::Reduce { reduction: Reduction::Sum, axes: axes.clone() };
    let id = lo.emit(kernel, &[term.id], lo.dtype(term.id), &shape)?;
    Ok(Term { id, letters })
}

/// A term with its axes in the order of `letters`.
fn arranged(lo: &mut Lowerer, term: &Term, letters: &[char]) -> Result<ValueId> {
    let perm: Option<Vec<usize>> = letters.iter().map(|l| term.letters.iter().position(|t| t == l)).collect();
    transpose(lo, term.id, Some(&perm.ok_or_else(|| Error::malformed("an axis from nothing"))?))
}

/// Letters in both operands and the output are batches; in both only, summed over; in one, rows or columns.
fn product(lo: &mut Lowerer, a: &Term, b: &Term, output: &[char]) -> Result<Term> {
    let shared = |kept: bool| {
        let both = a.letters.iter().filter(|l| b.letters.contains(l));
        both.copied().filter(|l| output.contains(l) == kept).collect::<Vec<char>>()
    };
    let (batches, summed) = (shared(true), shared(false));
    let own = |t: &Term, o: &Term| t.letters.iter().copied().filter(|l| !o.letters.contains(l)).collect::<Vec<_>>();
    let (rows, columns) = (own(a, b), own(b, a));
    let size = |lo: &Lowerer, l: &char| {
        let of = |t: &Term| t.letters.iter().position(|x| x == l).map(|i| lo.shape(t.id)[i]);
        match (of(a), of(b)) {
            (Some(x), Some(y)) if x != y => Err(Error::malformed(format!("axis '{l}' is {x} and {y}"))),
            (x, y) => x.or(y).ok_or_else(|| Error::malformed("an axis from nothing")),
        }
    };
    let sizes = |list: &[char]| list.iter().map(|l| size(lo, l)).collect::<Result<Vec<_>>>();
    let (batch, row, column) = (sizes(&batches)?, sizes(&rows)?, sizes(&columns)?);
    let (m, n, k) = (row.iter().product(), column.iter().product(), sizes(&summed)?.iter().product());
    let left = arranged(lo, a, &[&batches[..], &rows, &summed].concat())?;
    let left = lo.reshape(left, &[&batch[..], &[m, k]].concat())?;
    let right = arranged(lo, b, &[&batches[..], &summed, &columns].concat())?;
    let right = lo.reshape(right, &[&batch[..], &[k, n]].concat())?;
    let id = mat_mul(lo, left, right)?;
    let id = lo.reshape(id, &[batch, row, column].concat())?;
    Ok(Term { id, letters: [batches, rows, columns].concat() })
}
