//! Making a graph while taking tensors out of a state dict: who asks for what, and what was wrong in the end.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{DType, Dim, Error, Graph, Node, Op, Result, StateDict, Tensor, TensorType, Value, ValueId};

/// Most tensors of a network, and four times as many nodes: some ten times what the largest builder needs.
const MAX_TENSORS: usize = 20_000;
/// Largest number of channels, kernel size, stride and the like.
const MAX_SIZE: usize = 1 << 16;
/// Most stages (resolutions) of a network.
const MAX_STAGES: usize = 64;
/// Names shown of each sort in an error.
const MAX_SHOWN: usize = 20;

/// One size an axis. Networks of fewer than three axes use the first ones; the rest are 1.
pub(super) type Axes = [usize; 3];

/// A value of shape `[N, channels, spatial...]` or `[N, channels]`.
#[derive(Clone, Copy)]
pub(super) struct Feature {
    pub id: ValueId,
    pub channels: usize,
}

/// A graph under construction and the tensors not yet used.
pub(super) struct Builder {
    graph: Graph,
    state: StateDict,
    rank: usize,
    taken: HashMap<String, ValueId>,
    wanted: Vec<(String, Vec<usize>)>,
    missing: Vec<String>,
    wrong: Vec<String>,
}

impl Builder {
    /// An empty graph that will be called `name`.
    pub fn new(name: &str, state: StateDict) -> Self {
        Self {
            graph: Graph { name: name.to_owned(), ..Graph::default() },
            state,
            rank: 0,
            taken: HashMap::new(),
            wanted: Vec::new(),
            missing: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Declares the only input, `[batch, channels, spatial...]`, sizes but the channels symbolic.
    pub fn input(&mut self, spatial_dims: usize, channels: usize) -> Result<Feature> {
        self.input_of(spatial_dims, channels, None)
    }

    /// As [`Builder::input`], with the size of every spatial axis fixed where `size` is given.
    pub fn input_of(&mut self, spatial_dims: usize, channels: usize, size: Option<usize>) -> Result<Feature> {
        let axes = match spatial_dims {
            1 => &["width"][..],
            2 => &["height", "width"],
            3 => &["depth", "height", "width"],
            other => return Err(Error::invalid(format!("{other} spatial dimensions; 1 to 3 are possible"))),
        };
        check_size("number of input channels", channels)?;
        let spatial = axes.iter().map(|&a| size.map_or_else(|| Dim::Symbol(a.into()), Dim::Known));
        let leading = [Dim::Symbol("batch".into()), Dim::Known(channels)];
        let shape = leading.into_iter().chain(spatial).collect();
        let id = self.value("input".into(), None)?;
        if let Some(value) = self.graph.values.last_mut() {
            value.declared = Some(TensorType { dtype: DType::F32, shape });
        }
        self.graph.inputs.push(id);
        self.rank = spatial_dims;
        Ok(Feature { id, channels })
    }

    /// Declares the only output; `spatial` says whether it has the input's spatial axes.
    pub fn output(&mut self, x: Feature, spatial: bool) -> Result<()> {
        let id = self.node(None, Op::Identity, vec![Some(x.id)])?;
        let mut shape = vec![Dim::Symbol("batch".into()), Dim::Known(x.channels)];
        shape.resize(2 + if spatial { self.rank } else { 0 }, Dim::Symbol(String::new()));
        if let Some(value) = self.graph.values.last_mut() {
            value.name = "output".into();
            value.declared = Some(TensorType { dtype: DType::F32, shape });
        }
        self.graph.outputs.push(id);
        Ok(())
    }

    /// Number of spatial axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The first `rank` entries of `axes`.
    pub fn spatial(&self, axes: Axes) -> Vec<usize> {
        axes.into_iter().take(self.rank).collect()
    }

    /// Takes the float32 tensor `name` of `shape` out of the state dict. One that is missing or wrong is remembered
    /// for [`Builder::finish`], so that an error can list all of them.
    pub fn weight(&mut self, name: String, shape: Vec<usize>) -> Result<ValueId> {
        if let Some(&id) = self.taken.get(&name) {
            return Ok(id);
        }
        for &size in &shape {
            check_size(&name, size)?;
        }
        if self.wanted.len() >= MAX_TENSORS {
            return Err(Error::limit(format!("a network of more than {MAX_TENSORS} tensors")));
        }
        let tensor = self.state.remove(&name);
        match &tensor {
            None => self.missing.push(format!("{name} {shape:?}")),
            Some(t) if t.shape() != shape || t.dtype() != DType::F32 => {
                self.wrong.push(format!("{name} {} {:?} for float32 {shape:?}", t.dtype(), t.shape()));
            }
            Some(_) => {}
        }
        self.wanted.push((name.clone(), shape));
        let id = self.value(name.clone(), tensor)?;
        self.graph.initialisers.push(id);
        self.taken.insert(name, id);
        Ok(id)
    }

    /// The tensor behind a weight, when it was there.
    pub fn tensor(&self, id: ValueId) -> Option<&Tensor> {
        self.graph.values.get(id.index()).and_then(|v| v.constant.as_deref())
    }

    /// Whether the state dict still holds `name`.
    pub fn has(&self, name: &str) -> bool {
        self.state.contains_key(name)
    }

    /// Drops tensors by name: those that training needs and inference does not.
    pub fn skip(&mut self, unused: impl Fn(&str) -> bool) {
        self.state.retain(|name, _| !unused(name));
    }

    /// Renames tensors before any is taken. `new_name` gives `None` to keep a name. Two tensors that come to share a
    /// name are copies of one (a module registered twice): they must be equal.
    pub fn rename(&mut self, new_name: impl Fn(&str) -> Option<String>) -> Result<()> {
        let old = std::mem::take(&mut self.state);
        for (name, tensor) in old {
            let to = new_name(&name).unwrap_or_else(|| name.clone());
            if let Some(first) = self.state.get(&to) {
                if *first != tensor {
                    return Err(Error::malformed(format!("'{name}' differs from '{to}', of which it is a copy")));
                }
                continue;
            }
            self.state.insert(to, tensor);
        }
        Ok(())
    }

    /// A constant that the architecture states itself.
    pub fn constant(&mut self, tensor: Tensor) -> Result<ValueId> {
        let name = format!("constant#{}", self.graph.values.len());
        self.value(name, Some(tensor))
    }

    /// Adds a node of one output and gives that; `layer` names it, else its operator and position.
    pub fn node(&mut self, layer: Option<&str>, op: Op, inputs: Vec<Option<ValueId>>) -> Result<ValueId> {
        let name = layer.map_or_else(|| format!("{}#{}", op.name(), self.graph.nodes.len()), str::to_owned);
        let output = self.value(name.clone(), None)?;
        self.graph.nodes.push(Node { name, op, inputs, outputs: vec![Some(output)] });
        Ok(output)
    }

    fn value(&mut self, name: String, constant: Option<Tensor>) -> Result<ValueId> {
        let index = u32::try_from(self.graph.values.len()).ok().filter(|&n| (n as usize) < 8 * MAX_TENSORS);
        let id = ValueId(index.ok_or_else(|| Error::limit("a network of too many nodes"))?);
        self.graph.values.push(Value { name, constant: constant.map(Arc::new), declared: None });
        Ok(id)
    }

    /// Names and shapes of all tensors asked for, in the order of the network.
    pub fn wanted(self) -> Vec<(String, Vec<usize>)> {
        self.wanted
    }

    /// The graph, or `Malformed` with the names of the tensors that were missing, of a wrong shape, or left over.
    pub fn finish(self) -> Result<Graph> {
        let surplus = self.state.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
        let surplus: Vec<String> = surplus.map(|(name, t)| format!("{name} {:?}", t.shape())).collect();
        let sorts = [("missing", &self.missing), ("of a wrong shape or type", &self.wrong), ("surplus", &surplus)];
        let parts: Vec<String> =
            sorts.iter().filter(|(_, names)| !names.is_empty()).map(|(sort, names)| list(sort, names)).collect();
        if parts.is_empty() {
            return Ok(self.graph);
        }
        Err(Error::malformed(parts.join("; ")).at(format!("state dict for {}", self.graph.name)))
    }
}

fn list(sort: &str, names: &[String]) -> String {
    let shown = names.iter().take(MAX_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > MAX_SHOWN { format!(" and {} more", names.len() - MAX_SHOWN) } else { String::new() };
    format!("{} {sort}: {shown}{more}", names.len())
}

/// Refuses 0 (`InvalidInput`) and what no network has (`Limit`).
pub(super) fn check_size(what: &str, size: usize) -> Result<()> {
    match size {
        0 => Err(Error::invalid(format!("a size of 0 ({what})"))),
        1..=MAX_SIZE => Ok(()),
        _ => Err(Error::limit(format!("a size of {size} ({what}); {MAX_SIZE} is the most"))),
    }
}

/// Refuses a number of stages outside `least..=64`.
pub(super) fn check_stages(what: &str, stages: usize, least: usize) -> Result<()> {
    if stages < least {
        return Err(Error::invalid(format!("{stages} {what}; {least} is the least")));
    }
    if stages > MAX_STAGES {
        return Err(Error::limit(format!("{stages} {what}; {MAX_STAGES} is the most")));
    }
    Ok(())
}

/// Refuses a list of another length than `length`.
pub(super) fn check_length(what: &str, given: usize, length: usize) -> Result<()> {
    if given != length {
        return Err(Error::invalid(format!("{given} entries of {what}; {length} are needed")));
    }
    Ok(())
}
