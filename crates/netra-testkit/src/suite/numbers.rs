//! Trigonometry near the ends of its domains, infinities, and arithmetic on every integer type.

use netra_graph::{Binary, DType, Data, Kernel, Reduction, Tensor, Unary};

use super::{Case, EXACT, FUNCTIONS, Operand, tensor};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = functions();
    cases.extend(corners());
    cases.extend(integers());
    cases.extend(reductions());
    cases.extend(casts());
    cases
}

fn floats(values: Vec<f32>) -> Tensor {
    tensor(&[values.len()], Data::F32(values))
}

/// One kernel over inputs of one length.
fn case(name: String, kernel: Kernel, inputs: Vec<Tensor>, dtype: DType, tolerance: f64) -> Case {
    let n = inputs.iter().map(|t| t.data().len()).max().unwrap_or(0);
    let operands: Vec<Operand> = inputs.into_iter().map(Operand::Input).collect();
    Case::with_inputs(name, kernel, &operands, &mut Rng::new(1), dtype, &[n], tolerance)
}

/// 600 even steps from `low` to `high` and both ends, with tiny values where they lie between.
fn span(low: f32, high: f32) -> Tensor {
    let mut values: Vec<f32> = (0..=600).map(|i| low + (high - low) * i as f32 / 600.0).collect();
    values.extend([0.0, -0.0, 1e-7, -1e-7, 1e-3, -1e-3].into_iter().filter(|v| (low..=high).contains(v)));
    floats(values)
}

fn functions() -> Vec<Case> {
    use Unary as U;
    let spans = [
        (U::Sin, -300.0, 300.0),
        (U::Cos, -300.0, 300.0),
        (U::Tan, -1.5, 1.5),
        (U::Asin, -1.0, 1.0),
        (U::Acos, -1.0, 1.0),
        (U::Atan, -20.0, 20.0),
        (U::Sinh, -3.0, 3.0),
        (U::Cosh, -3.0, 3.0),
        (U::Asinh, -1000.0, 1000.0),
        (U::Acosh, 1.0, 1000.0),
        (U::Atanh, -0.999, 0.999),
        (U::Tanh, -20.0, 20.0),
        (U::Tanh, -1e-3, 1e-3),
        (U::Sinh, -1e-3, 1e-3),
        (U::Asinh, -1e-3, 1e-3),
        (U::Atanh, -1e-3, 1e-3),
        (U::Erf, -1e-3, 1e-3),
    ];
    let one = |(op, low, high): (Unary, f32, f32)| {
        case(format!("span-{op:?}-{high}"), Kernel::Unary(op), vec![span(low, high)], DType::F32, FUNCTIONS)
    };
    spans.into_iter().map(one).collect()
}

/// Infinities, not-a-numbers and arguments without a value.
fn corners() -> Vec<Case> {
    use Binary as B;
    use Unary as U;
    const INF: f32 = f32::INFINITY;
    let odd = || floats(vec![0.0, 1.0, -1.0, 2.0, -2.0, INF, -INF, f32::NAN]);
    let mut cases = Vec::new();
    let functions = [
        U::Sin,
        U::Cos,
        U::Tan,
        U::Asin,
        U::Acos,
        U::Atan,
        U::Sinh,
        U::Cosh,
        U::Asinh,
        U::Acosh,
        U::Atanh,
        U::Tanh,
        U::Erf,
        U::Exp,
        U::Log,
        U::Sqrt,
        U::Reciprocal,
        U::Sign,
        U::Round,
    ];
    for op in functions {
        cases.push(case(format!("corner-{op:?}"), Kernel::Unary(op), vec![odd()], DType::F32, FUNCTIONS));
    }
    for (negative, positive) in [(true, true), (true, false), (false, true), (false, false)] {
        let kernel = Kernel::Unary(U::IsInf { negative, positive });
        cases.push(case(format!("is-inf-{negative}-{positive}"), kernel, vec![odd()], DType::Bool, EXACT));
    }
    let pairs: Vec<(f32, f32)> = [-INF, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, INF, f32::NAN]
        .into_iter()
        .flat_map(|a| [-INF, -2.0, -1.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, INF].map(|b| (a, b)))
        .collect();
    for op in [B::Pow, B::Min, B::Max, B::Fmod, B::Mod] {
        let (a, b) = pairs.iter().copied().unzip();
        let kernel = Kernel::Binary(op);
        cases.push(case(format!("corner-{op:?}"), kernel, vec![floats(a), floats(b)], DType::F32, FUNCTIONS));
    }
    // Quotients that round to a whole number.
    for op in [B::Fmod, B::Mod] {
        let a = vec![6.3, -6.3, 6.3, -6.3, 0.9, 5.5, -5.5, 1e6, -1e6, 7.0, -7.0];
        let b = vec![2.1, 2.1, -2.1, -2.1, 0.3, 2.0, 2.0, 0.7, 0.7, -3.0, -3.0];
        let kernel = Kernel::Binary(op);
        cases.push(case(format!("quotient-{op:?}"), kernel, vec![floats(a), floats(b)], DType::F32, FUNCTIONS));
    }
    cases
}

