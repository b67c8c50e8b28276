//! Functions of single elements: all of them over a wide range of values, binary ones over broadcast shapes.

use netra_graph::{Activation, Binary, DType, Data, Kernel, Unary};

use super::{Case, EXACT, FUNCTIONS, Operand, tensor, x};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = unary();
    cases.extend(binary());
    cases.extend(casts());
    cases
}

/// Values from tiny to large, zeros of both signs included.
fn wide(low: f32, high: f32) -> Operand {
    let mut rng = Rng::new(11);
    let mut values: Vec<f32> = (0..997).map(|_| low + (rng.unit() + 1.0) / 2.0 * (high - low)).collect();
    values.extend([0.0, -0.0, 1e-8, 0.5, 1.5, 2.5, -0.5, 1.0, -1.0].iter().map(|v: &f32| v.clamp(low, high)));
    Operand::Input(tensor(&[2, values.len() / 2], Data::F32(values)))
}

fn unary() -> Vec<Case> {
    use Unary as U;
    let smooth = [
        U::Activation(Activation::Relu),
        U::Activation(Activation::LeakyRelu(0.2)),
        U::Activation(Activation::Elu(0.7)),
        U::Activation(Activation::Sigmoid),
        U::Activation(Activation::Silu),
        U::Activation(Activation::HardSwish),
        U::Activation(Activation::Clip(-1.0, 6.0)),
        U::Abs,
        U::Neg,
        U::Floor,
        U::Ceil,
        U::Round,
        U::Sign,
        U::Erf,
        U::Tanh,
        U::Sin,
        U::Cos,
        U::Softplus,
        U::Softsign,
        U::HardSigmoid(0.2, 0.5),
        U::Selu(1.673_263_2, 1.050_701),
        U::Mish,
        U::Gelu,
        U::GeluTanh,
    ];
    let mut cases: Vec<Case> = smooth.into_iter().map(|op| one(op, wide(-12.0, 12.0))).collect();
    cases.push(one(U::Exp, wide(-20.0, 4.0)));
    cases.push(one(U::Log, wide(1e-4, 50.0)));
    cases.push(one(U::Sqrt, wide(0.0, 50.0)));
    cases.push(one(U::Reciprocal, wide(0.1, 50.0)));
    let flags = tensor(&[5], Data::Bool(vec![true, false, false, true, true]));
    cases.push(to_bool("unary-Not", Kernel::Unary(U::Not), vec![Operand::Input(flags)], &[5]));
    let nan = tensor(&[4], Data::F32(vec![0.0, f32::NAN, f32::INFINITY, -1.0]));
    cases.push(to_bool("unary-IsNaN", Kernel::Unary(U::IsNaN), vec![Operand::Input(nan)], &[4]));
    cases
}

fn one(op: Unary, input: Operand) -> Case {
    let shape = match &input {
        Operand::Input(t) => t.shape().to_vec(),
        _ => Vec::new(),
    };
    Case::single(format!("unary-{op:?}"), Kernel::Unary(op), &[input], &shape, FUNCTIONS)
}

fn to_bool(name: &str, kernel: Kernel, operands: Vec<Operand>, shape: &[usize]) -> Case {
    Case::with_inputs(name.into(), kernel, &operands, &mut Rng::new(3), DType::Bool, shape, EXACT)
}

fn binary() -> Vec<Case> {
    use Binary as B;
    let shapes: [(&[usize], &[usize], &[usize]); 6] = [
        (&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]),
        (&[2, 3, 4, 5], &[3, 1, 1], &[2, 3, 4, 5]),
        (&[1, 3, 1], &[2, 1, 4], &[2, 3, 4]),
        (&[3, 4], &[], &[3, 4]),
        (&[], &[1], &[1]),
        (&[0, 4], &[4], &[0, 4]),
    ];
    let mut cases = Vec::new();
    for (i, (a, b, out)) in shapes.into_iter().enumerate() {
        for op in [B::Add, B::Sub, B::Mul, B::Div, B::Min, B::Max, B::PRelu] {
            let name = format!("binary-{op:?}-{i}");
            cases.push(Case::single(name, Kernel::Binary(op), &[x(a), x(b)], out, FUNCTIONS));
        }
        for op in [B::Equal, B::Less, B::LessOrEqual, B::Greater, B::GreaterOrEqual] {
            cases.push(to_bool(&format!("binary-{op:?}-{i}"), Kernel::Binary(op), vec![x(a), x(b)], out));
        }
    }
    let base = tensor(&[6], Data::F32(vec![0.0, 0.5, 1.0, 2.0, 3.5, 9.0]));
    for exponent in [2.0, 0.5, 3.0, -1.5, 0.0] {
        let power = Operand::Weight(tensor(&[], Data::F32(vec![exponent])));
        // 0 to a negative power is infinite: keep the base positive there.
        let base = if exponent < 0.0 { tensor(&[3], Data::F32(vec![0.5, 1.0, 4.0])) } else { base.clone() };
        let shape = base.shape().to_vec();
        let operands = [Operand::Input(base), power];
        cases.push(Case::single(
            format!("binary-Pow-{exponent}"),
            Kernel::Binary(B::Pow),
            &operands,
            &shape,
            FUNCTIONS,
        ));
    }
    let integers = |v: &[i64]| Operand::Input(tensor(&[v.len()], Data::I64(v.to_vec())));
    for op in [B::Add, B::Sub, B::Mul, B::Div, B::Mod, B::Fmod, B::Min, B::Max] {
        let operands = [integers(&[7, -7, 7, -7, 0]), integers(&[2, 2, -2, -2, 5])];
        let kernel = Kernel::Binary(op);
        let name = format!("binary-{op:?}-int64");
        cases.push(Case::with_inputs(name, kernel, &operands, &mut Rng::new(1), DType::I64, &[5], EXACT));
    }
    for op in [B::And, B::Or, B::Xor] {
        let flags = |v: [bool; 4]| Operand::Input(tensor(&[4], Data::Bool(v.to_vec())));
        let operands = vec![flags([true, true, false, false]), flags([true, false, true, false])];
        cases.push(to_bool(&format!("binary-{op:?}"), Kernel::Binary(op), operands, &[4]));
    }
    cases
}

fn casts() -> Vec<Case> {
    let floats = || Operand::Input(tensor(&[7], Data::F32(vec![-2.7, -0.5, 0.0, 0.4, 1.0, 99.9, 127.0])));
    let cast = |name: &str, operand, to, n: usize| {
        let kernel = Kernel::Cast { to };
        Case::with_inputs(format!("cast-{name}-{to}"), kernel, &[operand], &mut Rng::new(1), to, &[n], EXACT)
    };
    let mut cases: Vec<Case> = [DType::I64, DType::I32, DType::Bool, DType::F32]
        .into_iter()
        .map(|to| cast("float", floats(), to, 7))
        .collect();
    let integers = || Operand::Input(tensor(&[3], Data::I64(vec![-3, 0, 40_000])));
    cases.extend([DType::F32, DType::I32, DType::Bool].into_iter().map(|to| cast("int64", integers(), to, 3)));
    let flags = Operand::Input(tensor(&[2], Data::Bool(vec![true, false])));
    cases.push(cast("bool", flags, DType::F32, 2));
    cases
}
