//! Corners of the kernels that find and place elements: not-a-numbers, narrow integers, places known beforehand.

use netra_graph::{Combine, DType, Data, Kernel, Tensor};

use super::{Case, EXACT, Operand, SUMS, tensor, x};
use crate::Rng;

fn case(name: String, kernel: Kernel, operands: &[Operand], dtype: DType, shape: &[usize]) -> Case {
    Case::with_inputs(name, kernel, operands, &mut Rng::new(9), dtype, shape, EXACT)
}

fn ints(shape: &[usize], values: &[i64]) -> Tensor {
    tensor(shape, Data::I64(values.to_vec()))
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for combine in [Combine::None, Combine::Add, Combine::Mul, Combine::Max, Combine::Min] {
        // Constant places, all different: they may be written at once.
        let apart = ints(&[4, 2], &[0, 0, 1, -1, 2, 3, -1, 1]);
        let places = [x(&[4, 5]), Operand::Weight(apart), x(&[4])];
        let name = format!("scatter-nd-apart-{combine:?}");
        cases.push(Case::single(name, Kernel::ScatterNd { combine }, &places, &[4, 5], SUMS));
        let bytes = |values: &[u8]| Operand::Input(tensor(&[values.len()], Data::U8(values.to_vec())));
        let narrow = [bytes(&[200, 100, 3]), Operand::Input(ints(&[4], &[0, 1, 0, -1])), bytes(&[100, 3, 7, 255])];
        let kernel = Kernel::ScatterElements { axis: 0, combine };
        cases.push(case(format!("scatter-uint8-{combine:?}"), kernel, &narrow, DType::U8, &[3]));
    }
    let flags = |values: &[bool]| Operand::Input(tensor(&[values.len()], Data::Bool(values.to_vec())));
    let operands = [flags(&[true, false, true]), Operand::Input(ints(&[2], &[0, 1])), flags(&[false, true])];
    let kernel = Kernel::ScatterElements { axis: 0, combine: Combine::None };
    cases.push(case("scatter-bool".into(), kernel, &operands, DType::Bool, &[3]));
    for largest in [true, false] {
        let odd = vec![0.0, -0.0, 3.0, f32::NAN, -1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY, -1.0, f32::NAN];
        let odd = Operand::Input(tensor(&[2, 5], Data::F32(odd)));
        let kernel = Kernel::TopK { axis: 1, largest };
        cases.push(case(format!("top-k-nan-{largest}"), kernel.clone(), &[odd], DType::I64, &[2, 5]));
        let whole = Operand::Input(ints(&[1, 6], &[2, -5, 2, 7, -5, 7]));
        cases.push(case(format!("top-k-int64-{largest}"), kernel, &[whole], DType::I64, &[1, 4]));
    }
    for (product, exclusive) in [(false, false), (false, true), (true, false), (true, true)] {
        let bytes = Operand::Input(tensor(&[5], Data::I8(vec![100, 90, -3, 7, 2])));
        let kernel = Kernel::Cumulative { axis: 0, product, exclusive, reverse: exclusive };
        cases.push(case(format!("cumulative-int8-{product}-{exclusive}"), kernel, &[bytes], DType::I8, &[5]));
    }
    cases
}
