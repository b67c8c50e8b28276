//! Functions of two arguments, with broadcasting.

use netra_graph::{Binary, DataView, Error, Result, TensorView};

use crate::Context;
use crate::parallel::Shared;
use crate::region::DataMut;
use crate::simd::function::{self, First, Function2, Second};
use crate::simd::map::{map, zip};
use crate::simd::{Simd, SimdOp};
use crate::strided::{Nest, broadcast_strides, strides};

/// Least elements that are worth a unit of work.
const UNIT: usize = 16 * 1024;

/// The operands of a binary kernel: either may be the output's old contents.
pub struct Operands<'a> {
    /// The first; the output itself when `None`.
    pub a: Option<TensorView<'a>>,
    /// The second; the output itself when `None`.
    pub b: Option<TensorView<'a>>,
}

/// `op` of two operands into `out` of shape `shape`. Returns whether the element types are known.
pub fn binary(
    context: &Context<'_>,
    op: Binary,
    operands: &Operands<'_>,
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> Result<bool> {
    let sample = operands.a.or(operands.b).map(|v| v.data());
    macro_rules! integers {
        ($variant:ident, $t:ty) => {{
            if let DataMut::Bool(out) = out {
                return Ok(match comparison::<$t>(op) {
                    Some(f) => {
                        Walk::new(operands, shape).run::<$t, bool>(context, pick!($variant), out, f);
                        true
                    }
                    None => false,
                });
            }
            let DataMut::$variant(out) = out else { return Ok(false) };
            let walk = Walk::new(operands, shape);
            if matches!(op, Binary::Div | Binary::Mod | Binary::Fmod) {
                if let Some(DataView::$variant(b)) = operands.b.map(|v| v.data()) {
                    if b.contains(&0) {
                        return Err(Error::invalid("division of an integer by zero"));
                    }
                } else if out.contains(&0) {
                    return Err(Error::invalid("division of an integer by zero"));
                }
            }
            let f: fn($t, $t) -> $t = match op {
                Binary::Add => <$t>::wrapping_add,
                Binary::Sub => <$t>::wrapping_sub,
                Binary::Mul => <$t>::wrapping_mul,
                Binary::Div => |a, b| if b == 0 { 0 } else { a.wrapping_div(b) },
                Binary::Fmod => |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) },
                #[allow(unused_comparisons)] // Unsigned types have no negative remainders.
                Binary::Mod => |a, b| {
                    let r = if b == 0 { 0 } else { a.wrapping_rem(b) };
                    if r != 0 && (r < 0) != (b < 0) { r.wrapping_add(b) } else { r }
                },
                Binary::Min => |a, b| a.min(b),
                Binary::Max => |a, b| a.max(b),
                // Negative powers of integers round to 0, 1 or -1; they do not occur, and count as 0.
                Binary::Pow => |a, b| u32::try_from(b).map_or(0, |b| a.wrapping_pow(b)),
                _ => return Ok(false),
            };
            walk.run::<$t, $t>(context, pick!($variant), out, f);
            Ok(true)
        }};
    }
    macro_rules! pick {
        ($variant:ident) => {{
            let of = |v: Option<TensorView<'_>>| match v.map(|v| v.data()) {
                Some(DataView::$variant(s)) => Some(s.as_ptr()),
                _ => None,
            };
            (of(operands.a), of(operands.b))
        }};
    }
    match sample {
        Some(DataView::F32(_)) => match out {
            DataMut::F32(out) => Ok(float(context, op, operands, shape, out)),
            DataMut::Bool(out) => {
                let walk = Walk::new(operands, shape);
                // A closure each, which the loop takes in: masks of attention are compared in their tens of millions.
                match op {
                    Binary::Equal => walk.run::<f32, bool>(context, pick!(F32), out, |a, b| a == b),
                    Binary::Less => walk.run::<f32, bool>(context, pick!(F32), out, |a, b| a < b),
                    Binary::LessOrEqual => walk.run::<f32, bool>(context, pick!(F32), out, |a, b| a <= b),
                    Binary::Greater => walk.run::<f32, bool>(context, pick!(F32), out, |a, b| a > b),
                    Binary::GreaterOrEqual => walk.run::<f32, bool>(context, pick!(F32), out, |a, b| a >= b),
                    _ => return Ok(false),
                }
                Ok(true)
            }
            _ => Ok(false),
        },
        Some(DataView::Bool(_)) => {
            let DataMut::Bool(out) = out else { return Ok(false) };
            let f: fn(bool, bool) -> bool = match op {
                Binary::And => |a, b| a & b,
                Binary::Or => |a, b| a | b,
                Binary::Xor => |a, b| a ^ b,
                Binary::Equal => |a, b| a == b,
                _ => return Ok(false),
            };
            Walk::new(operands, shape).run::<bool, bool>(context, pick!(Bool), out, f);
            Ok(true)
        }
        Some(DataView::I64(_)) => integers!(I64, i64),
        Some(DataView::I32(_)) => integers!(I32, i32),
        Some(DataView::I8(_)) => integers!(I8, i8),
        Some(DataView::U8(_)) => integers!(U8, u8),
        _ => Ok(false),
    }
}

