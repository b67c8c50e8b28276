//! Kernels that find, place and order elements: gathering and scattering by index tensors, best elements, running sums.

use netra_graph::{Combine, DType, Data, FloatFormat, Kernel, NarrowFloat, NonMaxSuppression, Tensor, Unary};

use super::{Case, EXACT, Operand, SUMS, tensor, x};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = gathers();
    cases.extend(scatters());
    cases.extend(orders());
    cases.extend(sized_by_data());
    cases.extend(bits());
    cases
}

/// Seeded indices from `-size` to `size - 1`.
fn indices(shape: &[usize], size: usize, seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let list = (0..shape.iter().product()).map(|_| rng.below(2 * size) as i64 - size as i64);
    tensor(shape, Data::I64(list.collect()))
}

/// All of `0..size` in a seeded order, negative ones among them: places that do not meet.
fn places(shape: &[usize], size: usize, seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let mut list: Vec<i64> = (0..size as i64).collect();
    (1..size).for_each(|i| list.swap(i, rng.below(i + 1)));
    list.truncate(shape.iter().product());
    list.iter_mut().step_by(3).for_each(|i| *i -= size as i64);
    tensor(shape, Data::I64(list))
}

fn gathers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, out) in [(0, [4, 4, 6]), (1, [3, 7, 6]), (2, [3, 4, 2])] {
        let size = [3, 4, 6][axis];
        for (kind, at) in [("input", false), ("weight", true)] {
            let at = match indices(&out, size, axis as u64) {
                list if at => Operand::Weight(list),
                list => Operand::Input(list),
            };
            let operands = [x(&[3, 4, 6]), at];
            let kernel = Kernel::GatherElements { axis };
            cases.push(Case::single(format!("gather-elements-{axis}-{kind}"), kernel, &operands, &out, EXACT));
        }
    }
    // The shapes of data, indices and result, and the number of batch axes.
    let tuples: [([&[usize]; 3], usize); 4] = [
        ([&[3, 3, 3], &[5, 3], &[5]], 0),
        ([&[3, 3, 4], &[2, 2, 2], &[2, 2, 4]], 0),
        ([&[2, 5, 3], &[2, 4, 1], &[2, 4, 3]], 1),
        ([&[2, 3, 4, 2], &[2, 3, 2, 1], &[2, 3, 2, 2]], 2),
    ];
    for (i, ([data, at, out], batch_dims)) in tuples.into_iter().enumerate() {
        let size = data[batch_dims..batch_dims + at[at.len() - 1]].iter().copied().min().unwrap_or(1);
        let operands = [x(data), Operand::Input(indices(at, size, 7))];
        cases.push(Case::single(format!("gather-nd-{i}"), Kernel::GatherNd { batch_dims }, &operands, out, EXACT));
    }
    cases
}

fn scatters() -> Vec<Case> {
    let mut cases = Vec::new();
    let combines = [Combine::None, Combine::Add, Combine::Mul, Combine::Max, Combine::Min];
    for combine in combines {
        let tolerance = if matches!(combine, Combine::Add | Combine::Mul) { SUMS } else { EXACT };
        for axis in 0..2 {
            // Updates that replace must not meet, since the last of them counts; the others may.
            let at = match (combine, axis) {
                (Combine::None, 0) => places(&[5, 1], 5, 2),
                (Combine::None, _) => places(&[1, 6], 7, 3),
                (_, 0) => indices(&[9, 4], 5, 4),
                (_, _) => indices(&[3, 12], 7, 5),
            };
            let updates = at.shape().to_vec();
            let operands = [x(&[5, 7]), Operand::Input(at), x(&updates)];
            let kernel = Kernel::ScatterElements { axis, combine };
            let name = format!("scatter-elements-{axis}-{combine:?}");
            cases.push(Case::single(name, kernel, &operands, &[5, 7], tolerance));
        }
        let at = if combine == Combine::None { places(&[4, 1], 6, 6) } else { indices(&[4, 1], 6, 6) };
        let operands = [x(&[6, 5]), Operand::Input(at), x(&[4, 5])];
        let name = format!("scatter-nd-rows-{combine:?}");
        cases.push(Case::single(name, Kernel::ScatterNd { combine }, &operands, &[6, 5], tolerance));
        let at = tensor(&[3, 2], Data::I64(vec![0, 1, 2, -1, -3, 0]));
        let operands = [x(&[3, 4]), Operand::Input(at), x(&[3])];
        let name = format!("scatter-nd-elements-{combine:?}");
        cases.push(Case::single(name, Kernel::ScatterNd { combine }, &operands, &[3, 4], tolerance));
    }
    let meeting = tensor(&[4], Data::I64(vec![2, 2, 0, 2]));
    for combine in combines {
        let data = Operand::Input(tensor(&[3], Data::I64(vec![5, -6, 7])));
        let updates = Operand::Input(tensor(&[4], Data::I64(vec![3, -8, 2, 4])));
        let operands = [data, Operand::Input(meeting.clone()), updates];
        let kernel = Kernel::ScatterElements { axis: 0, combine };
        let name = format!("scatter-int64-{combine:?}");
        cases.push(Case::with_inputs(name, kernel, &operands, &mut Rng::new(1), DType::I64, &[3], EXACT));
    }
    cases
}

