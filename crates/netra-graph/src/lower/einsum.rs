//! Einstein sums: matrix products between transpositions and reshapes, operand by operand.

use super::Inputs;
use super::emit::Lowerer;
use super::matrix::mat_mul;
use super::shape::transpose;
use crate::{Error, Kernel, Reduction, Result, ValueId};

/// An operand and the label of each of its axes: a letter, or a sign of its own for each axis under an ellipsis.
struct Term {
    id: ValueId,
    letters: Vec<char>,
}

/// The label of the axis that is `i`-th from the end of an ellipsis.
fn dot(i: usize) -> char {
    char::from_u32(0xe000 + i as u32).unwrap_or('\u{e000}')
}

/// Intermediate results have at most this many elements more than a few times the operands and the result.
const SLACK: usize = 1 << 22;

/// Left to right; what only one operand or nothing after it needs is summed over as soon as possible.
pub fn einsum(lo: &mut Lowerer, inputs: &Inputs<'_>, equation: &str) -> Result<ValueId> {
    let ids = inputs.all()?;
    let ranks: Vec<usize> = ids.iter().map(|&id| lo.shape(id).len()).collect();
    let (operands, output) = parse(equation, &ranks)?;
    let mut terms = Vec::with_capacity(ids.len());
    for (id, letters) in ids.iter().zip(operands) {
        terms.push(diagonal(lo, Term { id: *id, letters })?);
    }
    let sizes = sizes(lo, &terms)?;
    let mut budget = SLACK;
    for term in &mut terms {
        unit_axes_away(lo, term, &sizes)?;
        budget = budget.saturating_add(lo.shape(term.id).iter().product::<usize>().saturating_mul(4));
    }
    let volume = |letters: &[char]| letters.iter().fold(1usize, |n, l| n.saturating_mul(size_of(&sizes, *l)));
    budget = budget.saturating_add(volume(&output));
    let mut rest = terms.into_iter();
    let Some(mut result) = rest.next() else { return Err(Error::malformed("no operands")) };
    while let Some(next) = rest.next() {
        let later = |l: char| output.contains(&l) || rest.as_slice().iter().any(|t| t.letters.contains(&l));
        let kept = next.letters.clone();
        let a = sum_away(lo, result, |l| later(l) || kept.contains(&l))?;
        let kept = a.letters.clone();
        let b = sum_away(lo, next, |l| later(l) || kept.contains(&l))?;
        let mut needed: Vec<char> = a.letters.iter().chain(&b.letters).copied().filter(|&l| later(l)).collect();
        needed.sort_unstable();
        needed.dedup();
        if volume(&needed) > budget {
            return Err(Error::limit(format!("an intermediate result of {} elements", volume(&needed))));
        }
        result = product(lo, &a, &b, &needed)?;
    }
    let result = sum_away(lo, result, |l| output.contains(&l))?;
    arranged(lo, &result, &output, &sizes)
}

/// The labels of the operands and of the output; without an arrow, the ellipsis and then the letters that occur once, in
/// alphabetical order.
fn parse(equation: &str, ranks: &[usize]) -> Result<(Vec<Vec<char>>, Vec<char>)> {
    let plain: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match plain.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (plain.as_str(), None),
    };
    let wrong = || Error::malformed(format!("equation '{equation}'"));
    let mut widest = 0;
    let operands: Vec<&str> = left.split(',').collect();
    if operands.len() != ranks.len() {
        return Err(Error::malformed(format!("{} operands for equation '{equation}'", ranks.len())));
    }
    let mut labels = Vec::with_capacity(operands.len());
    for (term, &rank) in operands.into_iter().zip(ranks) {
        let dots = if term.contains("...") { (rank + 3).checked_sub(term.len()) } else { Some(0) };
        let dots = dots.ok_or_else(wrong)?;
        widest = widest.max(dots);
        let letters = expanded(term, dots).ok_or_else(wrong)?;
        if letters.len() != rank {
            return Err(Error::malformed(format!("an operand of {rank} axes for '{term}' of '{equation}'")));
        }
        labels.push(letters);
    }
    let all: Vec<char> = labels.concat();
    let output = match right {
        Some(right) => {
            let output = expanded(right, widest).ok_or_else(wrong)?;
            if (0..output.len()).any(|i| output[..i].contains(&output[i])) {
                return Err(wrong());
            }
            output
        }
        None => {
            let once = |l: &char| l.is_ascii_alphabetic() && all.iter().filter(|o| *o == l).count() == 1;
            let mut letters: Vec<char> = all.iter().copied().filter(once).collect();
            letters.sort_unstable();
            (0..widest).rev().map(dot).chain(letters).collect()
        }
    };
    if output.iter().any(|l| !all.contains(l)) {
        return Err(Error::malformed(format!("equation '{equation}' makes an axis from nothing")));
    }
    Ok((labels, output))
}

/// The labels of one term, whose ellipsis stands for `dots` axes.
fn expanded(term: &str, dots: usize) -> Option<Vec<char>> {
    let (front, back) = term.split_once("...").map_or((term, None), |(front, back)| (front, Some(back)));
    let mut letters: Vec<char> = front.chars().collect();
    if let Some(back) = back {
        letters.extend((0..dots).rev().map(dot));
        letters.extend(back.chars());
    }
    let known = |l: &char| l.is_ascii_alphabetic() || ('\u{e000}'..'\u{e100}').contains(l);
    (letters.len() <= 16 && letters.iter().all(known)).then_some(letters)
}

