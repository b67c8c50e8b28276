//! The inner loop: some rows of `a` times a panel of packed columns of `b`, held in registers.

use crate::isa::{InstructionSet, Isa};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Guaranteed, Portable, Simd, prefetch_far};

/// Where the operands of one tile are. Rows of `a`, `start` and `out` are `*_row` elements apart.
#[derive(Clone, Copy)]
pub struct Operands {
    /// Rows of `k` elements.
    pub a: *const f32,
    /// Between rows of `a`.
    pub a_row: usize,
    /// Between elements of a row of `a`.
    pub a_step: usize,
    /// Terms of each sum.
    pub k: usize,
    /// A panel: for each term, a run of whole vectors.
    pub b: *const f32,
    /// What the sums are added to; may be `out`.
    pub start: *const f32,
    /// Between rows of `start`; 0 for one row.
    pub start_row: usize,
    /// The result.
    pub out: *mut f32,
    /// Between rows of `out`.
    pub out_row: usize,
    /// Factor of the sums.
    pub alpha: f32,
}

/// `out[r][j] = start[r][j] + alpha * sum over p of a[r][p] b[p][j]` for the rows and columns of a tile.
///
/// # Safety
/// The processor has the instructions of the [`Isa`] that the tile was chosen for; every pointer reaches what the fields
/// of [`Operands`] say, for the tile's rows and columns; `out` is written by nobody else.
type Run = unsafe fn(&Operands);

/// # Safety
/// As for [`Run`].
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(s: S, o: &Operands) {
    // Plain loops: a closure that the compiler declines to inline would be compiled without the instructions of `S`.
    let mut rows = [o.a; R];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = o.a.wrapping_add(r * o.a_row);
    }
    let (mut b, mut at) = (o.b, 0);
    let mut sums = [[s.splat(0.0); V]; R];
    for _ in 0..o.k {
        // SAFETY: `b` has `V` vectors for each of `k` terms, and each row of `a` has `k` elements.
        unsafe {
            let mut columns = [s.splat(0.0); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = s.load(b.add(v * S::LANES));
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let x = s.splat(*row.add(at));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = s.fma(x, column, *sum);
                }
            }
            b = b.add(V * S::LANES);
            at += o.a_step;
        }
    }
    let alpha = s.splat(o.alpha);
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let j = v * S::LANES;
            // SAFETY: `start` and `out` have `V` vectors in each of `R` rows.
            unsafe {
                let before = s.load(o.start.add(r * o.start_row + j));
                s.store(o.out.add(r * o.out_row + j), s.fma(alpha, sum, before));
            }
        }
    }
}

