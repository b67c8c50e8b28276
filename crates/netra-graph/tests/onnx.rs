//! What ONNX means: older operator sets, parameters that are inputs, control flow, names and declared shapes. Expected
//! values are worked out by hand.
#![allow(clippy::unwrap_used)]

mod writer;

use netra_graph::{DType, ErrorKind, Op, Program, Tensor, eval, onnx};
use writer::{
    Graph, Message, float_attribute, floats, floats_attribute, graph_attribute, int_attribute, integers,
    ints_attribute, node, tensor, text_attribute, value,
};

fn read(bytes: &[u8]) -> netra_graph::Result<netra_graph::Graph> {
    onnx::read_bytes(bytes, &onnx::ReadOptions::default())
}

/// The output of a graph with one input, unoptimised and optimised, which must agree.
#[track_caller]
fn run(graph: &Graph, opset: i64, x: Tensor) -> Tensor {
    let graph = read(&graph.model(opset)).unwrap();
    let shapes = [x.shape().to_vec()];
    let all = |program: Program| eval::run(&program, &[x.view()]).unwrap().remove(0);
    let (plain, fast) = (all(graph.lower(&shapes).unwrap()), all(graph.specialise(&shapes).unwrap()));
    assert_eq!(plain, fast);
    fast
}

/// `0, 1, 2 ...` in the given shape.
fn count(shape: &[usize]) -> Tensor {
    Tensor::from_f32(shape, (0..shape.iter().product()).map(|i| i as f32).collect()).unwrap()
}

fn t(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values.to_vec()).unwrap()
}

#[test]
fn attributes_that_became_inputs_mean_the_same() {
    let old = |op: &str, attributes: &[Message]| Graph::simple(&[2, 3], &[node(op, &["x"], &["y"], attributes)], &[]);
    let new = |op: &str, inputs: &[&str], constants: &[Message]| {
        Graph::simple(&[2, 3], &[node(op, inputs, &["y"], &[])], constants)
    };
    let axes = || integers("a", &[1]);
    let x = || count(&[2, 3]);
    let pairs = [
        (old("ReduceSum", &[ints_attribute("axes", &[1])]), 11, new("ReduceSum", &["x", "a"], &[axes()]), 13),
        (old("ReduceMax", &[ints_attribute("axes", &[1])]), 13, new("ReduceMax", &["x", "a"], &[axes()]), 18),
        (old("Unsqueeze", &[ints_attribute("axes", &[1])]), 7, new("Unsqueeze", &["x", "a"], &[axes()]), 21),
        (
            old("Slice", &[ints_attribute("starts", &[1]), ints_attribute("ends", &[9]), ints_attribute("axes", &[1])]),
            9,
            new("Slice", &["x", "a", "e", "a"], &[axes(), integers("e", &[9])]),
            10,
        ),
        (
            old("Clip", &[float_attribute("min", 1.5), float_attribute("max", 3.5)]),
            7,
            new("Clip", &["x", "lo", "hi"], &[floats("lo", &[], &[1.5]), floats("hi", &[], &[3.5])]),
            11,
        ),
        (
            old("Pad", &[ints_attribute("pads", &[0, 1, 1, 0]), float_attribute("value", 9.0)]),
            10,
            new("Pad", &["x", "p", "v"], &[integers("p", &[0, 1, 1, 0]), floats("v", &[], &[9.0])]),
            11,
        ),
    ];
    let expected = [
        t(&[2, 1], &[3.0, 12.0]),
        t(&[2, 1], &[2.0, 5.0]),
        count(&[2, 1, 3]),
        t(&[2, 2], &[1.0, 2.0, 4.0, 5.0]),
        t(&[2, 3], &[1.5, 1.5, 2.0, 3.0, 3.5, 3.5]),
        t(&[3, 4], &[9.0, 0.0, 1.0, 2.0, 9.0, 3.0, 4.0, 5.0, 9.0, 9.0, 9.0, 9.0]),
    ];
    for ((old, before, new, after), expected) in pairs.into_iter().zip(expected) {
        assert_eq!(run(&old, before, x()), expected);
        assert_eq!(run(&new, after, x()), expected);
    }
}

#[test]
fn softmax_before_13_takes_all_later_axes_together() {
    let graph = |opset| {
        let softmax = node("Softmax", &["x"], &["y"], &[int_attribute("axis", 1)]);
        run(&Graph::simple(&[1, 2, 2], &[softmax], &[]), opset, t(&[1, 2, 2], &[0.0; 4]))
    };
    assert_eq!(graph(11), t(&[1, 2, 2], &[0.25; 4]));
    assert_eq!(graph(13), t(&[1, 2, 2], &[0.5; 4]));
}

