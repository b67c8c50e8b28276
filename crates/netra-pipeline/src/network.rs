//! A network on a backend, compiled once a shape.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::Array4;
use netra_core::{Error, ErrorKind, Result};
use netra_graph::{
    Backend, ClassActivation, CompileOptions, Data, Executable, Graph, MeasuredOn, Precision, Program, Progress,
    Ranges, Tensor, TensorView, Tuned,
};
use netra_package::manifest::{self, Layout};
use netra_package::{TuningFile, from_graph};

/// Compiled programs that are kept at a time. Windows of one input have a handful of shapes; inputs cropped by their
/// content have a new shape each.
const KEPT: usize = 8;

/// An input shape and what was compiled for it.
type Compiled = (Vec<usize>, Arc<dyn Executable>);

/// A graph with its backend and the executables compiled so far.
pub struct Network {
    graph: Arc<Graph>,
    backend: Arc<dyn Backend>,
    layout: Layout,
    channels: usize,
    size: Option<Vec<usize>>,
    output: usize,
    precision: Precision,
    /// A tuning, and the digest of the network that it has to be for.
    tuning: Option<(TuningFile, String)>,
    /// What values range over, once that was measured.
    ranges: OnceLock<Ranges>,
    /// Most recently used last.
    compiled: Mutex<Vec<Compiled>>,
}

impl Network {
    /// Joins a graph, what the manifest says of it, and a backend. Fails when the graph has not the one input and the
    /// output that the manifest names.
    pub fn new(graph: Arc<Graph>, declared: &manifest::Network, backend: Arc<dyn Backend>) -> Result<Self> {
        let inputs: Vec<&str> = graph.inputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
        if inputs != [declared.input.as_str()] {
            let found = inputs.join(", ");
            return Err(Error::unsupported(format!("a network of inputs {found}, not `{}` alone", declared.input)));
        }
        let output = graph.outputs.iter().position(|&id| graph.value(id).name == declared.output);
        let output = output.ok_or_else(|| Error::malformed(format!("no output `{}`", declared.output)))?;
        Ok(Self {
            layout: declared.layout,
            channels: declared.channels,
            size: declared.size.clone(),
            graph,
            backend,
            output,
            precision: Precision::default(),
            tuning: None,
            ranges: OnceLock::new(),
            compiled: Mutex::new(Vec::new()),
        })
    }