fn comparison<T: PartialOrd>(op: Binary) -> Option<fn(T, T) -> bool> {
    Some(match op {
        Binary::Equal => |a, b| a == b,
        Binary::Less => |a, b| a < b,
        Binary::LessOrEqual => |a, b| a <= b,
        Binary::Greater => |a, b| a > b,
        Binary::GreaterOrEqual => |a, b| a >= b,
        _ => return None,
    })
}

/// How the operands are walked: two arrays and the output, which is contiguous.
struct Walk(Nest<3>);

impl Walk {
    fn new(operands: &Operands<'_>, shape: &[usize]) -> Self {
        let of = |v: Option<TensorView<'_>>| v.map_or_else(|| strides(shape), |v| broadcast_strides(v.shape(), shape));
        Self(Nest::new(shape, [of(operands.a), of(operands.b), strides(shape)]))
    }

    /// Calls `row(a, b, out, n, strides)` for runs of neighbouring output elements, on all threads.
    fn rows<U: Send>(
        &self,
        context: &Context<'_>,
        out: &mut [U],
        row: impl Fn([usize; 2], &mut [U], [usize; 2]) + Sync,
    ) {
        let nest = &self.0;
        let (inner, [sa, sb, _]) = (nest.inner(), nest.inner_strides());
        let shared = Shared::new(out);
        // Long rows are cut, short ones are bundled.
        let pieces = inner.div_ceil(UNIT).max(1);
        let length = inner.div_ceil(pieces);
        let bundle = (UNIT / inner.max(1)).max(1);
        let rows = nest.rows();
        context.threads.for_each(rows.div_ceil(bundle) * pieces, |_, unit| {
            let (group, piece) = (unit / pieces, unit % pieces);
            let from = (piece * length).min(inner);
            let n = length.min(inner - from);
            for r in group * bundle..rows.min((group + 1) * bundle) {
                let [a, b, o] = nest.row(r);
                // SAFETY: rows of the output are contiguous and disjoint, pieces of a row too, and each is visited once.
                let part = unsafe { shared.slice(o + from, n) };
                row([a + from * sa, b + from * sb], part, [sa, sb]);
            }
        });
    }

    /// Any function, element by element. The pointers are of the operands' elements, `None` for the output's own.
    fn run<T: Copy + Sync, U: Send>(
        &self,
        context: &Context<'_>,
        operands: (Option<*const T>, Option<*const T>),
        out: &mut [U],
        f: impl Fn(T, T) -> U + Sync,
    ) {
        // An operand that is the output itself has the output's element type: the planner sees to it.
        let own = out.as_ptr().cast::<T>();
        let base = Sources([operands.0.unwrap_or(own), operands.1.unwrap_or(own)]);
        let base = &base;
        self.rows(context, out, |[a, b], out, [sa, sb]| {
            let (to, n) = (out.as_mut_ptr(), out.len());
            for i in 0..n {
                // SAFETY: strides and offsets stay inside operands of the declared shapes; where an operand is the output
                // itself, its element is read before the output's element at the same place is written.
                unsafe { to.add(i).write(f(*base.0[0].add(a + i * sa), *base.0[1].add(b + i * sb))) };
            }
        });
    }
}

