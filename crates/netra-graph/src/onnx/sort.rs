//! Order and liveness of the nodes of one graph.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use rten_onnx::onnx::{GraphProto, NodeProto};

use crate::{Error, Result};

/// A node's name in messages and in the graph.
pub fn node_name(node: &NodeProto, index: usize) -> String {
    match node.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("{}#{index}", node.op_type.as_deref().unwrap_or("?")),
    }
}

/// Names that a graph uses but does not define, in the order of their first use: what a subgraph takes from around it.
pub fn free_names(graph: &GraphProto) -> Vec<&str> {
    let mut defined: HashSet<&str> = HashSet::new();
    defined.extend(graph.initializer.iter().filter_map(|t| t.name.as_deref()));
    defined.extend(graph.input.iter().filter_map(|v| v.name.as_deref()));
    defined.extend(graph.node.iter().flat_map(|n| &n.output).map(String::as_str));
    let mut seen = HashSet::new();
    let outputs = graph.output.iter().filter_map(|v| v.name.as_deref());
    graph
        .node
        .iter()
        .flat_map(uses)
        .chain(outputs)
        .filter(|name| !defined.contains(name) && seen.insert(*name))
        .collect()
}

/// Names that a node reads: its inputs, and what its subgraphs take from around them.
pub fn uses(node: &NodeProto) -> Vec<&str> {
    let inputs = node.input.iter().map(String::as_str).filter(|n| !n.is_empty());
    inputs.chain(node.attribute.iter().filter_map(|a| a.g.as_ref()).flat_map(free_names)).collect()
}

/// Indices of the live nodes of `graph` in a topological order that keeps the file's order where it can.
/// `given` are the names defined outside the nodes: inputs, initialisers and captures.
///
/// `Malformed` for a value with two producers, a value that nothing defines, and a cycle.
pub fn live_order(graph: &GraphProto, given: &HashSet<&str>) -> Result<Vec<usize>> {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (i, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if given.contains(output.as_str()) || producer.insert(output, i).is_some() {
                return Err(Error::malformed(format!("value '{output}' has two producers"))
                    .at(format!("node '{}'", node_name(node, i))));
            }
        }
    }
    let uses: Vec<Vec<&str>> = graph.node.iter().map(uses).collect();
    let mut waiting = vec![0usize; graph.node.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    for (i, names) in uses.iter().enumerate() {
        for name in names.iter().filter(|n| !given.contains(*n)) {
            let Some(&p) = producer.get(name) else {
                return Err(Error::malformed(format!("value '{name}' is defined nowhere"))
                    .at(format!("node '{}'", node_name(&graph.node[i], i))));
            };
            waiting[i] += 1;
            users[p].push(i);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..waiting.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &user in &users[i] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if let Some(i) = waiting.iter().position(|&n| n > 0) {
        return Err(Error::malformed("nodes form a cycle").at(format!("node '{}'", node_name(&graph.node[i], i))));
    }
    let mut live = vec![false; waiting.len()];
    let mut pending: Vec<usize> = Vec::new();
    for name in graph.output.iter().filter_map(|o| o.name.as_deref()).filter(|n| !given.contains(n)) {
        let p = producer.get(name).ok_or_else(|| Error::malformed(format!("output '{name}' is defined nowhere")))?;
        pending.push(*p);
    }
    while let Some(i) = pending.pop() {
        if !std::mem::replace(&mut live[i], true) {
            pending.extend(uses[i].iter().filter_map(|name| producer.get(name)));
        }
    }
    order.retain(|&i| live[i]);
    Ok(order)
}
