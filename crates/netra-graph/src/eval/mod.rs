//! The reference evaluator: plain loops that say what each [`Kernel`] means, float64 inside, no speed.
//!
//! It folds constants during lowering and is the oracle that every backend is tested against.

mod attention;
mod bits;
mod boxes;
mod conv;
mod elementwise;
mod gather;
mod index;
mod movement;
mod norm;
mod pool;
mod reduce;
mod resize;
mod sample;
mod scatter;
mod sort;
mod types;

pub(crate) use index::strides;
pub use types::defines;

use crate::{DType, Data, Error, Kernel, Program, Result, Tensor, TensorView};

/// Runs a whole program on the host and gives its outputs in order.
pub fn run(program: &Program, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
    program.check_inputs(inputs)?;
    let last = program.last_uses();
    let mut live: Vec<Option<Tensor>> = vec![None; program.values.len()];
    for (view, id) in inputs.iter().zip(&program.inputs) {
        live[id.index()] = Some(view.to_tensor());
    }
    for (i, s) in program.steps.iter().enumerate() {
        let out = program.value(s.output);
        let operands: Vec<Option<&Tensor>> = s
            .inputs
            .iter()
            .map(|id| id.and_then(|id| program.value(id).constant.as_deref().or(live[id.index()].as_ref())))
            .collect();
        let result =
            step(&s.kernel, &operands, out.dtype, &out.shape).map_err(|e| e.at(format!("node '{}'", s.node)))?;
        live[s.output.index()] = Some(result);
        for id in s.inputs.iter().flatten() {
            if last[id.index()] == Some(i) {
                live[id.index()] = None;
            }
        }
    }
    let outputs = program.outputs.iter().map(|&id| {
        let value = program.value(id);
        let tensor = value.constant.as_deref().or(live[id.index()].as_ref());
        tensor.cloned().ok_or_else(|| Error::malformed(format!("output '{}' is never computed", value.name)))
    });
    program.trim(outputs.collect::<Result<_>>()?)
}