    /// Sets how much accuracy the backend may give up for speed. What was compiled before is dropped.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = self.backend.precision(precision);
        self.ranges = OnceLock::new();
        self.compiled = Mutex::new(Vec::new());
        self
    }

    /// Sets the tuning, for a network of this digest. What was compiled before is dropped.
    #[must_use]
    pub fn with_tuning(mut self, tuning: Option<TuningFile>, digest: &str) -> Self {
        self.tuning = tuning.map(|file| (file, digest.to_owned()));
        self.compiled = Mutex::new(Vec::new());
        self
    }

    /// The tuning in effect: none was set, or why the one that was set is left out.
    pub fn tuning(&self) -> std::result::Result<Option<&TuningFile>, String> {
        let Some((file, digest)) = &self.tuning else { return Ok(None) };
        let here = MeasuredOn::new(&*self.backend, self.precision).network(digest);
        file.tuning.measured_on.differs(&here).map_or(Ok(Some(file)), Err)
    }

    /// Measures on an input which algorithms run the network fastest in the precision mode. Fails as
    /// [`executable`](Self::executable) does, and (`Unsupported`) on a backend without a choice.
    pub fn tune(&self, input: TensorView<'_>, progress: Option<Progress<'_>>) -> Result<Tuned> {
        self.check_calibrated()?;
        let program = Arc::new(self.program(input.shape())?);
        self.backend.tune(program, &[input], &self.options().progress(progress)).map_err(from_graph)
    }

    /// How to compile, without a tuning.
    fn options(&self) -> CompileOptions<'_> {
        CompileOptions::default().precision(self.precision).ranges(self.ranges.get())
    }

    fn check_calibrated(&self) -> Result<()> {
        if self.is_calibrated() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::OutOfScope, "int8 is calibrated on golden cases, and the package has none here"))
    }

    /// Whether the precision mode knows what it has to of the network's values: [`Precision::Int8`] needs their ranges.
    pub fn is_calibrated(&self) -> bool {
        self.precision != Precision::Int8 || self.ranges.get().is_some()
    }

    /// Measures what values range over, where the precision mode needs to know and does not yet: runs the network in float32
    /// on inputs like those to come.
    pub fn calibrate<'a>(&self, inputs: impl IntoIterator<Item = TensorView<'a>>) -> Result<()> {
        if self.is_calibrated() {
            return Ok(());
        }
        let mut ranges = Ranges::default();
        for input in inputs {
            let program = self.program(input.shape())?;
            ranges.measure(&*self.backend, &program, &[input]).map_err(from_graph)?;
        }
        if !ranges.is_empty() {
            // Who measured first measured the same.
            self.ranges.get_or_init(|| ranges);
        }
        Ok(())
    }

    /// The precision mode: the one asked for, or a more accurate one where the backend has nothing to gain.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The backend.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The graph's program for an input shape, not compiled.
    pub fn program(&self, shape: &[usize]) -> Result<Program> {
        self.graph.specialise(std::slice::from_ref(&shape.to_vec())).map_err(from_graph)
    }

    /// The shape of the network's output for an input shape.
    pub fn output_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let program = self.program(shape)?;
        Ok(program.value(program.outputs[self.output]).shape.clone())
    }

    /// The executable for an input shape, compiled at the first call. Fails (`OutOfScope`) in a precision mode that needs to
    /// be [calibrated](Self::calibrate) first.
    pub fn executable(&self, shape: &[usize]) -> Result<Arc<dyn Executable>> {
        if let Some(found) = self.lookup(shape) {
            return Ok(found);
        }
        self.check_calibrated()?;
        let tuning = self.tuning().ok().flatten().map(|file| &file.tuning);
        let program = Arc::new(self.program(shape)?);
        let executable: Arc<dyn Executable> =
            self.backend.compile(program, &self.options().tuning(tuning)).map_err(from_graph)?.into();
        // A panic elsewhere leaves the list whole: every change to it is one push or remove.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= KEPT {
            compiled.remove(0);
        }
        compiled.push((shape.to_vec(), executable.clone()));
        Ok(executable)
    }

    fn lookup(&self, shape: &[usize]) -> Option<Arc<dyn Executable>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let index = compiled.iter().position(|(s, _)| s == shape)?;
        let entry = compiled.remove(index);
        let executable = entry.1.clone();
        compiled.push(entry);
        Some(executable)
    }

    /// The place of the manifest's output among the program's.
    pub(crate) fn output(&self) -> usize {
        self.output
    }

    /// Runs the network on a tensor of any shape it takes and gives the output that the manifest names.
    pub fn run(&self, input: TensorView<'_>) -> Result<Tensor> {
        let executable = self.executable(input.shape())?;
        let mut outputs = executable.run(&[input]).map_err(from_graph)?;
        if self.output >= outputs.len() {
            return Err(Error::new(ErrorKind::Backend, format!("{} outputs came back", outputs.len())));
        }
        Ok(outputs.swap_remove(self.output))
    }

    /// The input shape for `(channel, slice, row, column)` values. Fails when the manifest declares other channels or
    /// another size, or an image where it wants a volume.
    pub fn input_shape(&self, [channels, slices, rows, columns]: [usize; 4]) -> Result<Vec<usize>> {
        let spatial = match self.layout {
            Layout::Nchw if slices == 1 => vec![rows, columns],
            Layout::Ncdhw => vec![slices, rows, columns],
            _ => return Err(Error::invalid(format!("{slices} slices for a network of layout {:?}", self.layout))),
        };
        if channels != self.channels || self.size.as_ref().is_some_and(|size| *size != spatial) {
            let size = self.size.as_ref().map_or_else(String::new, |s| format!(" of size {s:?}"));
            return Err(Error::invalid(format!(
                "preprocessing gives {channels} channels of size {spatial:?}, the network takes {}{size}",
                self.channels
            )));
        }
        Ok([vec![1, channels], spatial].concat())
    }

    /// Runs the network on `(channel, slice, row, column)` values, which are freed before this returns; the output has
    /// the same axes (all but the first of size 1 for a network that gives one number a class).
    pub fn predict(&self, values: Array4<f32>) -> Result<Array4<f32>> {
        let input = self.tensor(values)?;
        let output = self.run(input.view())?;
        drop(input);
        into_values(output)
    }

    /// Every output of the graph, in its order, on `(channel, slice, row, column)` values.
    pub(crate) fn outputs(&self, values: Array4<f32>) -> Result<Vec<Tensor>> {
        let input = self.tensor(values)?;
        self.executable(input.shape())?.run(&[input.view()]).map_err(from_graph)
    }

    /// The network's input of values.
    fn tensor(&self, values: Array4<f32>) -> Result<Tensor> {
        let (channels, slices, rows, columns) = values.dim();
        let shape = self.input_shape([channels, slices, rows, columns])?;
        // Windows and samples are row-major and fill their block, so that this moves it.
        let elements = values.len();
        let block = if values.is_standard_layout() {
            let (block, offset) = values.into_raw_vec_and_offset();
            let start = offset.unwrap_or(0);
            if block.len() == elements { block } else { block[start..start + elements].to_vec() }
        } else {
            values.iter().copied().collect()
        };
        Tensor::from_f32(shape, block).map_err(from_graph)
    }

    /// The network up to the end of a classifier whose class activation maps are exact, with the features and the scores as its
    /// outputs. It runs in float32 whatever this one's precision, and is compiled for itself: a result must not depend on
    /// whether somebody asked why.
    pub(crate) fn class_activation(&self) -> Option<(ClassActivation, Self)> {
        let end = self.graph.class_activation(*self.graph.outputs.get(self.output)?)?;
        let graph = Graph { outputs: vec![end.features, end.scores], ..(*self.graph).clone() };
        let network = Self {
            graph: Arc::new(graph),
            backend: self.backend.clone(),
            layout: self.layout,
            channels: self.channels,
            size: self.size.clone(),
            output: 0,
            precision: self.backend.precision(Precision::default()),
            tuning: None,
            ranges: OnceLock::new(),
            compiled: Mutex::new(Vec::new()),
        };
        Some((end, network))
    }
}

/// An output tensor of batch 1 as `(channel, slice, row, column)`.
pub(crate) fn into_values(output: Tensor) -> Result<Array4<f32>> {
    let shape = match *output.shape() {
        [1, channels] => [channels, 1, 1, 1],
        [1, channels, rows, columns] => [channels, 1, rows, columns],
        [1, channels, slices, rows, columns] => [channels, slices, rows, columns],
        ref other => return Err(Error::unsupported(format!("a network output of shape {other:?}"))),
    };
    let Data::F32(values) = output.into_data() else {
        return Err(Error::unsupported("a network output that is not float32"));
    };
    Array4::from_shape_vec(shape, values).map_err(|e| Error::new(ErrorKind::Backend, "output").with_source(e))
}
