//! What is added to scores: constants, prepared once the way blocks read them, and tensors that the program computes.

use std::collections::HashMap;

use netra_graph::DotProductAttention;

use super::Block;

/// The biases of an attention. Scores are binary logarithms here, so every bias is multiplied by `log2 e`.
pub struct Biases {
    /// Tables of constant biases, transposed: a row of queries for each key, padded to whole panels with zeros.
    values: Vec<f32>,
    /// Elements of a row.
    pub row: usize,
    /// Elements of a table.
    table: usize,
    /// For each constant bias, the table of each sequence; none where a bias is zero throughout.
    tables: Vec<Vec<Option<usize>>>,
    /// The other biases, by their number.
    computed: Vec<usize>,
}

impl Biases {
    /// Prepares the biases whose values are known; rows of queries have `row` elements.
    pub fn new(p: &DotProductAttention, constants: &[Option<&[f32]>], row: usize) -> Self {
        let table = row * p.keys;
        let mut biases = Self { values: Vec::new(), row, table, tables: Vec::new(), computed: Vec::new() };
        for (i, (rows, constant)) in p.biases.iter().zip(constants).enumerate() {
            let Some(values) = constant else {
                biases.computed.push(i);
                continue;
            };
            let mut known: HashMap<usize, Option<usize>> = HashMap::new();
            let of = rows.starts.iter().map(|&start| {
                *known.entry(start).or_insert_with(|| {
                    let at = |query: usize, key: usize| values[start + query * rows.row + key * rows.column];
                    biases.add_table(p, at)
                })
            });
            let of = of.collect();
            biases.tables.push(of);
        }
        biases
    }

    /// Appends a table; nothing when it is all zeros.
    fn add_table(&mut self, p: &DotProductAttention, at: impl Fn(usize, usize) -> f32) -> Option<usize> {
        let start = self.values.len();
        self.values.resize(start + self.table, 0.0);
        let mut zero = true;
        // A few keys at a time: both what is read and what is written stay in the cache.
        const KEYS: usize = 16;
        for (block, to) in self.values[start..].chunks_mut(KEYS * self.row).enumerate() {
            for query in 0..p.queries {
                for (i, to) in to[query..].iter_mut().step_by(self.row).enumerate() {
                    let value = at(query, block * KEYS + i);
                    zero &= value == 0.0;
                    *to = value * std::f32::consts::LOG2_E;
                }
            }
        }
        if zero {
            self.values.truncate(start);
        }
        (!zero).then_some(start)
    }

    /// The tables of sequence `s`.
    pub fn tables(&self, s: usize) -> impl Iterator<Item = &[f32]> {
        self.tables.iter().filter_map(move |of| of[s]).map(|at| &self.values[at..][..self.table])
    }

    /// Adds the biases that the program computes to a block of scores, whose columns are `columns` queries from `first` on.
    pub fn add_computed(
        &self,
        p: &DotProductAttention,
        biases: &[&[f32]],
        block: &Block<'_>,
        (first, columns): (usize, usize),
        scores: &mut [f32],
    ) {
        let width = scores.len() / block.rows;
        for &i in &self.computed {
            let rows = &p.biases[i];
            let start = rows.starts[block.s] + first * rows.row + block.from * rows.column;
            for query in 0..columns {
                let from = start + query * rows.row;
                for (key, to) in scores[query..].iter_mut().step_by(width).enumerate() {
                    *to += biases[i][from + key * rows.column] * std::f32::consts::LOG2_E;
                }
            }
        }
    }

    /// Bytes of the tables.
    pub fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }
}