/// Pointers to the operands' elements.
struct Sources<T>([*const T; 2]);
// SAFETY: threads only read operands through it, and elements of the output through the part that is their own.
unsafe impl<T: Sync> Sync for Sources<T> {}

fn float(context: &Context<'_>, op: Binary, operands: &Operands<'_>, shape: &[usize], out: &mut [f32]) -> bool {
    if !knows(op) {
        return false;
    }
    let own = out.as_ptr();
    let pointer = |v: Option<TensorView<'_>>| v.and_then(|v| v.as_f32()).map_or(own, <[f32]>::as_ptr);
    let base = Sources([pointer(operands.a), pointer(operands.b)]);
    let base = &base;
    Walk::new(operands, shape).rows(context, out, |[a, b], out, strides| {
        // SAFETY: offsets of a row start inside operands of the declared shapes.
        let (a, b) = unsafe { (base.0[0].add(a), base.0[1].add(b)) };
        context.isa.dispatch(Row { op, a, b, strides, dst: out.as_mut_ptr(), n: out.len() });
    });
    true
}

/// Whether a function of two float32 is known.
pub fn knows(op: Binary) -> bool {
    use Binary::*;
    matches!(op, Add | Sub | Mul | Div | Pow | Min | Max | PRelu | Mod | Fmod)
}

/// Made by [`float`] only: `n` elements of `a` and `b` under their strides (0 or 1 where the row is walked by vectors) are
/// readable, `n` of `dst` writable; an operand may be `dst` itself.
struct Row {
    op: Binary,
    a: *const f32,
    b: *const f32,
    strides: [usize; 2],
    dst: *mut f32,
    n: usize,
}

impl SimdOp for Row {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.op {
            Binary::Add => self.walk(s, function::Add),
            Binary::Sub => self.walk(s, function::Sub),
            Binary::Mul => self.walk(s, function::Mul),
            Binary::Div => self.walk(s, function::Div),
            Binary::PRelu => self.walk(s, function::PRelu),
            Binary::Min => self.scalar(|a, b| if a.is_nan() || a < b { a } else { b }),
            Binary::Max => self.scalar(|a, b| if a.is_nan() || a > b { a } else { b }),
            Binary::Pow => self.scalar(power),
            Binary::Mod => self.scalar(|a, b| {
                let r = a % b;
                if r == 0.0 {
                    r.copysign(b)
                } else if (r < 0.0) != (b < 0.0) {
                    r + b
                } else {
                    r
                }
            }),
            Binary::Fmod => self.scalar(|a, b| a % b),
            // `unsupported` refuses the rest before anything runs.
            _ => {}
        }
    }
}

impl Row {
    #[inline(always)]
    fn walk<S: Simd>(&self, s: S, f: impl Function2<S>) {
        let &Row { a, b, strides, dst, n, .. } = self;
        // SAFETY: by construction of `Row`; a stride of 0 needs one element only.
        unsafe {
            match strides {
                [1, 1] => zip(s, a, b, dst, n, f),
                [1, 0] => map(s, a, dst, n, Second(*b, f)),
                [0, 1] => map(s, b, dst, n, First(*a, f)),
                _ => {
                    for i in 0..n {
                        let (x, y) = (s.splat(*a.add(i * strides[0])), s.splat(*b.add(i * strides[1])));
                        let mut v = [0.0f32; 16];
                        s.store(v.as_mut_ptr(), f.call(s, x, y));
                        dst.add(i).write(v[0]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn scalar(&self, f: impl Fn(f32, f32) -> f32) {
        let &Row { a, b, strides: [sa, sb], dst, n, .. } = self;
        for i in 0..n {
            // SAFETY: by construction of `Row`.
            unsafe { dst.add(i).write(f(*a.add(i * sa), *b.add(i * sb))) };
        }
    }
}

/// `a^b`; the commonest exponents without the general function.
fn power(a: f32, b: f32) -> f32 {
    if b == 2.0 {
        a * a
    } else if b == 0.5 && a >= 0.0 {
        a.sqrt()
    } else {
        a.powf(b)
    }
}