#[test]
fn upsample_and_old_resize_round_down_when_enlarging_and_up_when_reducing() {
    let scales = floats_attribute("scales", &[1.0, 1.0, 2.0]);
    let upsample = Graph::simple(&[1, 1, 3], &[node("Upsample", &["x"], &["y"], &[scales])], &[]);
    assert_eq!(run(&upsample, 7, count(&[1, 1, 3])), t(&[1, 1, 6], &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]));
    let resize = node("Resize", &["x", "s"], &["y"], &[text_attribute("mode", "nearest")]);
    let resize = Graph::simple(&[1, 1, 4], &[resize], &[floats("s", &[3], &[1.0, 1.0, 0.6])]);
    assert_eq!(run(&resize, 10, count(&[1, 1, 4])), t(&[1, 1, 2], &[0.0, 2.0]));
}

#[test]
fn shape_arithmetic_folds_away() {
    let nodes = [
        node("Shape", &["x"], &["shape"], &[]),
        node("Gather", &["shape", "first"], &["n"], &[int_attribute("axis", 0)]),
        node("Unsqueeze", &["n", "zero"], &["head"], &[]),
        node("Concat", &["head", "rest"], &["target"], &[int_attribute("axis", 0)]),
        node("Reshape", &["x", "target"], &["r"], &[]),
        node("Relu", &["r"], &["y"], &[]),
    ];
    let first = tensor("first", &[], 7, &0i64.to_le_bytes());
    let constants = [first, integers("zero", &[0]), integers("rest", &[2, -1])];
    let graph = Graph::simple(&[-1, 4], &nodes, &constants);
    assert_eq!(run(&graph, 17, count(&[3, 4])), count(&[3, 2, 2]));
    let program = read(&graph.model(17)).unwrap().specialise(&[vec![3, 4]]).unwrap();
    assert_eq!(program.steps.len(), 2);
}

#[test]
fn constant_conditions_choose_a_branch_and_constant_loops_unroll() {
    let body = |op: &str| Graph {
        nodes: vec![node(op, &["x", "two"], &["z"], &[])],
        outputs: vec![Message::default().text(1, "z")],
        ..Graph::default()
    };
    let choose = node(
        "If",
        &["c"],
        &["y"],
        &[graph_attribute("then_branch", &body("Add")), graph_attribute("else_branch", &body("Mul"))],
    );
    for (condition, expected) in [(1u8, [2.0, 3.0]), (0, [0.0, 2.0])] {
        let constants = [tensor("c", &[], 9, &[condition]), floats("two", &[], &[2.0])];
        let graph = Graph::simple(&[2], std::slice::from_ref(&choose), &constants);
        assert_eq!(run(&graph, 17, count(&[2])), t(&[2], &expected));
    }
    // Three turns of `v = v + x`, and each turn's index kept: y = v + sum of indices.
    let body = Graph {
        nodes: vec![
            node("Identity", &["go"], &["on"], &[]),
            node("Add", &["v", "x"], &["w"], &[]),
            node("Cast", &["i"], &["f"], &[int_attribute("to", 1)]),
        ],
        inputs: ["i", "go", "v"].map(|n| Message::default().text(1, n)).to_vec(),
        outputs: ["on", "w", "f"].map(|n| Message::default().text(1, n)).to_vec(),
        ..Graph::default()
    };
    let nodes = [
        node("Loop", &["trips", "", "x"], &["last", "turns"], &[graph_attribute("body", &body)]),
        node("ReduceSum", &["turns"], &["sum"], &[int_attribute("keepdims", 0)]),
        node("Add", &["last", "sum"], &["y"], &[]),
    ];
    let graph = Graph::simple(&[2], &nodes, &[tensor("trips", &[], 7, &3i64.to_le_bytes())]);
    assert_eq!(run(&graph, 17, count(&[2])), t(&[2], &[3.0, 7.0]));
}

#[test]
fn dead_nodes_are_dropped_whatever_they_are() {
    let nodes = [node("Dubious", &["x"], &["unused"], &[]), node("Relu", &["x"], &["y"], &[])];
    let graph = read(&Graph::simple(&[2], &nodes, &[]).model(17)).unwrap();
    assert_eq!(graph.op_histogram(), [("Relu", 1)]);
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let nodes =
        [node("Add", &["b", "a"], &["y"], &[]), node("Neg", &["a"], &["b"], &[]), node("Exp", &["x"], &["a"], &[])];
    let graph = read(&Graph::simple(&[2], &nodes, &[]).model(17)).unwrap();
    let order: Vec<_> = graph.nodes.iter().map(|n| n.op.name()).collect();
    assert_eq!(order, ["Exp", "Neg", "Add"]);
}

