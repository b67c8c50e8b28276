//! A network as its file states it: ONNX operators over named values, sizes possibly symbolic.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::{DType, Error, Op, Result, Tensor};

/// Index of a [`Value`] in its graph or program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The index as `usize`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One size of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A known size.
    Known(usize),
    /// A named unknown: equal names are equal sizes within one graph. An unnamed size has the empty name,
    /// which equals nothing.
    Symbol(String),
}

/// Declared element type and shape of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub shape: Vec<Dim>,
}

/// A named value: an input, a constant, or the result of a node.
#[derive(Clone, Debug)]
pub struct Value {
    /// Name in the file.
    pub name: String,
    /// The tensor, when the value is a constant (initialiser).
    pub constant: Option<Arc<Tensor>>,
    /// What the file declares; always present for graph inputs.
    pub declared: Option<TensorType>,
}

/// One application of an operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name in the file, or `Op#index` where the file gives none.
    pub name: String,
    /// Operator with its attributes.
    pub op: Op,
    /// Inputs in ONNX order; `None` is an optional input left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Outputs in ONNX order; `None` is an optional output left out.
    pub outputs: Vec<Option<ValueId>>,
}

/// A network. Nodes are in topological order, every value has one producer at most (readers establish both).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Name in the file.
    pub name: String,
    /// Values, indexed by [`ValueId`].
    pub values: Vec<Value>,
    /// Nodes, in topological order.
    pub nodes: Vec<Node>,
    /// Graph inputs that are not constants, in the file's order.
    pub inputs: Vec<ValueId>,
    /// Graph outputs, in the file's order.
    pub outputs: Vec<ValueId>,
    /// Constants that the file stores by name (its weights), as opposed to those that its nodes state.
    pub initialisers: Vec<ValueId>,
}

impl Graph {
    /// The value behind an id of this graph.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// Bytes of all constants.
    pub fn weight_bytes(&self) -> usize {
        self.values.iter().filter_map(|v| v.constant.as_ref()).map(|t| t.bytes()).sum()
    }

    /// Number of weights: elements of the float initialisers.
    pub fn parameter_count(&self) -> usize {
        let tensors = self.initialisers.iter().filter_map(|&id| self.value(id).constant.as_ref());
        tensors.filter(|t| matches!(t.dtype(), DType::F32 | DType::F64)).map(|t| t.data().len()).sum()
    }

    /// How often each operator occurs, most frequent first, then by name. Constants are values, not operators.
    pub fn op_histogram(&self) -> Vec<(&'static str, usize)> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.op.name()).or_default() += 1;
        }
        let mut list: Vec<_> = counts.into_iter().collect();
        list.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        list
    }

    /// The inputs in the file's order, each with its declared type.
    pub fn input_values(&self) -> impl Iterator<Item = &Value> {
        self.inputs.iter().map(|&id| self.value(id))
    }

    /// The outputs in the file's order, each with its declared type where the file gives one.
    pub fn output_values(&self) -> impl Iterator<Item = &Value> {
        self.outputs.iter().map(|&id| self.value(id))
    }

    /// Replaces initialisers by tensors of the same name, as from a safetensors file. Every tensor must name an
    /// initialiser of its element type and shape, and every float initialiser must be named once: anything else is
    /// `Malformed` with the names, and the graph stays as it was.
    pub fn replace_constants(&mut self, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<()> {
        let by_name: HashMap<&str, ValueId> =
            self.initialisers.iter().map(|&id| (self.value(id).name.as_str(), id)).collect();
        let mut replacements: HashMap<ValueId, Arc<Tensor>> = HashMap::new();
        for (name, tensor) in tensors {
            let wrong = |what: String| Err(Error::malformed(what).at(format!("tensor '{name}'")));
            let Some(&id) = by_name.get(name.as_str()) else {
                return wrong("the graph has no initialiser of this name".into());
            };
            if let Some(old) = &self.value(id).constant
                && (old.shape() != tensor.shape() || old.dtype() != tensor.dtype())
            {
                let (given, want) = (tensor.shape(), old.shape());
                return wrong(format!("{} {given:?} given, {} {want:?} expected", tensor.dtype(), old.dtype()));
            }
            if replacements.insert(id, Arc::new(tensor)).is_some() {
                return wrong("given twice".into());
            }
        }
        let is_weight = |t: &Arc<Tensor>| matches!(t.dtype(), DType::F32 | DType::F64);
        let missing = self
            .initialisers
            .iter()
            .find(|id| !replacements.contains_key(id) && self.value(**id).constant.as_ref().is_some_and(is_weight));
        if let Some(&id) = missing {
            return Err(Error::malformed(format!("no tensor for initialiser '{}'", self.value(id).name)));
        }
        for (id, tensor) in replacements {
            self.values[id.index()].constant = Some(tensor);
        }
        Ok(())
    }
}

impl fmt::Display for Dim {
    /// The size, the symbol, or `?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => write!(f, "{size}"),
            Dim::Symbol(name) if name.is_empty() => f.write_str("?"),
            Dim::Symbol(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for TensorType {
    /// Element type and sizes: `float32 [batch, 1, 256, 256]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", self.dtype)?;
        for (i, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}
