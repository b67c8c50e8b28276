//! One step: what is prepared when a program is compiled, and how it runs.

use netra_graph::{
    Activation, CompileOptions, Conv, Data, Error, Kernel, Precision, Program, Result, Step, Tensor, TensorView,
    UpsampledConv, ValueId, eval,
};

use crate::arithmetic::Arithmetic;
use crate::attention::Attention;
use crate::choices::Setting;
use crate::conv::{self, Convolution, Packed, Slabs};
use crate::isa::Isa;
use crate::matmul::{self, MatMul, Product};
use crate::memory::Sharing;
use crate::native::native;
use crate::region::DataMut;
use crate::simd::map::{ChannelAffine, Residual, Source};
use crate::{Context, means, plain, resize};

/// A step with what was decided and computed when the program was compiled.
pub enum Prepared {
    /// A convolution or its transpose; packed unless the weights are computed by the program.
    Convolution(Box<Convolution>, Option<Packed>),
    /// A transposed convolution and a convolution, in slabs.
    Slabs(Box<Slabs>, conv::SlabWeights),
    /// A resampling.
    Resize(resize::Plan),
    /// A matrix product; `b` is packed unless the program computes it.
    MatMul(Box<Product>, Option<matmul::Packed>),
    /// Attention.
    Attention(Box<Attention>),
    /// Means over planes, of which the convolution before leaves the sums in so many parts each.
    Means(usize),
    /// The output is the input under another shape: nothing to do.
    Alias,
    /// Everything else that this crate has kernels for.
    Plain,
    /// The reference evaluator runs it: rare kernels and element types, where clarity matters more than speed.
    Reference,
}

impl Prepared {
    /// Prepares a step.
    pub fn new(program: &Program, step: &Step, isa: Isa, threads: usize, options: &CompileOptions<'_>) -> Self {
        if !native(program, step) {
            return Self::Reference;
        }
        let shape =
            |i: usize| step.inputs.get(i).copied().flatten().map_or(&[][..], |id| program.value(id).shape.as_slice());
        let constant = |i: usize| {
            let id = step.inputs.get(i).copied().flatten()?;
            Some(program.value(id).constant.as_ref().and_then(|t| t.as_f32()))
        };
        let input = step.inputs.first().copied().flatten().map_or("", |id| program.value(id).name.as_str());
        let arithmetic = Arithmetic::of(options, input);
        let out = program.value(step.output).shape.as_slice();
        if out.contains(&0) && !matches!(step.kernel, Kernel::Reshape) {
            return Self::Plain;
        }
        let packed = |c: Convolution| {
            // The bias: left out, constant, or computed by the program.
            let packed = match (constant(1), constant(2)) {
                (Some(Some(w)), None) => Some(c.pack(w, None)),
                (Some(Some(w)), Some(Some(b))) => Some(c.pack(w, Some(b))),
                _ => None,
            };
            Self::Convolution(Box::new(c), packed)
        };
        let plan = |p: &Conv, arithmetic| {
            let told = Setting { program, isa, threads, options }.told(step);
            told.unwrap_or_else(|| Convolution::new(p, shape(0), shape(1), out, isa, threads, arithmetic))
        };
        match &step.kernel {
            Kernel::Conv(p) => packed(plan(p, arithmetic)),
            Kernel::NormalizedConv(p) => {
                let c = plan(&p.conv, arithmetic.float32());
                if c.takes_affine() { packed(c) } else { Self::Reference }
            }
            Kernel::ConvTranspose(p) => {
                packed(Convolution::transposed(p, shape(0), shape(1), out, isa, threads, arithmetic))
            }
            Kernel::UpsampledConv(p) => {
                let slabs = Slabs::new(p, shape(0), [shape(4), shape(1)], out, isa, threads);
                match (slabs, constant(4), constant(5), constant(1), constant(2)) {
                    (Some(slabs), Some(Some(up)), None | Some(Some(_)), Some(Some(w)), None | Some(Some(_))) => {
                        let packed = slabs.pack((up, constant(5).flatten()), (w, constant(2).flatten()));
                        Self::Slabs(Box::new(slabs), packed)
                    }
                    _ => Self::Reference,
                }
            }
            Kernel::Resize(p) => Self::Resize(resize::Plan::new(p, shape(0), out)),
            Kernel::Reshape => Self::Alias,
            Kernel::MatMul { trans_a, trans_b, alpha } => {
                let p = MatMul { trans_a: *trans_a, trans_b: *trans_b, alpha: *alpha };
                // The bias is one value a column.
                let rows = shape(2).iter().rev().skip(1).all(|&size| size == 1);
                let Some(product) = Product::new(p, shape(0), shape(1), out, rows, isa) else { return Self::Reference };
                let product = product.in_arithmetic(arithmetic, isa, threads);
                let packed = constant(1).flatten().map(|b| product.pack(b));
                Self::MatMul(Box::new(product), packed)
            }
            Kernel::Attention(p) => {
                let count = |i: usize| shape(i).iter().product();
                let elements: Vec<usize> = (0..step.inputs.len()).map(count).chain([out.iter().product()]).collect();
                let biases: Vec<_> = (3..step.inputs.len()).map(|i| constant(i).flatten()).collect();
                Attention::new(p, &elements, &biases, isa).map_or(Self::Reference, |a| Self::Attention(Box::new(a)))
            }
            _ => Self::Plain,
        }
    }

