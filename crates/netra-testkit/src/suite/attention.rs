//! Attention: heads side by side in one tensor, keys in rows and in columns, biases of every kind, long and short sequences.

use netra_graph::{DotProductAttention, Kernel, StridedRows};

use super::{Case, FUNCTIONS, Operand, w, x};

/// Sequences of an image, one a head: matrices side by side, in rows that are `heads width` long.
fn heads(images: usize, heads: usize, rows: usize, width: usize) -> StridedRows {
    let line = heads * width;
    let starts = (0..images).flat_map(|image| (0..heads).map(move |head| image * rows * line + head * width));
    StridedRows { starts: starts.collect(), row: line, column: 1 }
}

/// Attention of `images` with `count` heads each, and the shapes of its operands and result.
fn plain(
    images: usize,
    count: usize,
    queries: usize,
    keys: usize,
    width: usize,
) -> (DotProductAttention, [Vec<usize>; 2]) {
    let p = DotProductAttention {
        queries,
        keys,
        width,
        value_width: width,
        scale: 1.5,
        q: heads(images, count, queries, width),
        k: heads(images, count, keys, width),
        v: heads(images, count, keys, width),
        out: heads(images, count, queries, width),
        biases: Vec::new(),
    };
    (p, [vec![images, queries, count * width], vec![images, keys, count * width]])
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, p: DotProductAttention, operands: &[Operand], shape: &[usize]| {
        cases.push(Case::single(
            format!("attention-{name}"),
            Kernel::Attention(Box::new(p)),
            operands,
            shape,
            FUNCTIONS,
        ));
    };
    for (images, count, queries, keys, width) in
        [(1, 1, 1, 1, 1), (2, 3, 17, 9, 5), (1, 2, 50, 300, 8), (1, 1, 197, 129, 64), (3, 1, 49, 49, 33)]
    {
        let (p, [q, k]) = plain(images, count, queries, keys, width);
        add(&format!("{images}x{count}-{queries}-{keys}-{width}"), p, &[x(&q), x(&k), x(&k)], &q);
    }
    // Keys and values that are columns, and a result whose heads are not side by side.
    let (mut p, [q, _]) = plain(1, 2, 20, 30, 6);
    p.k = StridedRows { starts: vec![0, 6 * 30], row: 1, column: 30 };
    p.v = p.k.clone();
    p.out = StridedRows { starts: vec![0, 20 * 6], row: 6, column: 1 };
    add("columns", p, &[x(&q), x(&[1, 12, 30]), x(&[1, 12, 30])], &[1, 2, 20, 6]);
    // Biases: constant by head, constant by window with zeros for some, computed, and one row for all queries.
    let (mut p, [q, _]) = plain(3, 2, 23, 140, 8);
    let k = vec![3, 140, 16];
    let table = 23 * 140;
    p.biases = vec![
        StridedRows { starts: [0, table].repeat(3), row: 140, column: 1 },
        StridedRows { starts: vec![0, 0, table, table, 0, 0], row: 140, column: 1 },
        StridedRows { starts: (0..6).map(|s| s * table).collect(), row: 140, column: 1 },
        StridedRows { starts: vec![0; 6], row: 0, column: 1 },
    ];
    let windows: Vec<f32> = (0..2 * table).map(|i| if i >= table && i % 3 == 0 { -100.0 } else { 0.0 }).collect();
    let windows = Operand::Weight(super::tensor(&[2, 23, 140], netra_graph::Data::F32(windows)));
    let operands = [x(&q), x(&k), x(&k), w(&[2, 23, 140]), windows, x(&[6, 23, 140]), x(&[140])];
    add("biases", p, &operands, &q);
    // The first block of keys is masked out, and only later ones count.
    let (mut p, [q, k]) = plain(1, 1, 18, 260, 4);
    p.biases = vec![StridedRows { starts: vec![0], row: 0, column: 1 }];
    let mask = (0..260).map(|key| if key < 150 { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Operand::Input(super::tensor(&[260], netra_graph::Data::F32(mask)));
    add("masked", p, &[x(&q), x(&k), x(&k), mask], &q);
    cases
}
