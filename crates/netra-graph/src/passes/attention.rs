//! Matrix product, biases, softmax and matrix product taken together as attention, for backends that have the kernel. What
//! takes heads apart and joins them again becomes the places where operands are read and results written.

use super::compact;
use super::edit::{Editor, either_order, input};
use super::view::View;
use super::windows::distinct;
use crate::eval::strides;
use crate::{Binary, DType, DotProductAttention, Kernel, Program, Step, StridedRows, ValueId};

/// Fewest queries and keys that are worth the kernel.
const MIN_ROWS: usize = 8;

/// Puts [`Kernel::Attention`] in the place of every (scaled) `q k^T`, biases, softmax and product with `v`, and tells how
/// many there were. Not one of the passes that every program goes through: a backend asks for it when it has the kernel.
pub fn fuse_attention(program: &mut Program) -> usize {
    let fired = recognise(program);
    if fired > 0 {
        while place_results(program) > 0 {}
        compact::run(program);
    }
    fired
}

/// A bias on the way: what is added, and the shape that it is broadcast to.
type Added = (ValueId, Vec<usize>);

fn recognise(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some((kernel, inputs)) = edit.step(at).and_then(|step| attention(&edit, step)) else { continue };
        let (mut p, biases) = (kernel, &inputs[3..]);
        let mut operands: Vec<Option<ValueId>> = inputs[..3].iter().copied().map(Some).collect();
        for (rows, &bias) in p.biases.iter_mut().zip(biases) {
            let Some((table, places)) = distinct(&edit, bias, rows) else {
                operands.push(Some(bias));
                continue;
            };
            *rows = places;
            operands.push(Some(edit.add_constant(format!("bias:{at}"), table)));
        }
        edit.replace(at, Kernel::Attention(Box::new(p)), operands);
    }
    edit.finish()
}

/// The attention that ends in the product `step`, and its operands.
fn attention(edit: &Editor<'_>, step: &Step) -> Option<(DotProductAttention, Vec<ValueId>)> {
    let Kernel::MatMul { trans_a: false, trans_b, alpha: 1.0 } = step.kernel else { return None };
    let (weights, values) = (input(step, 0)?, input(step, 1)?);
    let (lead, &[queries, keys]) = edit.shape(weights).split_last_chunk()?;
    let (out_lead, &[_, value_width]) = edit.shape(step.output).split_last_chunk()?;
    if input(step, 2).is_some() || lead != out_lead || queries.min(keys) < MIN_ROWS {
        return None;
    }
    let softmax = same_rows(edit, weights)?;
    let Kernel::Softmax { axis, log: false } = softmax.kernel else { return None };
    if axis + 1 != edit.shape(softmax.output).len() {
        return None;
    }
    let mut added = Vec::new();
    let product = scores(edit, input(softmax, 0)?, &mut added)?;
    let Kernel::MatMul { trans_b: keys_in_rows, alpha, .. } = product.kernel else { return None };
    let q = View::of(edit, input(product, 0)?, true);
    let k = View::of(edit, input(product, 1)?, true);
    let v = View::of(edit, values, false);
    let product_lead = leading(edit.shape(product.output))?;
    let width = *q.shape.last()?;
    let scale = alpha * q.factor * k.factor;
    let floats = |id: ValueId| edit.dtype(id) == DType::F32;
    if !scale.is_finite() || ![q.source, k.source, v.source].into_iter().chain(added.iter().map(|a| a.0)).all(floats) {
        return None;
    }
    let bias = |(id, shape): &Added| View::whole(edit, *id).padded(shape.len()).rows(leading(shape)?, false);
    let natural = edit.shape(step.output);
    let p = DotProductAttention {
        queries,
        keys,
        width,
        value_width,
        scale,
        q: q.rows(product_lead, false)?,
        k: k.rows(product_lead, !keys_in_rows)?,
        v: v.rows(lead, trans_b)?,
        out: View::whole(edit, step.output).rows(leading(natural)?, false)?,
        biases: added.iter().map(bias).collect::<Option<_>>()?,
    };
    let mut inputs = vec![q.source, k.source, v.source];
    inputs.extend(added.iter().map(|a| a.0));
    Some((p, inputs))
}

