//! One suite for every backend: a case for each kernel and its corners, and seeded random programs, all compared with the
//! reference evaluator.

mod attention;
mod convolution;
mod corners;
mod elementwise;
mod movement;
mod neural;
mod normalisation;
mod numbers;
mod random;
mod selection;

use std::fmt;
use std::sync::Arc;

use netra_graph::{
    Backend, CompileOptions, DType, Data, Kernel, Precision, Program, ProgramBuilder, Tensor, TensorView, eval,
};

use crate::Rng;
use crate::golden::compare;

/// One program with inputs, and how far a backend may be from the oracle.
pub struct Case {
    /// What it tests; unique.
    pub name: String,
    /// The program.
    pub program: Program,
    /// Its inputs.
    pub inputs: Vec<Tensor>,
    /// Largest absolute difference as a share of the output's range; 0 asks for equality.
    pub tolerance: f64,
}

/// Accumulated products.
const SUMS: f64 = 2e-6;
/// Exponentials, divisions and what is made of them.
const FUNCTIONS: f64 = 4e-6;
/// Elements only moved.
const EXACT: f64 = 0.0;

impl Case {
    /// A case of one kernel over random inputs in [-1, 1). An input marked constant is a weight, the others are inputs
    /// of the program.
    fn single(name: impl Into<String>, kernel: Kernel, operands: &[Operand], shape: &[usize], tolerance: f64) -> Self {
        let name = name.into();
        let seed = name.bytes().fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        Self::with_inputs(name, kernel, operands, &mut Rng::new(seed), DType::F32, shape, tolerance)
    }

    fn with_inputs(
        name: String,
        kernel: Kernel,
        operands: &[Operand],
        rng: &mut Rng,
        dtype: DType,
        shape: &[usize],
        tolerance: f64,
    ) -> Self {
        let mut builder = ProgramBuilder::new();
        let mut inputs = Vec::new();
        let ids: Vec<_> = operands
            .iter()
            .enumerate()
            .map(|(i, operand)| {
                let (tensor, weight) = match operand {
                    Operand::None => return None,
                    Operand::X(shape) => (random(rng, shape), false),
                    Operand::W(shape) => (random(rng, shape), true),
                    Operand::Input(tensor) => (tensor.clone(), false),
                    Operand::Weight(tensor) => (tensor.clone(), true),
                };
                Some(if weight {
                    builder.constant(&format!("w{i}"), tensor)
                } else {
                    let id = builder.input(&format!("x{i}"), tensor.dtype(), tensor.shape());
                    inputs.push(tensor);
                    id
                })
            })
            .collect();
        let out = builder.step("node", kernel, &ids, dtype, shape);
        Self { name, program: builder.finish(vec![out]), inputs, tolerance }
    }
}

/// An operand of a single-kernel case.
enum Operand {
    None,
    /// Random input of this shape.
    X(Vec<usize>),
    /// Random weight of this shape.
    W(Vec<usize>),
    Input(Tensor),
    Weight(Tensor),
}

fn x(shape: &[usize]) -> Operand {
    Operand::X(shape.to_vec())
}

fn w(shape: &[usize]) -> Operand {
    Operand::W(shape.to_vec())
}

fn random(rng: &mut Rng, shape: &[usize]) -> Tensor {
    tensor(shape, Data::F32(rng.units(shape.iter().product())))
}

/// A tensor that the suite itself states; its shape is right by construction.
fn tensor(shape: &[usize], data: Data) -> Tensor {
    Tensor::new(shape, data).unwrap_or_else(|e| panic!("the suite is wrong: {e}"))
}

/// Every case, in a fixed order.
pub fn cases() -> Vec<Case> {
    let mut cases = convolution::cases();
    cases.extend(normalisation::cases());
    cases.extend(attention::cases());
    cases.extend(elementwise::cases());
    cases.extend(movement::cases());
    cases.extend(numbers::cases());
    cases.extend(selection::cases());
    cases.extend(neural::cases());
    cases.extend(corners::cases());
    cases.extend((0..60).map(random::case));
    cases
}

/// What became of one case.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Within tolerance.
    Passed,
    /// The backend named steps that it cannot run.
    Refused(String),
    /// A wrong result or an unexpected error.
    Failed(String),
}

/// Outcomes by case name.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Vec<(String, Outcome)>);

impl Report {
    /// Names and reasons of the cases that failed.
    pub fn failures(&self) -> Vec<String> {
        self.filtered(|o| matches!(o, Outcome::Failed(_)))
    }

    /// Names and reasons of the cases that were refused.
    pub fn refusals(&self) -> Vec<String> {
        self.filtered(|o| matches!(o, Outcome::Refused(_)))
    }

    fn filtered(&self, keep: impl Fn(&Outcome) -> bool) -> Vec<String> {
        let describe = |(name, outcome): &(String, Outcome)| match outcome {
            Outcome::Passed => name.clone(),
            Outcome::Refused(why) | Outcome::Failed(why) => format!("{name}: {why}"),
        };
        self.0.iter().filter(|(_, o)| keep(o)).map(describe).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, refused) = (self.failures().len(), self.refusals().len());
        write!(
            f,
            "{} cases: {} passed, {refused} refused, {failed} failed",
            self.0.len(),
            self.0.len() - failed - refused
        )
    }
}

/// What [`Precision::Fast`] may add to an error, in parts of the output's range: a tenth of its promise for a whole network.
const FAST: f64 = 1e-5;

/// Runs every case on a backend, in the exact precision mode.
pub fn run(backend: &dyn Backend) -> Report {
    run_each(&[(backend, Precision::Exact)]).remove(0)
}

/// Runs every case on each of some backends in its precision mode. The oracle, which takes longest, runs once a case.
pub fn run_each(backends: &[(&dyn Backend, Precision)]) -> Vec<Report> {
    let mut reports = vec![Report::default(); backends.len()];
    for case in cases() {
        let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
        let want = eval::run(&case.program, &views);
        for (report, &(backend, precision)) in reports.iter_mut().zip(backends) {
            let outcome = match &want {
                Ok(want) => outcome(backend, &case, &views, want, precision),
                Err(e) => Outcome::Failed(format!("the oracle: {e:?}")),
            };
            report.0.push((case.name.clone(), outcome));
        }
    }
    reports
}

fn outcome(
    backend: &dyn Backend,
    case: &Case,
    inputs: &[TensorView<'_>],
    want: &[Tensor],
    precision: Precision,
) -> Outcome {
    let options = CompileOptions::default().precision(precision);
    let tolerance = if precision == Precision::Exact { case.tolerance } else { case.tolerance + FAST };
    let missing = backend.unsupported(&case.program);
    if !missing.is_empty() {
        return Outcome::Refused(missing.iter().map(|u| u.reason.clone()).collect::<Vec<_>>().join("; "));
    }
    let run = || backend.compile(Arc::new(case.program.clone()), &options)?.run(inputs);
    match run() {
        Err(e) => Outcome::Failed(format!("{e:?}")),
        Ok(got) if got.len() != want.len() => Outcome::Failed(format!("{} outputs", got.len())),
        Ok(got) => {
            for (g, w) in got.iter().zip(want) {
                let difference = compare(g.view(), w.view());
                if difference.relative() > tolerance {
                    return Outcome::Failed(format!("{difference:?} over {tolerance:e} of the range"));
                }
            }
            Outcome::Passed
        }
    }
}
