//! A tiny writer of ONNX files: just enough protobuf to state graphs in tests.
#![allow(dead_code)] // Each test binary uses its own part.

/// A message under construction.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Message {
    pub fn int(mut self, field: u64, value: i64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value as u64);
        self
    }

    pub fn float(mut self, field: u64, value: f32) -> Self {
        varint(&mut self.0, field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    pub fn ints(self, field: u64, values: &[i64]) -> Self {
        values.iter().fold(self, |m, &v| m.int(field, v))
    }
}

/// A tensor of float32 (data type 1) in raw form.
pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, dims, 1, &raw)
}

/// A tensor of int64 (data type 7) in raw form.
pub fn integers(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 7, &raw)
}

pub fn tensor(name: &str, dims: &[i64], data_type: i64, raw: &[u8]) -> Message {
    Message::default().ints(1, dims).int(2, data_type).text(8, name).bytes(9, raw)
}

/// A float32 value with known sizes; -1 is the symbol `n`.
pub fn value(name: &str, dims: &[i64]) -> Message {
    let shape = dims.iter().fold(Message::default(), |m, &d| {
        let dim = if d < 0 { Message::default().text(2, "n") } else { Message::default().int(1, d) };
        m.message(1, &dim)
    });
    let tensor_type = Message::default().int(1, 1).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor_type))
}

pub fn int_attribute(name: &str, value: i64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, 2)
}

pub fn float_attribute(name: &str, value: f32) -> Message {
    Message::default().text(1, name).float(2, value).int(20, 1)
}

pub fn text_attribute(name: &str, value: &str) -> Message {
    Message::default().text(1, name).text(4, value).int(20, 3)
}

pub fn ints_attribute(name: &str, values: &[i64]) -> Message {
    Message::default().text(1, name).ints(8, values).int(20, 7)
}

pub fn floats_attribute(name: &str, values: &[f32]) -> Message {
    values.iter().fold(Message::default().text(1, name), |m, &v| m.float(7, v)).int(20, 6)
}

pub fn graph_attribute(name: &str, graph: &Graph) -> Message {
    Message::default().text(1, name).message(6, &graph.message()).int(20, 5)
}

/// `op(inputs) -> outputs`, named after its first output.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Message]) -> Message {
    let m = inputs.iter().fold(Message::default(), |m, i| m.text(1, i));
    let m = outputs.iter().fold(m, |m, o| m.text(2, o));
    let m = m.text(3, &format!("make-{}", outputs.first().unwrap_or(&"nothing"))).text(4, op);
    attributes.iter().fold(m, |m, a| m.message(5, a))
}

/// The parts of a graph.
#[derive(Clone, Default)]
pub struct Graph {
    pub nodes: Vec<Message>,
    pub initialisers: Vec<Message>,
    pub inputs: Vec<Message>,
    pub outputs: Vec<Message>,
}

impl Graph {
    fn message(&self) -> Message {
        let parts = [(1, &self.nodes), (5, &self.initialisers), (11, &self.inputs), (12, &self.outputs)];
        let all = parts.into_iter().flat_map(|(field, list)| list.iter().map(move |m| (field, m)));
        all.fold(Message::default(), |m, (field, part)| m.message(field, part))
    }

    /// The bytes of a model.
    pub fn model(&self, opset: i64) -> Vec<u8> {
        let import = Message::default().text(1, "").int(2, opset);
        Message::default().int(1, 8).message(7, &self.message()).message(8, &import).0
    }

    /// One input `x`, one output `y`, and the nodes between.
    pub fn simple(dims: &[i64], nodes: &[Message], initialisers: &[Message]) -> Self {
        Self {
            nodes: nodes.to_vec(),
            initialisers: initialisers.to_vec(),
            inputs: vec![value("x", dims)],
            outputs: vec![value("y", &[])],
        }
    }
}

/// A small network with most that a reader meets: convolution, batch normalisation, shape arithmetic, resampling.
pub fn network() -> Graph {
    let weights: Vec<f32> = (0..54).map(|i| (i % 7) as f32 / 7.0 - 0.4).collect();
    let conv = [ints_attribute("pads", &[1, 1, 1, 1]), ints_attribute("kernel_shape", &[3, 3])];
    Graph::simple(
        &[-1, 3, 8, 8],
        &[
            node("Conv", &["x", "w", "b"], &["c"], &conv),
            node("BatchNormalization", &["c", "s", "t", "m", "v"], &["n"], &[float_attribute("epsilon", 1e-3)]),
            node("Relu", &["n"], &["r"], &[]),
            node(
                "MaxPool",
                &["r"],
                &["p"],
                &[ints_attribute("kernel_shape", &[2, 2]), ints_attribute("strides", &[2, 2])],
            ),
            node("Resize", &["p", "", "scales"], &["u"], &[text_attribute("mode", "linear")]),
            node("Concat", &["u", "r"], &["k"], &[int_attribute("axis", 1)]),
            node("Shape", &["k"], &["shape"], &[]),
            node("Slice", &["shape", "zero", "two"], &["head"], &[]),
            node("Concat", &["head", "rest"], &["target"], &[int_attribute("axis", 0)]),
            node("Reshape", &["k", "target"], &["flat"], &[]),
            node("ReduceMean", &["flat"], &["mean"], &[ints_attribute("axes", &[2]), int_attribute("keepdims", 0)]),
            node("Softmax", &["mean"], &["y"], &[int_attribute("axis", -1)]),
        ],
        &[
            floats("w", &[2, 3, 3, 3], &weights),
            floats("b", &[2], &[0.1, -0.2]),
            floats("s", &[2], &[1.5, 0.5]),
            floats("t", &[2], &[0.0, 0.3]),
            floats("m", &[2], &[0.2, 0.1]),
            floats("v", &[2], &[1.0, 2.0]),
            floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]),
            integers("zero", &[0]),
            integers("two", &[2]),
            integers("rest", &[-1]),
        ],
    )
}