/// A tensor of an integer type; the values must fit.
fn whole(dtype: DType, values: &[i64]) -> Tensor {
    macro_rules! of {
        ($variant:ident, $t:ty) => {
            Data::$variant(values.iter().map(|&v| v as $t).collect())
        };
    }
    let data = match dtype {
        DType::I8 => of!(I8, i8),
        DType::U8 => of!(U8, u8),
        DType::I16 => of!(I16, i16),
        DType::U16 => of!(U16, u16),
        DType::I32 => of!(I32, i32),
        DType::U32 => of!(U32, u32),
        DType::U64 => of!(U64, u64),
        _ => of!(I64, i64),
    };
    tensor(&[values.len()], data)
}

const SIGNED: [DType; 4] = [DType::I8, DType::I16, DType::I32, DType::I64];
const UNSIGNED: [DType; 4] = [DType::U8, DType::U16, DType::U32, DType::U64];

/// Values near the ends of a type, as far as 31 bits go.
fn ends(dtype: DType) -> Vec<i64> {
    match dtype {
        DType::I8 => vec![-128, -100, -7, -1, 0, 1, 7, 100, 127],
        DType::U8 => vec![0, 1, 7, 100, 127, 128, 200, 254, 255],
        DType::I16 => vec![-32768, -300, -7, -1, 0, 1, 7, 300, 32767],
        DType::U16 => vec![0, 1, 7, 300, 32767, 32768, 60000, 65534, 65535],
        dtype if SIGNED.contains(&dtype) => vec![-30000, -300, -7, -1, 0, 1, 7, 300, 30000],
        _ => vec![0, 1, 7, 300, 30000, 40000, 3, 2, 9],
    }
}

fn integers() -> Vec<Case> {
    use Binary as B;
    let mut cases = Vec::new();
    for dtype in SIGNED.into_iter().chain(UNSIGNED) {
        let a = || whole(dtype, &ends(dtype));
        let b = |values: [i64; 3]| whole(dtype, &values.repeat(3));
        let mut binary = |op: Binary, b: Tensor, output: DType| {
            cases.push(case(format!("{op:?}-{dtype}"), Kernel::Binary(op), vec![a(), b], output, EXACT));
        };
        for op in [B::Add, B::Sub, B::Mul, B::Div, B::Mod, B::Fmod, B::Min, B::Max] {
            binary(op, b([3, 7, 100]), dtype);
        }
        binary(B::Pow, b([0, 2, 1]), dtype);
        for op in [B::BitwiseAnd, B::BitwiseOr, B::BitwiseXor] {
            binary(op, b([3, 7, 100]), dtype);
        }
        for op in [B::Equal, B::Less, B::LessOrEqual, B::Greater, B::GreaterOrEqual] {
            binary(op, b([7, 100, 1]), DType::Bool);
        }
        if UNSIGNED.contains(&dtype) {
            binary(B::ShiftLeft, b([0, 3, 8]), dtype);
            binary(B::ShiftRight, b([0, 3, 40]), dtype);
        }
        for op in [Unary::Abs, Unary::Neg, Unary::Sign, Unary::BitwiseNot] {
            cases.push(case(format!("{op:?}-{dtype}"), Kernel::Unary(op), vec![a()], dtype, EXACT));
        }
    }
    cases
}

fn reductions() -> Vec<Case> {
    use Reduction::{L1, L2, Max, Mean, Min, Prod, Sum, SumSquare};
    let mut cases = Vec::new();
    let mut reduce = |reduction: Reduction, x: Tensor| {
        let (name, dtype) = (format!("reduce-{reduction:?}-{}-{}", x.dtype(), cases.len()), x.dtype());
        let kernel = Kernel::Reduce { reduction, axes: vec![0] };
        cases.push(Case::with_inputs(name, kernel, &[Operand::Input(x)], &mut Rng::new(1), dtype, &[1], EXACT));
    };
    for dtype in SIGNED.into_iter().chain(UNSIGNED) {
        for reduction in [Sum, Mean, Max, Min, Prod, SumSquare, L1, L2] {
            let values = match reduction {
                Prod => vec![3, 5, 7, 2],
                // Longer than what one thread folds.
                Sum | Mean => (1..60).collect(),
                _ => vec![1, 7, 100, 90],
            };
            reduce(reduction, whole(dtype, &values));
        }
    }
    for values in [[true, false, true], [false; 3], [true; 3]] {
        for reduction in [Max, Min] {
            reduce(reduction, tensor(&[3], Data::Bool(values.to_vec())));
        }
    }
    cases
}

fn casts() -> Vec<Case> {
    let all = [SIGNED, UNSIGNED].concat();
    let mut cases = Vec::new();
    for &to in all.iter().chain(&[DType::Bool, DType::F32]) {
        for &from in &all {
            let kernel = Kernel::Cast { to };
            cases.push(case(format!("cast-whole-{from}-{to}"), kernel, vec![whole(from, &ends(from))], to, EXACT));
        }
        // What fits in 64 bits, of which the low ones stay; of 64 bits themselves 32 are kept on some devices.
        let mut values = vec![-0.9, 0.9, 127.5, 128.0, 255.0, 300.7, -1.0, -129.0, 65_536.0, 1e6, -1e6];
        if !matches!(to, DType::I64 | DType::U64) {
            values.extend([3e9, -3e9, 1e12, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        }
        cases.push(case(format!("cast-ends-{to}"), Kernel::Cast { to }, vec![floats(values)], to, EXACT));
    }
    cases
}