/// Runs one kernel. `dtype` and `shape` are the output's, as the program states them.
pub fn step(kernel: &Kernel, inputs: &[Option<&Tensor>], dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let need = |i: usize| {
        inputs.get(i).copied().flatten().ok_or_else(|| Error::malformed(format!("{} lacks input {i}", kernel.name())))
    };
    let optional = |i: usize| inputs.get(i).copied().flatten();
    match kernel {
        Kernel::Conv(p) => conv::conv(p, need(0)?, need(1)?, optional(2), optional(3), shape),
        Kernel::NormalizedConv(p) => {
            let x = norm::affine(need(0)?, need(4)?, p.activation)?;
            conv::conv(&p.conv, &x, need(1)?, optional(2), optional(3), shape)
        }
        Kernel::UpsampledConv(p) => {
            let x = conv::conv_transpose(&p.up, need(0)?, need(4)?, optional(5), &p.shape)?;
            conv::conv(&p.conv, &x, need(1)?, optional(2), optional(3), shape)
        }
        Kernel::ConvTranspose(p) => conv::conv_transpose(p, need(0)?, need(1)?, optional(2), shape),
        Kernel::MatMul { trans_a, trans_b, alpha } => {
            conv::mat_mul(need(0)?, need(1)?, optional(2), *trans_a, *trans_b, *alpha, shape)
        }
        Kernel::MaxPool(p) => pool::max_pool(p, need(0)?, shape),
        Kernel::AveragePool { pool: p, count_include_pad } => {
            pool::average_pool(p, *count_include_pad, need(0)?, shape)
        }
        Kernel::InstanceNormalization { epsilon, activation } => {
            let x = need(0)?;
            let channels = x.shape().get(1).copied().unwrap_or(1);
            norm::group(x, need(1)?, need(2)?, channels, *epsilon, *activation)
        }
        Kernel::GroupNormalization { groups, epsilon, activation } => {
            norm::group(need(0)?, need(1)?, need(2)?, *groups, *epsilon, *activation)
        }
        Kernel::GroupAffine { groups, epsilon } => {
            norm::group_affine(need(0)?, need(1)?, need(2)?, *groups, *epsilon, shape)
        }
        Kernel::LayerNormalization { axis, epsilon } => norm::layer(need(0)?, need(1)?, optional(2), *axis, *epsilon),
        Kernel::Softmax { axis, log } => norm::softmax(need(0)?, *axis, *log),
        Kernel::Attention(p) => {
            let operands: Vec<&Tensor> = (0..inputs.len()).map(need).collect::<Result<_>>()?;
            attention::attention(p, &operands, shape)
        }
        Kernel::Unary(op) => elementwise::unary(*op, need(0)?),
        Kernel::Binary(op) => elementwise::binary(*op, need(0)?, need(1)?, dtype, shape),
        Kernel::Where => movement::select(need(0)?, need(1)?, need(2)?, shape),
        Kernel::Reduce { reduction, axes } => reduce::reduce(*reduction, axes, need(0)?, shape),
        Kernel::ArgMax { axis, smallest, select_last } => {
            reduce::arg_max(need(0)?, *axis, *smallest, *select_last, shape)
        }
        Kernel::Reshape => need(0)?.clone().reshaped(shape),
        Kernel::Transpose { perm } => movement::transpose(need(0)?, perm, shape),
        Kernel::Concat { axis } => {
            let parts: Vec<&Tensor> = (0..inputs.len()).map(need).collect::<Result<_>>()?;
            movement::concat(&parts, *axis, shape)
        }
        Kernel::Slice { starts, steps } => movement::slice(need(0)?, starts, steps, shape),
        Kernel::Pad { pads, mode } => movement::pad(need(0)?, pads, *mode, shape),
        Kernel::Resize(p) => resize::resize(p, need(0)?, shape),
        Kernel::Gather { axis } => movement::gather(need(0)?, need(1)?, *axis, shape),
        Kernel::GatherElements { axis } => gather::elements(need(0)?, need(1)?, *axis, shape),
        Kernel::GatherNd { batch_dims } => gather::tuples_of(need(0)?, need(1)?, *batch_dims, shape),
        Kernel::ScatterElements { axis, combine } => scatter::elements(need(0)?, need(1)?, need(2)?, *axis, *combine),
        Kernel::ScatterNd { combine } => scatter::tuples_into(need(0)?, need(1)?, need(2)?, *combine),
        Kernel::TopK { axis, largest } => sort::top_k(need(0)?, *axis, *largest, shape),
        Kernel::Cumulative { axis, product, exclusive, reverse } => {
            sort::cumulative(need(0)?, *axis, *product, *exclusive, *reverse)
        }
        Kernel::NonMaxSuppression(p) => boxes::suppress(p, need(0)?, need(1)?, shape),
        Kernel::NonZero => gather::non_zero(need(0)?, shape),
        Kernel::BitCast { to } => bits::bit_cast(need(0)?, *to),
        Kernel::MaxPoolIndices { pool: p, column_major } => pool::max_indices(p, *column_major, need(0)?, shape),
        Kernel::GridSample(p) => sample::grid_sample(p, need(0)?, need(1)?, shape),
        Kernel::RoiAlign(p) => sample::roi_align(p, need(0)?, need(1)?, need(2)?, shape),
        Kernel::Expand => movement::expand(need(0)?, shape),
        Kernel::Cast { to } => elementwise::cast(need(0)?, *to),
    }
}

/// The elements as float64; only floats.
fn floats(tensor: &Tensor) -> Result<Vec<f64>> {
    match tensor.data() {
        Data::F32(v) => Ok(v.iter().map(|&x| x.into()).collect()),
        Data::F64(v) => Ok(v.clone()),
        other => Err(Error::unsupported(format!("{} where a float is needed", other.dtype()))),
    }
}

/// A float tensor of the element type of `like`.
fn from_floats(like: &Tensor, shape: &[usize], values: Vec<f64>) -> Result<Tensor> {
    let data = match like.dtype() {
        DType::F64 => Data::F64(values),
        _ => Data::F32(values.into_iter().map(|x| x as f32).collect()),
    };
    Tensor::new(shape, data)
}