    /// Whether a step is a convolution that can scale, shift and activate what it reads. A tuning plays no part: it was measured
    /// on the program that comes of this answer.
    pub fn takes_affine(
        program: &Program,
        step: &Step,
        isa: Isa,
        threads: usize,
        options: &CompileOptions<'_>,
    ) -> bool {
        let (Kernel::Conv(p), &[Some(x), Some(weight), ..]) = (&step.kernel, step.inputs.as_slice()) else {
            return false;
        };
        let arithmetic = Arithmetic::of(options, &program.value(x).name);
        let [x, weight, out] = [x, weight, step.output].map(|id| program.value(id).shape.as_slice());
        native(program, step)
            && !out.contains(&0)
            && Convolution::new(p, x, weight, out, isa, threads, arithmetic).takes_affine()
    }

    /// Whether a transposed convolution `up` and the convolution `conv` that reads it run in slabs.
    pub fn in_slabs(
        program: &Program,
        (pair, up, conv): (&UpsampledConv, &Step, &Step),
        isa: Isa,
        threads: usize,
        options: &CompileOptions<'_>,
    ) -> bool {
        let (&[Some(x), Some(weight), ..], Some(Some(filters))) = (up.inputs.as_slice(), conv.inputs.get(1)) else {
            return false;
        };
        let constant = |id: Option<ValueId>| id.is_none_or(|id| program.value(id).constant.is_some());
        let [x, weight, filters, out] = [x, weight, *filters, conv.output].map(|id| program.value(id).shape.as_slice());
        options.precision == Precision::Fast
            && [up, conv].iter().all(|s| native(program, s) && s.inputs.iter().skip(1).take(2).all(|&id| constant(id)))
            && Slabs::new(pair, x, [weight, filters], out, isa, threads).is_some()
    }

    /// Floats of scratch that all workers share.
    pub fn common_scratch(&self) -> usize {
        match self {
            Self::Slabs(s, _) => s.common(),
            _ => 0,
        }
    }

    /// Floats of scratch that each worker needs, when the output is written over the input `in_place`.
    pub fn scratch(&self, in_place: Option<usize>) -> usize {
        match self {
            Self::Convolution(c, _) => c.scratch(in_place == Some(0)),
            Self::Slabs(s, _) => s.scratch(),
            Self::Resize(p) => p.scratch(),
            Self::MatMul(p, _) => p.scratch(),
            Self::Attention(p) => p.scratch(),
            _ => 0,
        }
    }

    /// What the output may share memory with.
    pub fn sharing(&self) -> Sharing {
        match self {
            Self::Reference => Sharing::Nothing,
            Self::Convolution(c, Some(_)) if c.overwrites() => Sharing::FirstInput,
            _ => Sharing::Usual,
        }
    }