fn leading(shape: &[usize]) -> Option<&[usize]> {
    shape.split_last_chunk::<2>().map(|(lead, _)| lead)
}

/// The step that makes the matrices of `id`, which nothing else reads; reshapes that only regroup the matrices do nothing.
fn same_rows<'e>(edit: &'e Editor<'_>, id: ValueId) -> Option<&'e Step> {
    let mut step = edit.sole_producer(id)?;
    while step.kernel == Kernel::Reshape {
        let x = input(step, 0)?;
        let [from, to] = [x, step.output].map(|id| edit.shape(id).last_chunk::<2>());
        if from != to {
            return None;
        }
        step = edit.sole_producer(x)?;
    }
    Some(step)
}

/// The product `q k^T` behind the scores `id`, which nothing else reads, and what is added to it on the way.
fn scores<'e>(edit: &'e Editor<'_>, id: ValueId, added: &mut Vec<Added>) -> Option<&'e Step> {
    let step = same_rows(edit, id)?;
    let shape = edit.shape(step.output);
    match step.kernel {
        Kernel::MatMul { trans_a: false, .. } => {
            added.extend(input(step, 2).map(|bias| (bias, shape.to_vec())));
            Some(step)
        }
        Kernel::Binary(Binary::Add) => either_order(step).into_iter().find_map(|(x, bias)| {
            let known = added.len();
            if edit.shape(x) != shape {
                return None;
            }
            added.push((bias, shape.to_vec()));
            let product = scores(edit, x, added);
            if product.is_none() {
                added.truncate(known);
            }
            product
        }),
        _ => None,
    }
}

/// Lets an attention write straight to the places that a transposition would move its result to.
fn place_results(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Some((p, inputs)) = placed(&edit, step) else { continue };
        edit.replace(at, Kernel::Attention(Box::new(p)), inputs);
    }
    edit.finish()
}

