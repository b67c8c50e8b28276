//! `GraphProto` to [`Graph`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rten_onnx::onnx::{DataType, GraphProto, NodeProto, ValueInfoProto};

use super::attributes::Attributes;
use super::source::TensorData;
use super::{early, ops, sort, tensor};
use crate::{Dim, Error, Graph, Narrow, Node, Result, Subgraph, Tensor, TensorType, Value, ValueId};

/// The graph of a model.
pub fn read_main(proto: GraphProto, opset: i64, data: &mut dyn TensorData) -> Result<Graph> {
    let graph = Reader::read(&proto, &[], opset, data)?;
    for &id in &graph.inputs {
        let value = graph.value(id);
        if value.declared.is_none() {
            return Err(Error::unsupported("an input without a declared shape").at(format!("input '{}'", value.name)));
        }
    }
    if graph.outputs.is_empty() {
        return Err(Error::malformed("the graph has no outputs"));
    }
    Ok(graph)
}

/// A graph while it is read.
pub struct Reader<'a> {
    graph: Graph,
    names: HashMap<String, ValueId>,
    /// Values whose element type in the file is narrower than the one that holds them.
    narrow: HashMap<ValueId, Narrow>,
    pub opset: i64,
    pub data: &'a mut dyn TensorData,
}

impl<'a> Reader<'a> {
    fn read(proto: &GraphProto, captures: &[Capture<'_>], opset: i64, data: &'a mut dyn TensorData) -> Result<Graph> {
        let initialisers: HashSet<_> = proto.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
        let mut reader = Self { graph: Graph::default(), names: HashMap::new(), narrow: HashMap::new(), opset, data };
        for t in &proto.initializer {
            let name = t.name.as_deref().unwrap_or_default();
            let place = |e: Error| e.at(format!("initialiser '{name}'"));
            let tensor = tensor::read(t, reader.data).map_err(place)?;
            let id = reader.define(name, Some(tensor), None).map_err(place)?;
            reader.holds(id, tensor::narrow(t.data_type.unwrap_or(DataType(0))));
            reader.graph.initialisers.push(id);
        }
        for info in &proto.input {
            // Before IR version 4 every initialiser is listed as an input too; it stays a constant.
            let name = info.name.as_deref().unwrap_or_default();
            if !reader.names.contains_key(name) {
                let declared = declared(info).map_err(|e| e.at(format!("input '{name}'")))?;
                let id = reader.define(name, None, declared)?;
                reader.holds(id, element(info).and_then(tensor::narrow));
                reader.graph.inputs.push(id);
            } else if !initialisers.contains(name) {
                return Err(Error::malformed(format!("input '{name}' is listed twice")));
            }
        }
        for &(name, narrow) in captures {
            let id = reader.define(name, None, None)?;
            reader.holds(id, narrow);
            reader.graph.inputs.push(id);
        }
        let given: HashSet<&str> = reader.names.keys().map(String::as_str).collect();
        let order = sort::live_order(proto, &given)?;
        for i in order {
            let node = &proto.node[i];
            let name = sort::node_name(node, i);
            let place = format!("node '{name}' ({})", node.op_type.as_deref().unwrap_or_default());
            reader.node(name, node).map_err(|e| e.at(place))?;
        }
        for info in &proto.output {
            let name = info.name.as_deref().unwrap_or_default();
            let id = reader.resolve(name)?;
            let declared = declared(info).map_err(|e| e.at(format!("output '{name}'")))?;
            let value = &mut reader.graph.values[id.index()];
            if value.declared.is_none() {
                value.declared = declared;
            }
            reader.graph.outputs.push(id);
        }
        Ok(reader.graph)
    }

    fn define(&mut self, name: &str, constant: Option<Tensor>, declared: Option<TensorType>) -> Result<ValueId> {
        let id = u32::try_from(self.graph.values.len()).map_err(|_| Error::limit("too many values"))?;
        if name.is_empty() {
            return Err(Error::malformed("a value has no name"));
        }
        if self.names.insert(name.to_owned(), ValueId(id)).is_some() {
            return Err(Error::malformed(format!("value '{name}' has two producers")));
        }
        self.graph.values.push(Value { name: name.to_owned(), constant: constant.map(Arc::new), declared });
        Ok(ValueId(id))
    }

    /// The element type in the file, where it is known to be narrower than the one that holds the value.
    pub fn narrow(&self, id: ValueId) -> Option<Narrow> {
        self.narrow.get(&id).copied()
    }

    fn holds(&mut self, id: ValueId, narrow: Option<Narrow>) {
        if let Some(narrow) = narrow {
            self.narrow.insert(id, narrow);
        }
    }

    fn resolve(&self, name: &str) -> Result<ValueId> {
        let id = self.names.get(name);
        id.copied().ok_or_else(|| Error::malformed(format!("value '{name}' is defined nowhere")))
    }

    /// A constant that an attribute of an older operator set turned into.
    pub fn parameter(&mut self, node: &str, what: &str, tensor: Tensor) -> ValueId {
        let id = ValueId(self.graph.values.len() as u32);
        let name = format!("{node}:{what}");
        self.graph.values.push(Value { name, constant: Some(Arc::new(tensor)), declared: None });
        id
    }

    /// A graph inside a node.
    pub fn subgraph(&mut self, proto: &GraphProto) -> Result<Subgraph> {
        let free = sort::free_names(proto);
        let captures = free.iter().map(|name| self.resolve(name)).collect::<Result<Vec<_>>>()?;
        let outer: Vec<Capture<'_>> = free.into_iter().zip(captures.iter().map(|&id| self.narrow(id))).collect();
        let graph = Reader::read(proto, &outer, self.opset, self.data)?;
        Ok(Subgraph { graph: Arc::new(graph), captures })
    }

    fn node(&mut self, name: String, proto: &NodeProto) -> Result<()> {
        let op_type = proto.op_type.as_deref().unwrap_or_default();
        if !matches!(proto.domain.as_deref(), None | Some("" | "ai.onnx")) {
            let domain = proto.domain.as_deref().unwrap_or_default();
            return Err(Error::unsupported(format!("operator {domain}.{op_type}")));
        }
        if self.opset < 7 && !early::unchanged(op_type, self.opset) {
            return Err(Error::unsupported(format!("operator {op_type} of operator set {}", self.opset)));
        }
        let attributes = Attributes::new(&proto.attribute)?;
        let inputs = proto.input.iter().map(|n| if n.is_empty() { Ok(None) } else { self.resolve(n).map(Some) });
        let mut inputs = inputs.collect::<Result<Vec<_>>>()?;
        if op_type == "Constant" {
            let tensor = ops::constant(&attributes, self.data)?;
            let narrow = attributes.tensor("value")?.and_then(|t| tensor::narrow(t.data_type.unwrap_or(DataType(0))));
            attributes.finish()?;
            let [output] = proto.output.as_slice() else {
                return Err(Error::malformed("a Constant has one output"));
            };
            let id = self.define(output, Some(tensor), None)?;
            self.holds(id, narrow);
            return Ok(());
        }
        let mut node = ops::NodeReader { name: &name, op_type, attributes, inputs: &mut inputs, reader: self };
        let op = ops::read(&mut node)?;
        let ops::NodeReader { attributes, .. } = node;
        attributes.finish()?;
        while inputs.last().is_some_and(Option::is_none) {
            inputs.pop();
        }
        let define = |n: &String| if n.is_empty() { Ok(None) } else { self.define(n, None, None).map(Some) };
        let outputs = proto.output.iter().map(define).collect::<Result<Vec<_>>>()?;
        if let Some(narrow) = ops::narrow_result(&op, |i| self.narrow(inputs.get(i).copied().flatten()?)) {
            outputs.iter().flatten().for_each(|&id| self.holds(id, Some(narrow)));
        }
        self.graph.nodes.push(Node { name, op, inputs, outputs });
        Ok(())
    }
}

/// A name that a subgraph takes from around it, and the narrow element type of the value.
type Capture<'n> = (&'n str, Option<Narrow>);

fn element(info: &ValueInfoProto) -> Option<DataType> {
    info.r#type.as_ref()?.tensor_type.as_ref()?.elem_type
}

fn declared(info: &ValueInfoProto) -> Result<Option<TensorType>> {
    let Some(t) = &info.r#type else { return Ok(None) };
    let Some(tensor) = &t.tensor_type else {
        return Err(Error::unsupported("a value that is no tensor"));
    };
    let Some(element) = tensor.elem_type else { return Ok(None) };
    let dtype = tensor::dtype(element)?;
    let Some(shape) = &tensor.shape else { return Ok(None) };
    let shape = shape
        .dim
        .iter()
        .map(|d| match (d.dim_value, &d.dim_param) {
            // Some exporters write -1 or 0 where they mean unknown.
            (Some(v), _) if v > 0 => {
                usize::try_from(v).map(Dim::Known).map_err(|_| Error::limit(format!("dimension {v}")))
            }
            (_, name) => Ok(Dim::Symbol(name.clone().unwrap_or_default())),
        })
        .collect::<Result<_>>()?;
    Ok(Some(TensorType { dtype, shape }))
}
