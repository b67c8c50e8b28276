//! The steps that need no preparation, and the kernel of each.

use netra_graph::{Activation, Kernel, Result, TensorView};

use crate::binary::Operands;
use crate::norm::Groups;
use crate::pool::Pooling;
use crate::reduce::ArgMax;
use crate::region::DataMut;
use crate::softmax::Softmax;
use crate::step::{maybe, need, need_f32};
use crate::{Context, binary, elementwise, movement, norm, pool, reduce, softmax};

/// Runs a step that needs no preparation. False where this crate has no kernel for its element types.
pub fn run(
    context: &Context<'_>,
    kernel: &Kernel,
    inputs: &[Option<TensorView<'_>>],
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> Result<bool> {
    if shape.contains(&0) {
        return Ok(true);
    }
    Ok(match (kernel, &mut *out) {
        (Kernel::MaxPool(p), DataMut::F32(out)) => {
            let x = need(inputs, 0)?;
            pool::pool(context, p, Pooling::Max, need_f32(inputs, 0)?, x.shape(), shape, out);
            true
        }
        (Kernel::AveragePool { pool: p, count_include_pad }, DataMut::F32(out)) => {
            let kind = if *count_include_pad { Pooling::MeanWithPadding } else { Pooling::Mean };
            let x = need(inputs, 0)?;
            pool::pool(context, p, kind, need_f32(inputs, 0)?, x.shape(), shape, out);
            true
        }
        (Kernel::InstanceNormalization { epsilon, activation }, DataMut::F32(out)) => {
            let p = groups(shape, shape[1], *epsilon, *activation);
            let x = maybe(inputs, 0).and_then(|x| x.as_f32());
            norm::groups(context, p, x, need_f32(inputs, 1)?, need_f32(inputs, 2)?, out);
            true
        }
        (Kernel::GroupNormalization { groups: n, epsilon, activation }, DataMut::F32(out)) => {
            let p = groups(shape, *n, *epsilon, *activation);
            let x = maybe(inputs, 0).and_then(|x| x.as_f32());
            norm::groups(context, p, x, need_f32(inputs, 1)?, need_f32(inputs, 2)?, out);
            true
        }
        (Kernel::GroupAffine { groups: n, epsilon }, DataMut::F32(out)) => {
            let x = need(inputs, 0)?;
            let p = groups(x.shape(), *n, *epsilon, None);
            norm::affine(context, p, need_f32(inputs, 0)?, need_f32(inputs, 1)?, need_f32(inputs, 2)?, out);
            true
        }
        (Kernel::LayerNormalization { axis, epsilon }, DataMut::F32(out)) => {
            let inner = &shape[*axis..];
            let Some(scale) = norm::spread(need(inputs, 1)?, inner) else { return Ok(false) };
            let bias = maybe(inputs, 2).and_then(|b| norm::spread(b, inner));
            let x = maybe(inputs, 0).and_then(|x| x.as_f32());
            norm::layer(context, *epsilon, x, &scale, bias.as_deref(), out);
            true
        }
        (Kernel::Softmax { axis, log }, DataMut::F32(out)) => {
            let p = Softmax { size: shape[*axis], inner: shape[axis + 1..].iter().product(), log: *log };
            softmax::softmax(context, p, maybe(inputs, 0).and_then(|x| x.as_f32()), out);
            true
        }
        (Kernel::Unary(op), _) => elementwise::unary(context, *op, maybe(inputs, 0).map(|x| x.data()), out),
        (Kernel::Binary(op), _) => {
            let operands = Operands { a: maybe(inputs, 0), b: maybe(inputs, 1) };
            binary::binary(context, *op, &operands, shape, out)?
        }
        (Kernel::Where, _) => {
            movement::select(context, need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?, shape, out)
        }
        (Kernel::Reduce { reduction, axes }, _) => reduce::reduce(context, *reduction, axes, need(inputs, 0)?, out)?,
        (Kernel::ArgMax { axis, smallest, select_last }, _) => {
            let x = need(inputs, 0)?;
            let inner = x.shape()[axis + 1..].iter().product();
            let p = ArgMax { size: x.shape()[*axis], inner, smallest: *smallest, last: *select_last };
            reduce::arg_max(context, p, x.data(), out)
        }
        (Kernel::Reshape, _) => movement::copy(context, need(inputs, 0)?, out),
        (Kernel::Transpose { perm }, _) => movement::transpose(context, perm, need(inputs, 0)?, shape, out),
        (Kernel::Concat { axis }, _) => {
            let parts: Vec<TensorView<'_>> = (0..inputs.len()).map(|i| need(inputs, i)).collect::<Result<_>>()?;
            movement::concat(context, *axis, &parts, shape, out)
        }
        (Kernel::Slice { starts, steps }, _) => movement::slice(context, starts, steps, need(inputs, 0)?, shape, out),
        (Kernel::Pad { pads, mode }, _) => movement::pad(context, pads, *mode, need(inputs, 0)?, shape, out)?,
        (Kernel::Gather { axis }, _) => movement::gather(context, *axis, need(inputs, 0)?, need(inputs, 1)?, out)?,
        (Kernel::Expand, _) => movement::expand(context, need(inputs, 0)?, shape, out),
        (Kernel::Cast { .. }, _) => movement::cast(context, need(inputs, 0)?.data(), out),
        _ => false,
    })
}

fn groups(shape: &[usize], groups: usize, epsilon: f32, activation: Option<Activation>) -> Groups {
    Groups { channels: shape[1], plane: shape[2..].iter().product(), groups, epsilon, activation }
}
