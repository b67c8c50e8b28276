//! Running one step of a program on the adapter, one file a family of kernels.

mod chain;
mod check;
mod choice;
mod conv;
mod direct;
mod elementwise;
mod fold;
mod gemm;
mod indexing;
mod matmul;
mod movement;
mod norm;
mod pool;
mod reduce;
mod resize;
mod sample;
mod selection;
mod shapes;
mod unary;
mod upsample;
pub(crate) mod view;
mod window;

use netra_graph::{Error, Kernel, Program, Result, Step, ValueId};

use crate::gpu::{Buffer, Gpu};
use crate::kernels::pool::PoolKind;
use crate::value::Value;

pub(crate) use chain::{Chain, Role, roles};
pub(crate) use check::check;
pub(crate) use choice::{Choice, Setting, plan};
pub(crate) use view::empty;

/// What a step needs besides its inputs, made once on compile.
pub(crate) enum Prepared {
    /// Nothing.
    Plain,
    /// Packed weights; the step's own weight input is not uploaded.
    Conv(Box<conv::Packed>),
    /// Packed weights of a transposed convolution, in the same way.
    Upsample(Box<upsample::Upsample>),
    /// The tiles of a matrix product.
    Product(matmul::Tiled),
    /// Tables of a resize.
    Resize(Vec<resize::Table>),
    /// Tables of a padding that repeats elements.
    Pad(Vec<Option<Buffer>>),
    /// Updates that all go to different places.
    Distinct,
    /// The end of a chain of element-wise steps, which runs instead of them.
    Chain(Box<Chain>),
    /// Nothing is run: a chain does it.
    Absorbed,
}

impl Prepared {
    /// What is read when a step runs: its own inputs, or those of the chain that it ends.
    pub(crate) fn inputs<'a>(&'a self, step: &'a Step) -> &'a [Option<ValueId>] {
        match self {
            Prepared::Chain(chain) => &chain.operands,
            Prepared::Absorbed => &[],
            _ => &step.inputs,
        }
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Prepared::Conv(packed) => packed.bytes(),
            Prepared::Upsample(up) => up.bytes,
            _ => 0,
        }
    }

    /// Whether input `index` of the step is not read when it runs.
    pub(crate) fn replaces(&self, index: usize) -> bool {
        matches!(self, Prepared::Conv(_) | Prepared::Upsample(_)) && index == 1
    }
}

/// Prepares a step that passed [`check`].
pub(crate) fn prepare(gpu: &Gpu, program: &Program, step: &Step, setting: &Setting<'_>) -> Prepared {
    let shape_of = |i: usize| step.inputs.get(i).copied().flatten().map(|id| program.value(id));
    let output = &program.value(step.output).shape;
    let Some(x) = shape_of(0) else { return Prepared::Plain };
    match &step.kernel {
        Kernel::Conv(_) | Kernel::NormalizedConv(_) => problem(gpu, program, step)
            .and_then(|problem| conv::prepare(gpu, &problem, setting, setting.told(program, step)))
            .map_or(Prepared::Plain, |packed| Prepared::Conv(Box::new(packed))),
        Kernel::ConvTranspose(p) => shape_of(1)
            .and_then(|w| w.constant.as_deref())
            .and_then(|weight| upsample::prepare(gpu, p, &x.shape, weight, output))
            .map_or(Prepared::Plain, |up| Prepared::Upsample(Box::new(up))),
        Kernel::MatMul { trans_a, .. } => {
            let terms = x.shape.iter().rev().nth(usize::from(*trans_a)).copied().unwrap_or(1);
            matmul::tiled(output, terms, setting).map_or(Prepared::Plain, Prepared::Product)
        }
        Kernel::Resize(p) => Prepared::Resize(resize::tables(gpu, p, &x.shape, output)),
        Kernel::Pad { pads, mode } => Prepared::Pad(movement::pad_tables(gpu, &x.shape, pads, *mode)),
        Kernel::ScatterNd { .. } if scatters_apart(program, step) => Prepared::Distinct,
        _ => Prepared::Plain,
    }
}

/// The problem of a convolution with constant weights.
pub(crate) fn problem<'a>(gpu: &Gpu, program: &'a Program, step: &Step) -> Option<conv::Problem<'a>> {
    let p = match &step.kernel {
        Kernel::Conv(p) => p,
        Kernel::NormalizedConv(p) => &p.conv,
        _ => return None,
    };
    let &[Some(x), Some(weight), ..] = step.inputs.as_slice() else { return None };
    let [x, out] = [x, step.output].map(|id| program.value(id).shape.as_slice());
    conv::Problem::new(gpu, p, x, program.value(weight).constant.as_deref()?, out)
}

