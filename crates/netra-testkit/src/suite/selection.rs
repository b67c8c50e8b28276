//! Elements at computed places: gathering, scattering, order along an axis.

use netra_graph::{Combine, DType, Data, Kernel, Tensor};

use super::{Case, EXACT, Operand, SUMS, tensor, x};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = gathers();
    cases.extend(scatters());
    cases.extend(orders());
    cases
}

fn ints(shape: &[usize], values: &[i64]) -> Tensor {
    tensor(shape, Data::I64(values.to_vec()))
}

/// Indices in `-size..size`.
fn indices(shape: &[usize], size: usize) -> Operand {
    let mut rng = Rng::new(size as u64 + 17);
    let count = shape.iter().product::<usize>();
    let values: Vec<i64> = (0..count).map(|_| rng.below(2 * size) as i64 - size as i64).collect();
    Operand::Input(ints(shape, &values))
}

fn case(name: String, kernel: Kernel, operands: &[Operand], dtype: DType, shape: &[usize], tolerance: f64) -> Case {
    Case::with_inputs(name, kernel, operands, &mut Rng::new(9), dtype, shape, tolerance)
}

fn gathers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, shape, at) in [
        (0, vec![5, 3, 4], vec![2, 3, 4]),
        (1, vec![5, 3, 4], vec![4, 6, 2]),
        (2, vec![2, 3, 7], vec![2, 1, 9]),
        (0, vec![6], vec![3]),
    ] {
        let operands = [x(&shape), indices(&at, shape[axis])];
        let kernel = Kernel::GatherElements { axis };
        cases.push(Case::single(format!("gather-elements-{axis}-{shape:?}"), kernel, &operands, &at, EXACT));
    }
    let pairs = || Operand::Input(ints(&[3, 2], &[0, 1, -1, 2, 1, -4]));
    let whole = [x(&[2, 4]), pairs()];
    cases.push(Case::single("gather-nd-whole", Kernel::GatherNd { batch_dims: 0 }, &whole, &[3], EXACT));
    let rows = [x(&[2, 4, 5]), pairs()];
    cases.push(Case::single("gather-nd-rows", Kernel::GatherNd { batch_dims: 0 }, &rows, &[3, 5], EXACT));
    let batched = [x(&[2, 4, 5]), indices(&[2, 3, 1], 4)];
    cases.push(Case::single("gather-nd-batched", Kernel::GatherNd { batch_dims: 1 }, &batched, &[2, 3, 5], EXACT));
    let deep = [x(&[2, 3, 4, 4]), indices(&[2, 3, 2], 4)];
    cases.push(Case::single("gather-nd-deep", Kernel::GatherNd { batch_dims: 2 }, &deep, &[2, 3], EXACT));
    cases
}

const COMBINES: [Combine; 5] = [Combine::None, Combine::Add, Combine::Mul, Combine::Max, Combine::Min];

fn scatters() -> Vec<Case> {
    let mut cases = Vec::new();
    for combine in COMBINES {
        for (axis, shape, at) in
            [(0, vec![5, 3, 4], vec![7, 2, 4]), (1, vec![2, 6], vec![2, 9]), (2, vec![2, 3, 5], vec![1, 3, 4])]
        {
            let operands = [x(&shape), indices(&at, shape[axis]), x(&at)];
            let kernel = Kernel::ScatterElements { axis, combine };
            let name = format!("scatter-elements-{combine:?}-{axis}");
            cases.push(Case::single(name, kernel, &operands, &shape, SUMS));
        }
        let rows = [x(&[6, 3]), indices(&[9, 1], 6), x(&[9, 3])];
        cases.push(Case::single(
            format!("scatter-nd-{combine:?}"),
            Kernel::ScatterNd { combine },
            &rows,
            &[6, 3],
            SUMS,
        ));
        // Constant places, all different: they may be written at once.
        let apart = ints(&[4, 2], &[0, 0, 1, -1, 2, 3, -1, 1]);
        let places = [x(&[4, 5]), Operand::Weight(apart), x(&[4])];
        let name = format!("scatter-nd-{combine:?}-apart");
        cases.push(Case::single(name, Kernel::ScatterNd { combine }, &places, &[4, 5], SUMS));
        let bytes = |values: &[u8]| Operand::Input(tensor(&[values.len()], Data::U8(values.to_vec())));
        let narrow = [bytes(&[200, 100, 3]), Operand::Input(ints(&[4], &[0, 1, 0, -1])), bytes(&[100, 3, 7, 255])];
        let kernel = Kernel::ScatterElements { axis: 0, combine };
        cases.push(case(format!("scatter-elements-{combine:?}-uint8"), kernel, &narrow, DType::U8, &[3], EXACT));
    }
    let flags = |values: &[bool]| Operand::Input(tensor(&[values.len()], Data::Bool(values.to_vec())));
    let operands = [flags(&[true, false, true]), Operand::Input(ints(&[2], &[0, 1])), flags(&[false, true])];
    let kernel = Kernel::ScatterElements { axis: 0, combine: Combine::None };
    cases.push(case("scatter-elements-bool".into(), kernel, &operands, DType::Bool, &[3], EXACT));
    cases
}

fn orders() -> Vec<Case> {
    let mut cases = Vec::new();
    let odd = || {
        let values = vec![0.0, -0.0, 3.0, f32::NAN, -1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY, -1.0, f32::NAN];
        Operand::Input(tensor(&[2, 5], Data::F32(values)))
    };
    for largest in [true, false] {
        for (axis, shape, k) in [(0, vec![9, 4], 3), (1, vec![2, 17, 3], 17), (2, vec![2, 3, 40], 5)] {
            let mut out = shape.clone();
            out[axis] = k;
            let kernel = Kernel::TopK { axis, largest };
            cases.push(case(format!("top-k-{axis}-{largest}"), kernel, &[x(&shape)], DType::I64, &out, EXACT));
        }
        let kernel = Kernel::TopK { axis: 1, largest };
        cases.push(case(format!("top-k-odd-{largest}"), kernel.clone(), &[odd()], DType::I64, &[2, 5], EXACT));
        let ties = Operand::Input(ints(&[1, 6], &[2, -5, 2, 7, -5, 7]));
        cases.push(case(format!("top-k-int64-{largest}"), kernel, &[ties], DType::I64, &[1, 4], EXACT));
    }
    for (product, exclusive, reverse) in
        [(false, false, false), (false, true, false), (false, true, true), (true, false, true), (true, true, false)]
    {
        for axis in 0..3 {
            let kernel = Kernel::Cumulative { axis, product, exclusive, reverse };
            let name = format!("cumulative-{axis}-{product}-{exclusive}-{reverse}");
            cases.push(Case::single(name, kernel, &[x(&[3, 7, 5])], &[3, 7, 5], SUMS));
        }
        let bytes = Operand::Input(tensor(&[5], Data::I8(vec![100, 90, -3, 7, 2])));
        let kernel = Kernel::Cumulative { axis: 0, product, exclusive, reverse };
        let name = format!("cumulative-int8-{product}-{exclusive}-{reverse}");
        cases.push(case(name, kernel, &[bytes], DType::I8, &[5], EXACT));
    }
    cases
}
