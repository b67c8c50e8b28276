//! Seeded random graphs of ONNX operators: 3 to 12 nodes over odd shapes, sizes 0 and 1 among them.
//!
//! The reference is the plainest way through the engine: [`Graph::lower`] without optimising passes, evaluated by `eval`.
//! Against it stand the optimised program on `eval` (are the passes right?) and on a backend (are its kernels, its
//! liveness and its buffers right?).

mod nodes;

use std::sync::Arc;

use netra_graph::{
    Backend, CompileOptions, DType, Data, Dim, Graph, Node, Op, Program, Tensor, TensorType, TensorView, Value,
    ValueId, eval,
};

use crate::Rng;
use crate::golden::compare;

/// Share of the largest intermediate value that results may differ by: errors of several layers add up.
const TOLERANCE: f64 = 2e-5;

/// A random graph with inputs.
#[derive(Debug)]
pub struct GraphCase {
    /// The seed's name and the operators in order.
    pub name: String,
    /// The graph; its sizes are known.
    pub graph: Graph,
    /// Its inputs.
    pub inputs: Vec<Tensor>,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Everything agreed.
    Agreed,
    /// The backend named steps that it cannot run; passes and evaluator agreed.
    Refused,
}

/// The graph of a seed.
pub fn case(seed: u64) -> GraphCase {
    let mut maker = Maker::new(seed);
    let first = maker.first_input();
    for _ in 0..maker.rng.between(3, 12) {
        // Later nodes prefer recent values.
        let recent = maker.floats.len() - 1 - maker.rng.below(maker.floats.len().min(3));
        nodes::add(&mut maker, recent, &first);
    }
    let mut outputs = vec![maker.floats[maker.floats.len() - 1].clone()];
    if maker.rng.below(2) == 0 {
        outputs.push(maker.floats[maker.rng.below(maker.floats.len())].clone());
    }
    maker.graph.outputs = outputs.iter().map(|v| v.id).collect();
    maker.graph.outputs.dedup();
    let ops: Vec<&str> = maker.graph.nodes.iter().map(|n| n.op.name()).collect();
    let name = format!("graph {seed}: {}", ops.join(" "));
    GraphCase { name, graph: maker.graph, inputs: maker.inputs }
}

/// Runs a case; the error says what disagreed.
pub fn check(backend: &dyn Backend, case: &GraphCase) -> Result<Ran, String> {
    let shapes: Vec<Vec<usize>> = case.inputs.iter().map(|t| t.shape().to_vec()).collect();
    let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
    let text = |what: &str, e: netra_graph::Error| format!("{what}: {e:?}");
    let plain = case.graph.lower(&shapes).map_err(|e| text("lowering", e))?;
    let want = eval::run(&plain, &views).map_err(|e| text("plain evaluation", e))?;
    let allowed = TOLERANCE * scale(&plain, &views).map_err(|e| text("all values", e))?;
    let optimised = case.graph.specialise(&shapes).map_err(|e| text("specialising", e))?;
    let got = eval::run(&optimised, &views).map_err(|e| text("optimised evaluation", e))?;
    agree("the passes", &got, &want, allowed)?;
    if !backend.unsupported(&optimised).is_empty() {
        return Ok(Ran::Refused);
    }
    let executable =
        backend.compile(Arc::new(optimised), &CompileOptions::default()).map_err(|e| text("compile", e))?;
    // Twice: buffers of the first run are used again.
    for run in ["the backend", "the backend's second run"] {
        let got = executable.run(&views).map_err(|e| text(run, e))?;
        agree(run, &got, &want, allowed)?;
    }
    Ok(Ran::Agreed)
}

fn agree(who: &str, got: &[Tensor], want: &[Tensor], allowed: f64) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{who}: {} outputs, not {}", got.len(), want.len()));
    }
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let difference = compare(g.view(), w.view());
        if difference.max_abs > allowed {
            let shapes = (g.shape(), w.shape());
            return Err(format!("{who}, output {i} {shapes:?}: {difference:?}, {allowed:e} allowed"));
        }
    }
    Ok(())
}