fn placed(edit: &Editor<'_>, step: &Step) -> Option<(DotProductAttention, Vec<Option<ValueId>>)> {
    let Kernel::Transpose { perm } = &step.kernel else { return None };
    let moved = input(step, 0)?;
    let mut source = edit.sole_producer(moved)?;
    while source.kernel == Kernel::Reshape {
        source = edit.sole_producer(input(source, 0)?)?;
    }
    let Kernel::Attention(p) = &source.kernel else { return None };
    // Where each axis of what is moved ends up, then the same under the shape that the attention gives.
    let mut places = View::whole(edit, moved);
    for (&axis, step) in perm.iter().zip(strides(edit.shape(step.output))) {
        places.strides[axis] = step;
    }
    let natural = edit.shape(source.output);
    let places = places.reshaped(natural)?;
    let lead = leading(natural)?;
    let untouched = View::whole(edit, source.output).rows(lead, false)?;
    if p.out != untouched {
        return None;
    }
    let out: StridedRows = places.rows(lead, false)?;
    Some((DotProductAttention { out, ..(**p).clone() }, source.inputs.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use super::fuse_attention;
    use crate::{Binary, DType, Kernel, Program, ProgramBuilder, Tensor, ValueId};

    fn product(trans_b: bool) -> Kernel {
        Kernel::MatMul { trans_a: false, trans_b, alpha: 1.0 }
    }

    /// Windows of 9 tokens with 2 heads of 3, as MONAI exports them: `masked` as for shifted windows.
    fn windows(masked: bool) -> Program {
        let (n, t, h, d) = (6, 9, 2, 3);
        let mut b = ProgramBuilder::new();
        let step = |b: &mut ProgramBuilder, kernel, inputs: &[ValueId], shape: &[usize]| {
            let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
            b.step("s", kernel, &inputs, DType::F32, shape)
        };
        let x = b.input("x", DType::F32, &[n, t, 3 * h * d]);
        let split = step(&mut b, Kernel::Reshape, &[x], &[n, t, 3, h, d]);
        let split = step(&mut b, Kernel::Transpose { perm: vec![2, 0, 3, 1, 4] }, &[split], &[3, n, h, t, d]);
        let part = |b: &mut ProgramBuilder, i: usize| {
            let slice = Kernel::Slice { starts: vec![i, 0, 0, 0, 0], steps: vec![1; 5] };
            let y = step(b, slice, &[split], &[1, n, h, t, d]);
            step(b, Kernel::Reshape, &[y], &[n, h, t, d])
        };
        let (q, k, v) = (part(&mut b, 0), part(&mut b, 1), part(&mut b, 2));
        let factor = b.constant("factor", Tensor::from_f32([], vec![0.7]).unwrap());
        let q = step(&mut b, Kernel::Binary(Binary::Mul), &[q, factor], &[n, h, t, d]);
        let k = step(&mut b, Kernel::Transpose { perm: vec![0, 1, 3, 2] }, &[k], &[n, h, d, t]);
        let bias = b.constant("bias", noise(&[h, t, t], 3));
        let mut scores = step(&mut b, product(false), &[q, k, bias], &[n, h, t, t]);
        if masked {
            // Regions of tokens: windows 0, 1, 3 and 4 are alike, and so are 2 and 5.
            let regions: Vec<f32> = (0..n * t).map(|i| if i / t % 3 == 2 { (i % t % 2) as f32 } else { 0.0 }).collect();
            let row = b.constant("row", Tensor::from_f32([n, 1, t], regions.clone()).unwrap());
            let column = b.constant("column", Tensor::from_f32([n, t, 1], regions).unwrap());
            let zero = b.constant("zero", Tensor::from_f32([], vec![0.0]).unwrap());
            let never = b.constant("never", Tensor::from_f32([], vec![-100.0]).unwrap());
            let apart = step(&mut b, Kernel::Binary(Binary::Sub), &[row, column], &[n, t, t]);
            let inputs = [Some(apart), Some(zero)];
            let equal = b.step("equal", Kernel::Binary(Binary::Equal), &inputs, DType::Bool, &[n, t, t]);
            let mask = step(&mut b, Kernel::Where, &[equal, zero, never], &[n, t, t]);
            let mask = step(&mut b, Kernel::Reshape, &[mask], &[1, n, 1, t, t]);
            scores = step(&mut b, Kernel::Reshape, &[scores], &[1, n, h, t, t]);
            scores = step(&mut b, Kernel::Binary(Binary::Add), &[scores, mask], &[1, n, h, t, t]);
            scores = step(&mut b, Kernel::Reshape, &[scores], &[n, h, t, t]);
        }
        let weights = step(&mut b, Kernel::Softmax { axis: 3, log: false }, &[scores], &[n, h, t, t]);
        let y = step(&mut b, product(false), &[weights, v], &[n, h, t, d]);
        let y = step(&mut b, Kernel::Transpose { perm: vec![0, 2, 1, 3] }, &[y], &[n, t, h, d]);
        let y = step(&mut b, Kernel::Reshape, &[y], &[n, t, h * d]);
        b.finish(vec![y])
    }

    #[test]
    fn window_attention_becomes_one_step_that_reads_where_its_operands_lie() {
        let mut program = windows(false);
        let before = program.clone();
        assert_eq!(fuse_attention(&mut program), 1);
        assert_eq!(kernels(&program), ["Attention", "Reshape"]);
        assert_same(&before, &program);
    }

    #[test]
    fn masks_of_shifted_windows_are_kept_once_each() {
        let mut program = windows(true);
        let before = program.clone();
        assert_eq!(fuse_attention(&mut program), 1);
        assert_eq!(kernels(&program), ["Attention", "Reshape"]);
        // Two masks, and the bias of two heads.
        let tables = program.values.iter().filter(|v| v.constant.is_some() && v.shape == [2, 9, 9]);
        assert_eq!(tables.count(), 2);
        assert_same(&before, &program);
    }

    #[test]
    fn scores_that_somebody_else_reads_stay() {
        let mut program = windows(false);
        let scores = program.steps.iter().find(|s| s.kernel.name() == "Softmax").unwrap().output;
        program.outputs.push(scores);
        assert_eq!(fuse_attention(&mut program), 0);
    }
}