    /// Bytes of what was prepared.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Convolution(_, packed) => packed.as_ref().map_or(0, Packed::bytes),
            Self::Slabs(_, packed) => packed.bytes(),
            Self::Resize(p) => p.bytes(),
            Self::MatMul(_, packed) => packed.as_ref().map_or(0, matmul::Packed::bytes),
            Self::Attention(p) => p.bytes(),
            _ => 0,
        }
    }

    /// Whether an input was prepared, so that a run no longer reads it.
    pub fn holds(&self, input: usize) -> bool {
        match self {
            Self::Convolution(_, packed) => packed.is_some() && (input == 1 || input == 2),
            Self::Slabs(..) => [1, 2, 4, 5].contains(&input),
            Self::MatMul(_, packed) => packed.is_some() && input == 1,
            _ => false,
        }
    }

    /// Runs a step. The input that the output is written over, if any, is `None` in `inputs`, and `out` holds it; so are
    /// those that the step [holds](Self::holds).
    pub fn run(
        &self,
        context: &Context<'_>,
        kernel: &Kernel,
        inputs: &[Option<TensorView<'_>>],
        in_place: Option<usize>,
        shape: &[usize],
        out: &mut DataMut<'_>,
    ) -> Result<()> {
        let known = match self {
            Self::Convolution(c, packed) => {
                let affine = match kernel {
                    Kernel::NormalizedConv(p) => Some(channel_affine(need(inputs, 4)?, p.activation)?),
                    _ => None,
                };
                convolve(context, c, affine, packed.as_ref(), inputs, in_place, out)?
            }
            Self::Slabs(slabs, packed) => match out {
                DataMut::F32(out) => {
                    slabs.run(context, need_f32(inputs, 0)?, packed, residual(inputs, in_place), out);
                    true
                }
                _ => false,
            },
            Self::Resize(plan) => match (need(inputs, 0)?.as_f32(), out) {
                (Some(x), DataMut::F32(out)) => {
                    plan.run(context, x, out);
                    true
                }
                _ => false,
            },
            Self::MatMul(product, packed) => match out {
                DataMut::F32(out) => {
                    let b = packed.as_ref().map_or_else(|| need_f32(inputs, 1).map(Err), |packed| Ok(Ok(packed)))?;
                    product.run(context, need_f32(inputs, 0)?, b, maybe(inputs, 2), out);
                    true
                }
                _ => false,
            },
            Self::Attention(attention) => match out {
                DataMut::F32(out) => {
                    let operand = |i| need_f32(inputs, i);
                    let biases = (3..inputs.len()).map(operand).collect::<Result<Vec<_>>>()?;
                    attention.run(context, [operand(0)?, operand(1)?, operand(2)?], &biases, out);
                    true
                }
                _ => false,
            },
            Self::Means(parts) => means::run(context, *parts, need(inputs, 0)?.shape(), out),
            Self::Alias => true,
            Self::Plain => plain::run(context, kernel, inputs, shape, out)?,
            Self::Reference => {
                let operands: Vec<Option<Tensor>> = inputs.iter().map(|x| x.map(|x| x.to_tensor())).collect();
                let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
                overwrite(out, eval::step(kernel, &operands, out.dtype(), shape)?.data())
            }
        };
        if known { Ok(()) } else { Err(Error::unsupported(format!("{} of these element types", kernel.name()))) }
    }
}

/// Copies into the memory of the run.
fn overwrite(out: &mut DataMut<'_>, from: &Data) -> bool {
    macro_rules! same {
        ($($variant:ident)*) => {
            match (out, from) {
                $((DataMut::$variant(out), Data::$variant(from)) if out.len() == from.len() => out.copy_from_slice(from),)*
                _ => return false,
            }
        };
    }
    same!(F32 F64 I8 U8 I16 U16 I32 U32 I64 U64 Bool);
    true
}

/// An input that has to be there.
pub fn need<'a>(inputs: &[Option<TensorView<'a>>], i: usize) -> Result<TensorView<'a>> {
    inputs.get(i).copied().flatten().ok_or_else(|| Error::malformed(format!("input {i} is missing")))
}

/// The elements of an input that has to be float32.
pub fn need_f32<'a>(inputs: &[Option<TensorView<'a>>], i: usize) -> Result<&'a [f32]> {
    need(inputs, i)?.as_f32().ok_or_else(|| Error::malformed(format!("input {i} is not float32")))
}

/// An input that may have become the output.
pub fn maybe<'a>(inputs: &[Option<TensorView<'a>>], i: usize) -> Option<TensorView<'a>> {
    inputs.get(i).copied().flatten()
}

/// What a convolution adds to its sums.
fn residual<'a>(inputs: &[Option<TensorView<'a>>], in_place: Option<usize>) -> Residual<'a> {
    match (in_place, maybe(inputs, 3).and_then(|r| r.as_f32())) {
        (Some(3), _) => Residual::Output,
        (_, Some(r)) => Residual::Tensor(r),
        (_, None) => Residual::None,
    }
}

fn convolve(
    context: &Context<'_>,
    c: &Convolution,
    affine: Option<ChannelAffine<'_>>,
    packed: Option<&Packed>,
    inputs: &[Option<TensorView<'_>>],
    in_place: Option<usize>,
    out: &mut DataMut<'_>,
) -> Result<bool> {
    let DataMut::F32(out) = out else { return Ok(false) };
    let residual = residual(inputs, in_place);
    let source = |x| Source { x, affine };
    match packed {
        Some(packed) if in_place == Some(0) => c.run_over(context, affine, packed, residual, out),
        Some(packed) => c.run(context, source(need_f32(inputs, 0)?), packed, residual, out),
        None => {
            let packed = c.pack(need_f32(inputs, 1)?, maybe(inputs, 2).and_then(|b| b.as_f32()));
            c.run(context, source(need_f32(inputs, 0)?), &packed, residual, out);
        }
    }
    Ok(true)
}

/// Reads factors and shifts `[2, N, C]`, or factors `[1, N, C]`.
fn channel_affine(affine: TensorView<'_>, activation: Option<Activation>) -> Result<ChannelAffine<'_>> {
    let values = affine.as_f32().ok_or_else(|| Error::malformed("factors that are not float32"))?;
    let (factors, shifts) = values.split_at(affine.shape()[1..].iter().product());
    Ok(ChannelAffine { factors, shifts, activation })
}