fn orders() -> Vec<Case> {
    let mut cases = Vec::new();
    let ties = tensor(&[2, 6], Data::F32(vec![1.0, 3.0, 3.0, -2.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 5.0, -5.0]));
    for largest in [true, false] {
        for (axis, k) in [(0, 4), (1, 3), (2, 11)] {
            let mut shape = [4, 9, 11];
            shape[axis] = k;
            let name = format!("top-{k}-of-axis-{axis}-{largest}");
            cases.push(indexing(name, Kernel::TopK { axis, largest }, x(&[4, 9, 11]), &shape));
        }
        let kernel = Kernel::TopK { axis: 1, largest };
        cases.push(indexing(format!("top-of-equals-{largest}"), kernel, Operand::Input(ties.clone()), &[2, 5]));
    }
    for (axis, product) in [(0, false), (1, false), (2, false), (1, true)] {
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            let kernel = Kernel::Cumulative { axis, product, exclusive, reverse };
            let name = format!("cumulative-{axis}-{product}-{exclusive}-{reverse}");
            cases.push(Case::single(name, kernel, &[x(&[3, 17, 5])], &[3, 17, 5], SUMS));
        }
    }
    let integers = Operand::Input(tensor(&[5], Data::I32(vec![3, -1, 4, -1, 5])));
    let kernel = Kernel::Cumulative { axis: 0, product: false, exclusive: false, reverse: true };
    let name = "cumulative-int32".to_owned();
    cases.push(Case::with_inputs(name, kernel, &[integers], &mut Rng::new(1), DType::I32, &[5], EXACT));
    cases
}

/// Results that end at their padding.
fn sized_by_data() -> Vec<Case> {
    let mut rng = Rng::new(8);
    let corners = (0..2 * 12).flat_map(|_| {
        let (y, x) = (rng.unit(), rng.unit());
        [y, x, y + 0.6, x + 0.5]
    });
    let boxes = tensor(&[2, 12, 4], Data::F32(corners.collect()));
    let kernel = |center_point_box, score_threshold| {
        Kernel::NonMaxSuppression(NonMaxSuppression {
            center_point_box,
            max_boxes: 5,
            iou_threshold: 0.3,
            score_threshold,
        })
    };
    let mut cases = Vec::new();
    for (center, threshold) in [(false, None), (false, Some(0.1)), (true, Some(2.0))] {
        let operands = [Operand::Input(boxes.clone()), x(&[2, 3, 12])];
        let name = format!("non-max-suppression-{center}-{threshold:?}");
        let mut rng = Rng::new(6);
        cases.push(Case::with_inputs(
            name,
            kernel(center, threshold),
            &operands,
            &mut rng,
            DType::I64,
            &[30, 3],
            EXACT,
        ));
    }
    let some = tensor(&[2, 3], Data::F32(vec![0.0, 1.0, -0.0, f32::NAN, 0.0, 2.0]));
    cases.push(indexing("non-zero".into(), Kernel::NonZero, Operand::Input(some), &[2, 6]));
    let none = tensor(&[4], Data::Bool(vec![false; 4]));
    cases.push(indexing("non-zero-none".into(), Kernel::NonZero, Operand::Input(none), &[1, 4]));
    cases
}

/// Bits as they are, and rounding to fewer of them.
fn bits() -> Vec<Case> {
    let floats = || Operand::Input(tensor(&[5], Data::F32(vec![0.0, -0.0, 1.0, -3.5, 1e30])));
    let to = DType::I32;
    let name = "bit-cast-float32-int32".to_owned();
    let mut cases =
        vec![Case::with_inputs(name, Kernel::BitCast { to }, &[floats()], &mut Rng::new(1), to, &[5], EXACT)];
    let formats = [
        FloatFormat::E4M3Fn,
        FloatFormat::E4M3FnUz,
        FloatFormat::E5M2,
        FloatFormat::E5M2FnUz,
        FloatFormat::E2M1,
        FloatFormat::E8M0,
    ];
    for format in formats {
        let values = (-40..=40).map(|i| (i as f32 / 4.0).exp2() * if i % 2 == 0 { 1.1 } else { 1.37 });
        let operand = Operand::Input(tensor(&[81], Data::F32(values.collect())));
        let kernel = Kernel::Unary(Unary::Narrow(NarrowFloat::nearest(format)));
        cases.push(Case::single(format!("narrow-{format:?}"), kernel, &[operand], &[81], EXACT));
    }
    cases
}

fn indexing(name: String, kernel: Kernel, input: Operand, shape: &[usize]) -> Case {
    Case::with_inputs(name, kernel, &[input], &mut Rng::new(5), DType::I64, shape, EXACT)
}