/// Whether a step is a convolution that can scale, shift and activate what it reads: any that is packed.
pub(crate) fn takes_affine(gpu: &Gpu, program: &Program, step: &Step, setting: &Setting<'_>) -> bool {
    matches!(step.kernel, Kernel::Conv(_))
        && problem(gpu, program, step).is_some_and(|problem| plan(&problem, setting, None).is_some())
}

/// Whether the index tuples of a scatter are known to point to different places.
fn scatters_apart(program: &Program, step: &Step) -> bool {
    let value = |i: usize| step.inputs.get(i).copied().flatten().map(|id| program.value(id));
    match (value(0), value(1)) {
        (Some(x), Some(indices)) => indexing::distinct(indices.constant.as_deref(), &x.shape),
        _ => false,
    }
}

/// Runs what was prepared for a step that passed [`check`]. `inputs` are in the step's order; those that the preparation replaces are `None`.
pub(crate) fn run(
    gpu: &Gpu,
    program: &Program,
    step: &Step,
    prepared: &Prepared,
    inputs: &[Option<&Value>],
) -> Result<Value> {
    let optional = |i: usize| inputs.get(i).copied().flatten();
    let need =
        |i: usize| optional(i).ok_or_else(|| Error::malformed(format!("{} lacks input {i}", step.kernel.name())));
    let dtype_of = |i: usize| {
        let id = step.inputs.get(i).copied().flatten();
        id.map_or(netra_graph::DType::F32, |id| program.value(id).dtype)
    };
    let output = program.value(step.output);
    let shape = output.shape.as_slice();
    if let Prepared::Chain(chain) = prepared {
        let operands: Vec<&Value> = inputs.iter().copied().flatten().collect();
        return Ok(chain::run(gpu, chain, &operands, shape));
    }
    match &step.kernel {
        Kernel::Conv(p) => {
            let operands = conv::Operands { x: need(0)?, bias: optional(2), residual: optional(3), affine: None };
            match prepared {
                Prepared::Conv(packed) => conv::run_packed(gpu, p, packed, &operands, shape),
                _ => conv::run_grouped(gpu, p, need(1)?, &operands, shape),
            }
        }
        Kernel::NormalizedConv(p) => match prepared {
            Prepared::Conv(packed) => {
                let affine = Some((need(4)?, p.activation));
                let operands = conv::Operands { x: need(0)?, bias: optional(2), residual: optional(3), affine };
                conv::run_packed(gpu, &p.conv, packed, &operands, shape)
            }
            _ => Err(Error::unsupported("a normalised convolution that is not tiled")),
        },
        Kernel::GroupAffine { groups, epsilon } => {
            norm::run_affine(gpu, need(0)?, need(1)?, need(2)?, *groups, *epsilon, shape)
        }
        Kernel::ConvTranspose(p) => match prepared {
            Prepared::Upsample(up) => upsample::run(gpu, p, up, need(0)?, optional(2), shape),
            _ => window::run_conv_transpose(gpu, p, need(0)?, need(1)?, optional(2), shape),
        },
        Kernel::MaxPool(pool) => Ok(pool::run_pool(gpu, need(0)?, pool, PoolKind::Max, shape)),
        Kernel::AveragePool { pool, count_include_pad } => {
            let kind = if *count_include_pad { PoolKind::MeanPadded } else { PoolKind::Mean };
            Ok(pool::run_pool(gpu, need(0)?, pool, kind, shape))
        }
        Kernel::MatMul { trans_a, trans_b, alpha } => {
            let tiled = if let Prepared::Product(tiled) = prepared { Some(*tiled) } else { None };
            let form = matmul::Form { trans_a: *trans_a, trans_b: *trans_b, alpha: *alpha, tiled };
            matmul::run(gpu, form, need(0)?, need(1)?, optional(2), shape)
        }
        Kernel::InstanceNormalization { epsilon, activation } => {
            let x = need(0)?;
            let groups = x.shape.get(1).copied().unwrap_or(1);
            norm::run_group(gpu, x, need(1)?, need(2)?, groups, *epsilon, *activation)
        }
        Kernel::GroupNormalization { groups, epsilon, activation } => {
            norm::run_group(gpu, need(0)?, need(1)?, need(2)?, *groups, *epsilon, *activation)
        }
        Kernel::LayerNormalization { axis, epsilon } => {
            Ok(norm::run_layer(gpu, need(0)?, need(1)?, optional(2), *axis, *epsilon))
        }
        Kernel::Softmax { axis, log } => Ok(reduce::run_softmax(gpu, *axis, *log, need(0)?)),
        Kernel::Unary(op) => unary::run_unary(gpu, *op, dtype_of(0), need(0)?),
        Kernel::Binary(op) => elementwise::run_binary(gpu, *op, dtype_of(0), need(0)?, need(1)?, shape),
        Kernel::Where => Ok(elementwise::run_where(gpu, need(0)?, need(1)?, need(2)?, shape)),
        Kernel::Reduce { reduction, axes } => reduce::run_reduce(gpu, *reduction, axes, dtype_of(0), need(0)?, shape),
        Kernel::ArgMax { axis, smallest, select_last } => {
            Ok(reduce::run_arg(gpu, *axis, *smallest, *select_last, dtype_of(0), need(0)?, shape))
        }
        Kernel::Reshape => Ok(movement::run_reshape(gpu, need(0)?, shape)),
        Kernel::Transpose { perm } => Ok(movement::run_transpose(gpu, need(0)?, perm, shape)),
        Kernel::Concat { axis } => {
            let values: Vec<&Value> = inputs.iter().copied().flatten().collect();
            Ok(movement::run_concat(gpu, &values, *axis, shape))
        }
        Kernel::Slice { starts, steps } => Ok(movement::run_slice(gpu, need(0)?, starts, steps, shape)),
        Kernel::Pad { pads, mode } => match prepared {
            Prepared::Pad(tables) => Ok(movement::run_pad(gpu, need(0)?, pads, *mode, tables, output.dtype, shape)),
            _ => Err(Error::malformed("padding without its tables")),
        },
        Kernel::Resize(_) => match prepared {
            Prepared::Resize(tables) => Ok(resize::run(gpu, need(0)?, tables, shape)),
            _ => Err(Error::malformed("a resize without its tables")),
        },
        Kernel::Gather { axis } => Ok(movement::run_gather(gpu, need(0)?, need(1)?, *axis, shape)),
        Kernel::GatherElements { axis } => indexing::run_gather_elements(gpu, need(0)?, need(1)?, *axis, shape),
        Kernel::GatherNd { batch_dims } => indexing::run_gather_nd(gpu, need(0)?, need(1)?, *batch_dims, shape),
        Kernel::ScatterElements { axis, combine } => {
            let (indices, updates) = (need(1)?, need(2)?);
            let updates = indexing::Updates { indices, updates, combine: *combine, dtype: output.dtype };
            indexing::run_scatter_elements(gpu, need(0)?, &updates, *axis)
        }
        Kernel::ScatterNd { combine } => {
            let (indices, updates) = (need(1)?, need(2)?);
            let updates = indexing::Updates { indices, updates, combine: *combine, dtype: output.dtype };
            indexing::run_scatter_nd(gpu, need(0)?, &updates, matches!(prepared, Prepared::Distinct))
        }
        Kernel::TopK { axis, largest } => selection::run_top_k(gpu, need(0)?, *axis, *largest, dtype_of(0), shape),
        Kernel::Cumulative { axis, product, exclusive, reverse } => {
            let running = selection::Running { product: *product, exclusive: *exclusive, reverse: *reverse };
            selection::run_cumulative(gpu, need(0)?, *axis, running, output.dtype)
        }
        Kernel::MaxPoolIndices { pool, column_major } => {
            pool::run_max_indices(gpu, need(0)?, pool, *column_major, shape)
        }
        Kernel::GridSample(p) => sample::run_grid(gpu, p, need(0)?, need(1)?, shape),
        Kernel::RoiAlign(p) => sample::run_roi_align(gpu, p, need(0)?, need(1)?, need(2)?, shape),
        Kernel::Expand => Ok(elementwise::run_expand(gpu, need(0)?, shape)),
        Kernel::BitCast { to } => Ok(unary::run_bit_cast(gpu, need(0)?, *to)),
        Kernel::Cast { to } => Ok(unary::run_cast(gpu, need(0)?, dtype_of(0), *to)),
        other => Err(Error::unsupported(format!("{} on the wgpu backend", other.name()))),
    }
}