/// The largest finite magnitude of any value, at least 1.
fn scale(program: &Program, inputs: &[TensorView<'_>]) -> netra_graph::Result<f64> {
    let mut all = program.clone();
    all.outputs = program.steps.iter().map(|s| s.output).collect();
    let values = eval::run(&all, inputs)?;
    let floats = values.iter().filter_map(Tensor::as_f32).flatten().filter(|v| v.is_finite());
    Ok(floats.fold(1.0, |m, v| m.max(f64::from(v.abs()))))
}

/// A value of the graph under construction.
#[derive(Clone, Debug)]
struct Made {
    id: ValueId,
    shape: Vec<usize>,
}

/// A graph under construction.
struct Maker {
    rng: Rng,
    graph: Graph,
    inputs: Vec<Tensor>,
    /// The float values made so far.
    floats: Vec<Made>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let rng = Rng::new(seed.wrapping_mul(0x9e6d_62d0_6f6a_9a9b) ^ 0x6e65_7472);
        Self { rng, graph: Graph::default(), inputs: Vec::new(), floats: Vec::new() }
    }

    fn first_input(&mut self) -> Made {
        let rank = self.rng.between(1, 5);
        let shape: Vec<usize> = (0..rank)
            .map(|axis| match axis {
                0 => *self.rng.pick(&[1, 1, 1, 2, 3, 0]),
                1 => self.rng.between(1, 9),
                _ => *self.rng.pick(&[1, 2, 3, 4, 5, 7, 7, 9]),
            })
            .collect();
        self.input(&shape)
    }

    /// A random input of the graph.
    fn input(&mut self, shape: &[usize]) -> Made {
        let tensor = self.random(shape);
        let declared =
            TensorType { dtype: tensor.dtype(), shape: tensor.shape().iter().map(|&n| Dim::Known(n)).collect() };
        let id =
            self.value(Value { name: format!("x{}", self.inputs.len()), constant: None, declared: Some(declared) });
        self.graph.inputs.push(id);
        self.inputs.push(tensor);
        let made = Made { id, shape: shape.to_vec() };
        self.floats.push(made.clone());
        made
    }

    fn value(&mut self, value: Value) -> ValueId {
        self.graph.values.push(value);
        ValueId(self.graph.values.len() as u32 - 1)
    }

    /// Random numbers in [-1, 1).
    fn random(&mut self, shape: &[usize]) -> Tensor {
        let data = self.rng.units(shape.iter().product());
        Tensor::from_f32(shape, data).unwrap_or_else(|e| panic!("the generator is wrong: {e}"))
    }

    fn weight(&mut self, shape: &[usize]) -> ValueId {
        let tensor = self.random(shape);
        self.constant(tensor)
    }

    /// Weights around 1, as of a trained normalisation.
    fn positive(&mut self, shape: &[usize]) -> ValueId {
        let data = self.rng.units(shape.iter().product()).into_iter().map(|v| 1.0 + 0.5 * v).collect();
        let tensor = Tensor::new(shape, Data::F32(data)).unwrap_or_else(|e| panic!("the generator is wrong: {e}"));
        self.constant(tensor)
    }

    fn ints(&mut self, list: &[i64]) -> ValueId {
        self.constant(Tensor::from_i64s(list))
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("c{}", self.graph.values.len());
        self.value(Value { name, constant: Some(Arc::new(tensor)), declared: None })
    }

    /// Adds a node of one output; what shape it has, lowering says.
    fn node(&mut self, op: Op, inputs: &[Option<ValueId>]) -> Made {
        let name = format!("{}{}", op.name(), self.graph.nodes.len());
        let id = self.value(Value { name: name.clone(), constant: None, declared: None });
        self.graph.nodes.push(Node { name, op, inputs: inputs.to_vec(), outputs: vec![Some(id)] });
        self.graph.outputs = vec![id];
        let shapes: Vec<Vec<usize>> = self.inputs.iter().map(|t| t.shape().to_vec()).collect();
        let lowered = self.graph.lower(&shapes);
        let program = lowered.unwrap_or_else(|e| panic!("{:?} is refused: {e}", self.graph.nodes.last()));
        let output = program.value(program.outputs[0]);
        let made = Made { id, shape: output.shape.clone() };
        if output.dtype == DType::F32 {
            self.floats.push(made.clone());
        }
        made
    }
}