#[test]
fn every_output_keeps_its_name_even_when_it_is_an_input_or_twice_the_same() {
    let nodes = [
        node("Identity", &["x"], &["same"], &[]),
        node("Relu", &["x"], &["one"], &[]),
        node("Identity", &["one"], &["two"], &[]),
        node("Identity", &["w"], &["fixed"], &[]),
    ];
    let mut graph = Graph::simple(&[2], &nodes, &[floats("w", &[1], &[5.0])]);
    graph.outputs = ["same", "one", "two", "fixed"].map(|n| value(n, &[])).to_vec();
    let program = read(&graph.model(17)).unwrap().specialise(&[vec![2]]).unwrap();
    let names: Vec<_> = program.outputs.iter().map(|&id| program.value(id).name.as_str()).collect();
    assert_eq!(names, ["same", "one", "two", "fixed"]);
    assert_eq!(program.value(program.inputs[0]).name, "x");
    let outputs = eval::run(&program, &[t(&[2], &[-1.0, 1.0]).view()]).unwrap();
    assert_eq!(outputs[0], t(&[2], &[-1.0, 1.0]));
    assert_eq!(outputs[1], outputs[2]);
    assert_eq!(outputs[3], t(&[1], &[5.0]));
}

#[test]
fn element_types_of_initialisers() {
    let halves: Vec<u8> = [0x3c00u16, 0xc000].iter().flat_map(|v| v.to_le_bytes()).collect();
    let brains: Vec<u8> = [0x3f80u16, 0xc000].iter().flat_map(|v| v.to_le_bytes()).collect();
    let doubles: Vec<u8> = [1.0f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let shorts: Vec<u8> = [1i16, -2].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (data_type, raw) in [(10, halves), (16, brains), (11, doubles), (5, shorts), (3, vec![1, 0xfe])] {
        let nodes = [node("Cast", &["w"], &["f"], &[int_attribute("to", 1)]), node("Add", &["x", "f"], &["y"], &[])];
        let graph = Graph::simple(&[2], &nodes, &[tensor("w", &[2], data_type, &raw)]);
        assert_eq!(run(&graph, 17, t(&[2], &[0.0; 2])), t(&[2], &[1.0, -2.0]), "data type {data_type}");
    }
    // Packed typed fields: float_data and int32_data.
    let packed: Vec<u8> = [3.0f32, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let typed = Message::default().ints(1, &[2]).int(2, 1).bytes(4, &packed).text(8, "w");
    let graph = Graph::simple(&[2], &[node("Add", &["x", "w"], &["y"], &[])], &[typed]);
    assert_eq!(run(&graph, 17, t(&[2], &[0.0; 2])), t(&[2], &[3.0, 4.0]));
    let text = Graph::simple(&[2], &[node("Add", &["x", "w"], &["y"], &[])], &[tensor("w", &[2], 8, &[])]);
    let error = read(&text.model(17)).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("STRING"), "{error}");
}

#[test]
fn declared_shapes_are_kept_to() {
    let mut graph = Graph::simple(&[-1, 2], &[node("Add", &["x", "z"], &["y"], &[])], &[]);
    graph.inputs.push(value("z", &[-1, 2]));
    let graph = read(&graph.model(17)).unwrap();
    assert_eq!(graph.value(graph.inputs[0]).declared.as_ref().unwrap().to_string(), "float32 [n, 2]");
    let kind = |a: &[usize], b: &[usize]| graph.specialise(&[a.to_vec(), b.to_vec()]).map(drop).map_err(|e| e.kind());
    assert_eq!(kind(&[3, 2], &[3, 2]), Ok(()));
    for (a, b) in [(&[3, 2][..], &[4, 2][..]), (&[3, 3], &[3, 3]), (&[3, 2, 1], &[3, 2]), (&[0, 2], &[3, 2])] {
        assert_eq!(kind(a, b), Err(ErrorKind::InvalidInput), "{a:?} {b:?}");
    }
    assert_eq!(graph.specialise(&[vec![1, 2]]).unwrap_err().kind(), ErrorKind::InvalidInput);
    // Nothing plus nothing is nothing: no step is left.
    let program = graph.specialise(&[vec![0, 2], vec![0, 2]]).unwrap();
    assert!(program.steps.is_empty());
    assert_eq!(program.value(program.outputs[0]).shape, [0, 2]);
}

#[test]
fn transposed_convolution_takes_its_output_padding_off_the_end() {
    let attributes =
        [ints_attribute("strides", &[2]), ints_attribute("pads", &[1, 0]), ints_attribute("output_padding", &[1])];
    let up = node("ConvTranspose", &["x", "w"], &["y"], &attributes);
    let graph = Graph::simple(&[1, 1, 3], &[up], &[floats("w", &[1, 1, 2], &[1.0, 10.0])]);
    // Scattered: 1 10 2 20 3 30 (+ 0), the first one cut.
    assert_eq!(run(&graph, 17, t(&[1, 1, 3], &[1.0, 2.0, 3.0])), t(&[1, 1, 6], &[10.0, 2.0, 20.0, 3.0, 30.0, 0.0]));
}

#[test]
fn einstein_sums_of_one_and_two_operands() {
    let sum = |equation: &str, inputs: &[&str], w: Message| {
        let einsum = node("Einsum", inputs, &["y"], &[text_attribute("equation", equation)]);
        run(&Graph::simple(&[2, 3], &[einsum], &[w]), 17, count(&[2, 3]))
    };
    let w = || floats("w", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(sum("ij,jk->ki", &["x", "w"], w()), t(&[2, 2], &[2.0, 8.0, 3.0, 9.0]));
    assert_eq!(sum("ij, jk", &["x", "w"], w()), t(&[2, 2], &[2.0, 3.0, 8.0, 9.0]));
    assert_eq!(sum("ij,jk->i", &["x", "w"], w()), t(&[2], &[5.0, 17.0]));
    assert_eq!(sum("ij,ji->ij", &["x", "w"], w()), t(&[2, 3], &[0.0, 0.0, 2.0, 0.0, 4.0, 5.0]));
    assert_eq!(sum("ij->ji", &["x"], w()), t(&[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    assert_eq!(sum("ij->", &["x"], w()), t(&[], &[15.0]));
}

#[test]
fn scattered_rows_replace_those_of_the_data() {
    let indices = tensor("i", &[2, 1], 7, &[1i64, -2].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let updates = floats("u", &[2, 2], &[7.0, 8.0, 9.0, 10.0]);
    let graph = Graph::simple(&[3, 2], &[node("ScatterND", &["x", "i", "u"], &["y"], &[])], &[indices, updates]);
    // Both name row 1: the later one wins.
    assert_eq!(run(&graph, 17, count(&[3, 2])), t(&[3, 2], &[0.0, 1.0, 9.0, 10.0, 4.0, 5.0]));
}

#[test]
fn integer_results_stay_integers() {
    let nodes = [
        node("ArgMax", &["x"], &["i"], &[int_attribute("axis", 1), int_attribute("keepdims", 0)]),
        node("Neg", &["i"], &["y"], &[]),
    ];
    let graph = read(&Graph::simple(&[2, 3], &nodes, &[]).model(17)).unwrap();
    let program = graph.specialise(&[vec![2, 3]]).unwrap();
    assert_eq!(program.value(program.outputs[0]).dtype, DType::I64);
    let y = eval::run(&program, &[count(&[2, 3]).view()]).unwrap();
    assert_eq!(y[0], Tensor::from_i64s(&[-2, -2]));
}

#[test]
fn early_operator_sets_keep_what_never_changed() {
    let graph = |op: &str| Graph::simple(&[2, 3], &[node(op, &["x"], &["y"], &[])], &[]);
    assert_eq!(run(&graph("Relu"), 6, t(&[2, 3], &[-1.0, 2.0, -3.0, 4.0, -5.0, 6.0])), {
        t(&[2, 3], &[0.0, 2.0, 0.0, 4.0, 0.0, 6.0])
    });
    let error = read(&graph("Relu").model(5)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "operator Relu of operator set 5"));
    let add = Graph::simple(&[2, 3], &[node("Add", &["x", "x"], &["y"], &[])], &[]);
    assert_eq!(read(&add.model(6)).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// One of the places of an operator; `docs/adding-an-operator.md` names them all.
#[test]
fn the_reader_knows_every_operator() {
    let bare = |op: &str| Graph::simple(&[2, 3], &[node(op, &[], &["y"], &[])], &[]).model(onnx::OPSETS.1);
    let unknown = |op: &&str| read(&bare(op)).is_err_and(|e| e.message() == format!("operator {op}"));
    assert!(unknown(&"FancyOp"));
    assert_eq!(Op::names().into_iter().filter(unknown).collect::<Vec<_>>(), Vec::<&str>::new());
}