/// # Safety
/// As for [`Run`].
unsafe fn guaranteed<S: Guaranteed, const R: usize, const V: usize>(o: &Operands) {
    // SAFETY: the caller keeps the contract.
    unsafe { tile::<_, R, V>(S::HERE, o) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const R: usize, const V: usize>(o: &Operands) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { tile::<_, R, V>(Avx2::assume(), o) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512<const R: usize, const V: usize>(o: &Operands) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { tile::<_, R, V>(Avx512::assume(), o) }
}

/// The tiles of an instruction set.
#[derive(Clone, Copy)]
pub struct Tiles {
    /// Most rows of a tile.
    pub rows: usize,
    /// Most vectors of a row of a tile.
    pub vectors: usize,
    /// Elements of a vector.
    pub lanes: usize,
    /// `vectors` for each number of rows.
    runs: &'static [Run],
}

/// Most rows that any instruction set has.
pub const MAX_ROWS: usize = 8;
/// Most columns that any instruction set has.
pub const MAX_COLUMNS: usize = 48;

impl Tiles {
    /// The tiles whose sums, columns and one element of `a` fit the registers of `isa`.
    pub fn new(isa: Isa) -> Self {
        macro_rules! two {
            ($f:ident: $($r:literal),*) => { &[$([$f::<$r, 1> as Run, $f::<$r, 2>]),*] };
            (guaranteed<$s:ident>: $($r:literal),*) => {
                &[$([guaranteed::<$s, $r, 1> as Run, guaranteed::<$s, $r, 2>]),*]
            };
        }
        // Sixteen registers: 6 x 2 sums, two columns, one element, one free.
        macro_rules! small {
            ($($f:tt)*) => {{
                static RUNS: &[[Run; 2]] = two!($($f)*: 1, 2, 3, 4, 5, 6);
                Self { rows: 6, vectors: 2, lanes: isa.lanes(), runs: RUNS.as_flattened() }
            }};
        }
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        macro_rules! three {
            ($f:ident: $($r:literal),*) => { &[$([$f::<$r, 1> as Run, $f::<$r, 2>, $f::<$r, 3>]),*] };
            (guaranteed<$s:ident>: $($r:literal),*) => {
                &[$([guaranteed::<$s, $r, 1> as Run, guaranteed::<$s, $r, 2>, guaranteed::<$s, $r, 3>]),*]
            };
        }
        // Thirty-two registers, of sixteen lanes or of four: 8 x 3 sums.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        macro_rules! large {
            ($($f:tt)*) => {{
                static RUNS: &[[Run; 3]] = three!($($f)*: 1, 2, 3, 4, 5, 6, 7, 8);
                Self { rows: 8, vectors: 3, lanes: isa.lanes(), runs: RUNS.as_flattened() }
            }};
        }
        match isa.set() {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => small!(avx2),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => large!(avx512),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => large!(guaranteed<Neon>),
            // As in `conv/tile.rs`, engines like eight sums best.
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            InstructionSet::Simd128 => {
                static RUNS: &[[Run; 2]] = two!(guaranteed<Simd128>: 1, 2, 3, 4);
                Self { rows: 4, vectors: 2, lanes: isa.lanes(), runs: RUNS.as_flattened() }
            }
            _ => small!(guaranteed<Portable>),
        }
    }

    /// `out[i][j] = start[i][j] + alpha * sum over p of a[i][p] b[p][j]` for `rows` rows (any number) and `columns`
    /// columns of one panel of `vectors` vectors. What is `ahead` is fetched into the cache meanwhile.
    ///
    /// # Safety
    /// The processor has the instructions that these tiles were chosen for. Every pointer of `o` reaches what its field
    /// says for these rows and columns (`b`: whole vectors), and `out` is written by nobody else.
    pub unsafe fn panel(&self, o: &Operands, rows: usize, vectors: usize, columns: usize, ahead: Ahead) {
        let width = vectors * self.lanes;
        let groups = rows.div_ceil(self.rows);
        let Some(lines) = ahead.floats.div_ceil(16).checked_div(groups) else { return };
        let mut edge = [0.0f32; MAX_ROWS * MAX_COLUMNS];
        for group in 0..groups {
            let from = group * self.rows;
            let n = self.rows.min(rows - from);
            for line in group * (lines + 1)..(group + 1) * (lines + 1) {
                ahead.fetch(line * 16);
            }
            let Some(run) = self.runs.get((n - 1) * self.vectors + vectors - 1) else { return };
            let at = Operands {
                a: o.a.wrapping_add(from * o.a_row),
                start: o.start.wrapping_add(from * o.start_row),
                out: o.out.wrapping_add(from * o.out_row),
                ..*o
            };
            if columns == width {
                // SAFETY: the caller's promise, for rows `from..from + n`.
                unsafe { run(&at) };
                continue;
            }
            // The last vector is not whole: the tile is computed aside.
            for (r, row) in edge.chunks_mut(width).take(n).enumerate() {
                // SAFETY: `start` has `columns` elements in each row, fewer than `width`.
                unsafe { std::ptr::copy_nonoverlapping(at.start.add(r * at.start_row), row.as_mut_ptr(), columns) };
            }
            let aside = edge.as_mut_ptr();
            // SAFETY: as above; `edge` holds the largest tile.
            unsafe { run(&Operands { start: aside, start_row: width, out: aside, out_row: width, ..at }) };
            for (r, row) in edge.chunks(width).take(n).enumerate() {
                // SAFETY: `out` has `columns` elements in each row.
                unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), at.out.add(r * at.out_row), columns) };
            }
        }
    }
}

/// What will be read next: fetched while the tiles of a panel are computed.
#[derive(Clone, Copy)]
pub struct Ahead {
    /// Its start.
    pub from: *const f32,
    /// Its size.
    pub floats: usize,
}

impl Ahead {
    /// Nothing.
    pub const NOTHING: Self = Self { from: std::ptr::null(), floats: 0 };

    #[inline(always)]
    fn fetch(&self, at: usize) {
        if at < self.floats {
            prefetch_far(self.from.wrapping_add(at));
        }
    }
}
