//! A package's network or a bare file, on an input of one shape that is made up.

use std::path::Path;
use std::sync::Arc;

use netra::graph::onnx::{self, ReadOptions};
use netra::graph::{DType, Data, Dim, Graph, StepValue, Tensor};
use netra::package::from_graph;
use netra::package::manifest::Inferer;
use netra::{Model, graph};

use crate::resolve;

/// A network, with the package that it comes from.
pub struct Network {
    /// The network.
    pub graph: Arc<Graph>,
    /// The package, unless it is a bare file.
    pub model: Option<Model>,
}

impl Network {
    /// A package folder, the name of a model, or an ONNX file.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        if Path::new(name).is_file() {
            let graph = onnx::read(Path::new(name), &ReadOptions::default()).map_err(from_graph)?;
            return Ok(Self { graph: Arc::new(graph), model: None });
        }
        let model = resolve::model(name)?;
        Ok(Self { graph: model.package().graph().clone(), model: Some(model) })
    }

    /// The shapes of its inputs: the one asked for, else the first golden case's, else those that the graph states.
    pub fn shapes(&self, asked: &[usize]) -> anyhow::Result<Vec<Vec<usize>>> {
        if !asked.is_empty() {
            return Ok(vec![asked.to_vec()]);
        }
        if let Some(model) = &self.model
            && let Some(case) = model.package().golden()?.first()
        {
            return Ok(vec![case.input.shape().to_vec()]);
        }
        let sizes = |id: &graph::ValueId| {
            let declared = self.graph.value(*id).declared.as_ref();
            declared.map(|t| t.shape.iter().map(|d| if let Dim::Known(n) = d { *n } else { 1 }).collect())
        };
        let inputs = self.graph.inputs.iter();
        inputs.map(|id| sizes(id).ok_or_else(|| anyhow::anyhow!("an input states no shape"))).collect()
    }

    /// The shape that scans meet most: the window where one slides, else as [`shapes`](Self::shapes).
    pub fn usual_shapes(&self, asked: &[usize]) -> anyhow::Result<Vec<Vec<usize>>> {
        let manifest = self.model.as_ref().map(|model| model.package().manifest());
        match manifest.map(|m| (&m.inferer, m.network.channels)) {
            Some((Inferer::SlidingWindow { roi_size, .. }, channels)) if asked.is_empty() => {
                Ok(vec![[&[1, channels], roi_size.as_slice()].concat()])
            }
            _ => self.shapes(asked),
        }
    }
}

/// A smooth, deterministic input: a ramp that repeats, neither constant nor noise.
pub fn input(value: &StepValue) -> netra::Result<Tensor> {
    let n = value.elements();
    let data = match value.dtype {
        DType::I64 => Data::I64(vec![0; n]),
        DType::I32 => Data::I32(vec![0; n]),
        DType::Bool => Data::Bool(vec![false; n]),
        _ => Data::F32((0..n).map(|i| (i % 251) as f32 / 250.0).collect()),
    };
    Tensor::new(value.shape.clone(), data).map_err(from_graph)
}