/// A letter that a term repeats stands for a diagonal.
fn diagonal(lo: &mut Lowerer, mut term: Term) -> Result<Term> {
    while let Some(second) = (1..term.letters.len()).find(|&i| term.letters[..i].contains(&term.letters[i])) {
        let letter = term.letters[second];
        let first = term.letters.iter().position(|&l| l == letter).unwrap_or(second);
        let shape = lo.shape(term.id).to_vec();
        let n = shape[first];
        if shape[second] != n {
            return Err(Error::malformed(format!("axis '{letter}' is {n} and {}", shape[second])));
        }
        let mut perm: Vec<usize> = (0..shape.len()).filter(|&i| i != first && i != second).collect();
        let mut sizes: Vec<usize> = perm.iter().map(|&i| shape[i]).collect();
        let mut letters: Vec<char> = perm.iter().map(|&i| term.letters[i]).collect();
        perm.extend([first, second]);
        let id = transpose(lo, term.id, Some(&perm))?;
        // Element (i, i) of n x n is element i (n + 1) of the row of them all.
        sizes.push(n * n);
        let id = lo.reshape(id, &sizes)?;
        let axis = sizes.len() - 1;
        let (starts, mut steps) = (vec![0; sizes.len()], vec![1; sizes.len()]);
        steps[axis] = if n > 1 { isize::try_from(n + 1).map_err(|_| Error::limit("a diagonal"))? } else { 1 };
        sizes[axis] = n;
        letters.push(letter);
        term = Term { id: super::index::emit_slice(lo, id, starts, steps, &sizes)?, letters };
    }
    Ok(term)
}

/// The size of each label: equal sizes, or under an ellipsis also 1, which broadcasts.
fn sizes(lo: &Lowerer, terms: &[Term]) -> Result<Vec<(char, usize)>> {
    let mut sizes: Vec<(char, usize)> = Vec::new();
    for term in terms {
        for (&letter, &size) in term.letters.iter().zip(lo.shape(term.id)) {
            match sizes.iter_mut().find(|(l, _)| *l == letter) {
                None => sizes.push((letter, size)),
                Some((_, known)) if *known == size => {}
                Some((_, known)) if !letter.is_ascii() && *known == 1 => *known = size,
                Some(_) if !letter.is_ascii() && size == 1 => {}
                Some((_, known)) => {
                    return Err(Error::malformed(format!("axis '{letter}' is {known} and {size}")));
                }
            }
        }
    }
    Ok(sizes)
}

fn size_of(sizes: &[(char, usize)], letter: char) -> usize {
    sizes.iter().find(|(l, _)| *l == letter).map_or(1, |(_, size)| *size)
}

/// Drops axes of size 1 that broadcast.
fn unit_axes_away(lo: &mut Lowerer, term: &mut Term, sizes: &[(char, usize)]) -> Result<()> {
    let shape = lo.shape(term.id).to_vec();
    let kept = |i: &usize| shape[*i] == size_of(sizes, term.letters[*i]);
    let axes: Vec<usize> = (0..shape.len()).filter(kept).collect();
    term.letters = axes.iter().map(|&i| term.letters[i]).collect();
    let shape: Vec<usize> = axes.iter().map(|&i| shape[i]).collect();
    term.id = lo.reshape(term.id, &shape)?;
    Ok(())
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
fn arranged(lo: &mut Lowerer, term: &Term, letters: &[char], sizes: &[(char, usize)]) -> Result<ValueId> {
    let here: Vec<char> = letters.iter().copied().filter(|l| term.letters.contains(l)).collect();
    let perm: Option<Vec<usize>> = here.iter().map(|l| term.letters.iter().position(|t| t == l)).collect();
    let id = transpose(lo, term.id, Some(&perm.ok_or_else(|| Error::malformed("an axis from nothing"))?))?;
    let shape: Vec<usize> = letters.iter().map(|&l| size_of(sizes, l)).collect();
    lo.reshape(id, &shape)
}

/// Letters in both operands and needed later are batches; in both only, summed over; in one, rows or columns.
fn product(lo: &mut Lowerer, a: &Term, b: &Term, needed: &[char]) -> Result<Term> {
    let shared = |kept: bool| {
        let both = a.letters.iter().filter(|l| b.letters.contains(l));
        both.copied().filter(|l| needed.contains(l) == kept).collect::<Vec<char>>()
    };
    let (batches, summed) = (shared(true), shared(false));
    let own = |t: &Term, o: &Term| t.letters.iter().copied().filter(|l| !o.letters.contains(l)).collect::<Vec<_>>();
    let (rows, columns) = (own(a, b), own(b, a));
    let labelled = |t: &Term| t.letters.iter().copied().zip(lo.shape(t.id).to_vec()).collect::<Vec<_>>();
    let known = [labelled(a), labelled(b)].concat();
    let list = |letters: &[char]| letters.iter().map(|&l| size_of(&known, l)).collect::<Vec<usize>>();
    let (batch, row, column) = (list(&batches), list(&rows), list(&columns));
    let (m, n, k) = (row.iter().product(), column.iter().product(), list(&summed).iter().product());
    let left = arranged(lo, a, &[&batches[..], &rows, &summed].concat(), &known)?;
    let left = lo.reshape(left, &[&batch[..], &[m, k]].concat())?;
    let right = arranged(lo, b, &[&batches[..], &summed, &columns].concat(), &known)?;
    let right = lo.reshape(right, &[&batch[..], &[k, n]].concat())?;
    let id = mat_mul(lo, left, right)?;
    let id = lo.reshape(id, &[batch, row, column].concat())?;
    Ok(Term { id, letters: [batches, rows, columns].concat() })
}
