//! Operators that select, place and convert: what ONNX's own node tests leave out. Expected values are worked out by hand.
#![allow(clippy::unwrap_used)]

mod writer;

use netra_graph::{Data, Error, ErrorKind, Program, Tensor, eval, onnx};
use writer::{
    Graph, Message, floats, graph_attribute, int_attribute, integers, ints_attribute, node, tensor, text_attribute,
    value,
};

fn read(bytes: &[u8]) -> netra_graph::Result<netra_graph::Graph> {
    onnx::read_bytes(bytes, &onnx::ReadOptions::default())
}

/// All outputs, given all inputs, of the program as lowered and as optimised, which must agree.
#[track_caller]
fn run(graph: &Graph, opset: i64, inputs: &[Tensor]) -> Vec<Tensor> {
    let graph = read(&graph.model(opset)).unwrap();
    let shapes: Vec<_> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let all = |program: Program| eval::run(&program, &views).unwrap();
    let (plain, fast) = (all(graph.lower(&shapes).unwrap()), all(graph.specialise(&shapes).unwrap()));
    assert_eq!(plain, fast);
    fast
}

#[track_caller]
fn refused(graph: &Graph, opset: i64, shape: &[usize]) -> Error {
    let specialise = |graph: netra_graph::Graph| graph.specialise(&[shape.to_vec()]);
    read(&graph.model(opset)).and_then(specialise).expect_err("accepted")
}

fn t(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values.to_vec()).unwrap()
}

fn boxes(consumer: Option<Message>) -> Graph {
    let inputs = &["b", "s", "most", "overlap", "least"];
    let mut nodes = vec![node("NonMaxSuppression", inputs, &[if consumer.is_some() { "found" } else { "y" }], &[])];
    nodes.extend(consumer);
    Graph {
        nodes,
        initialisers: vec![integers("most", &[3]), floats("overlap", &[1], &[0.5]), floats("least", &[1], &[0.2])],
        inputs: vec![value("b", &[1, 3, 4]), value("s", &[1, 1, 3])],
        outputs: vec![value("y", &[])],
    }
}

#[test]
fn selected_boxes_end_where_the_scores_do() {
    let b = t(&[1, 3, 4], &[0., 0., 1., 1., 0., 0., 1., 0.9, 4., 4., 5., 5.]);
    let found = run(&boxes(None), 17, &[b.clone(), t(&[1, 1, 3], &[0.5, 0.8, 0.3])]).remove(0);
    assert_eq!((found.shape(), found.to_i64s().unwrap()), (&[2, 3][..], vec![0, 0, 1, 0, 0, 2]));
    let none = run(&boxes(None), 17, &[b, t(&[1, 1, 3], &[0.1, 0.2, 0.0])]).remove(0);
    assert_eq!(none.shape(), [0, 3]);
}

#[test]
fn what_depends_on_data_is_for_outputs_alone() {
    for consumer in ["Shape", "Neg"] {
        let graph = read(&boxes(Some(node(consumer, &["found"], &["y"], &[]))).model(17)).unwrap();
        let error = graph.specialise(&[vec![1, 3, 4], vec![1, 1, 3]]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("depends on data"), "{error}");
    }
    let unique = Graph::simple(&[3], &[node("Unique", &["x"], &["y"], &[])], &[]);
    assert!(refused(&unique, 17, &[3]).to_string().contains("depends"));
}

#[test]
fn places_of_what_is_not_zero() {
    let graph = Graph::simple(&[2, 2], &[node("NonZero", &["x"], &["y"], &[])], &[]);
    let found = run(&graph, 17, &[t(&[2, 2], &[0.0, 3.0, -1.0, 0.0])]).remove(0);
    assert_eq!((found.shape(), found.to_i64s().unwrap()), (&[2, 2][..], vec![0, 1, 1, 0]));
    // Of a constant the size is known, so that the network may go on with it.
    let constant = [floats("c", &[4], &[0.0, 2.0, 0.0, 4.0])];
    let nodes = [
        node("NonZero", &["c"], &["places"], &[]),
        node("Squeeze", &["places", "zero"], &["list"], &[]),
        node("Gather", &["x", "list"], &["y"], &[]),
    ];
    let graph = Graph::simple(&[4], &nodes, &[&constant[..], &[integers("zero", &[0])]].concat());
    let picked = run(&graph, 17, &[t(&[4], &[5.0, 6.0, 7.0, 8.0])]).remove(0);
    assert_eq!(picked.as_f32().unwrap(), [6.0, 8.0]);
}

#[test]
fn a_scan_may_go_backwards_along_any_axis() {
    let body = Graph {
        nodes: vec![node("Add", &["sum", "each"], &["next"], &[]), node("Mul", &["next", "two"], &["out"], &[])],
        initialisers: vec![floats("two", &[], &[2.0])],
        inputs: vec![value("sum", &[2]), value("each", &[2])],
        outputs: vec![value("next", &[2]), value("out", &[2])],
    };
    let attributes = [
        graph_attribute("body", &body),
        int_attribute("num_scan_inputs", 1),
        ints_attribute("scan_input_axes", &[1]),
        ints_attribute("scan_input_directions", &[1]),
        ints_attribute("scan_output_axes", &[-1]),
    ];
    let mut graph = Graph::simple(
        &[2, 3],
        &[node("Scan", &["start", "x"], &["last", "y"], &attributes)],
        &[floats("start", &[2], &[0.0, 10.0])],
    );
    graph.outputs.insert(0, value("last", &[]));
    let results = run(&graph, 17, &[t(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
    assert_eq!(results[0], t(&[2], &[6.0, 25.0]));
    assert_eq!(results[1], t(&[2, 3], &[6.0, 10.0, 12.0, 32.0, 42.0, 50.0]));
}

#[test]
fn narrow_types_are_unpacked_and_rounded_to() {
    // Int4 (22) holds its first element in the low bits; float8e4m3fn (17) 0x38 is 1, 0xb8 is -1.
    let weights = [tensor("i", &[3], 22, &[0x8f, 0x07]), tensor("f", &[2], 17, &[0x38, 0xb8])];
    let nodes = [
        node("Cast", &["i"], &["wide"], &[int_attribute("to", 1)]),
        node("Add", &["x", "wide"], &["sum"], &[]),
        // The moved tensor is still one of 8-bit floats.
        node("Unsqueeze", &["f", "zero"], &["moved"], &[]),
        node("CastLike", &["sum", "moved"], &["y"], &[]),
    ];
    let graph = Graph::simple(&[3], &nodes, &[&weights[..], &[integers("zero", &[0])]].concat());
    let y = run(&graph, 23, &[t(&[3], &[1.0, 8.3, 1e6])]).remove(0);
    assert_eq!(y.as_f32().unwrap(), [0.0, 0.3125, 448.0]);
    let short = Graph::simple(&[1], &[node("Add", &["x", "i"], &["y"], &[])], &[tensor("i", &[3], 22, &[0x8f])]);
    assert_eq!(refused(&short, 23, &[1]).kind(), ErrorKind::Malformed);
}

#[test]
fn padding_may_be_a_value_that_the_network_computes() {
    let pads = [integers("p", &[1, 1])];
    let nodes = [node("ReduceMax", &["x"], &["top"], &[]), node("Pad", &["x", "p", "top"], &["y"], &[])];
    let y = run(&Graph::simple(&[2], &nodes, &pads), 18, &[t(&[2], &[4.0, 9.0])]).remove(0);
    assert_eq!(y.as_f32().unwrap(), [9.0, 4.0, 9.0, 9.0]);
}

#[test]
fn indices_may_come_from_the_network() {
    // Of both scattered, with an index from TopK.
    let nodes = [
        node("TopK", &["x", "k"], &["best", "at"], &[]),
        node("ScatterElements", &["x", "at", "best"], &["y"], &[text_attribute("reduction", "add")]),
    ];
    let graph = Graph::simple(&[4], &nodes, &[integers("k", &[2])]);
    let y = run(&graph, 18, &[t(&[4], &[1.0, 7.0, 3.0, 5.0])]).remove(0);
    assert_eq!(y.as_f32().unwrap(), [1.0, 14.0, 3.0, 10.0]);
}

#[test]
fn exponents_have_a_type_of_their_own() {
    let cast = |to: i64| int_attribute("to", to);
    let nodes = [
        node("Cast", &["x"], &["whole"], &[cast(6)]),
        node("Pow", &["whole", "half"], &["root"], &[]),
        node("Cast", &["root"], &["y"], &[cast(1)]),
    ];
    let graph = Graph::simple(&[2], &nodes, &[floats("half", &[], &[0.5])]);
    let y = run(&graph, 17, &[t(&[2], &[9.0, 17.0])]).remove(0);
    assert_eq!(y.as_f32().unwrap(), [3.0, 4.0]);
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn sizes_that_a_parameter_states_are_bounded() {
    let huge = i64::MAX / 16;
    let one_hot = |depth: i64| {
        let nodes = [node("OneHot", &["x", "depth", "values"], &["y"], &[])];
        Graph::simple(&[2], &nodes, &[integers("depth", &[depth]), floats("values", &[2], &[0.0, 1.0])])
    };
    assert_eq!(refused(&one_hot(huge), 13, &[2]).kind(), ErrorKind::Limit);
    // Fits an address space, but no list of its positions is made.
    assert_eq!(refused(&one_hot(1 << 40), 13, &[2]).kind(), ErrorKind::Limit);
    assert_eq!(refused(&one_hot(-1), 13, &[2]).kind(), ErrorKind::Malformed);
    let eye = [node("ConstantOfShape", &["s"], &["c"], &[]), node("EyeLike", &["c"], &["y"], &[])];
    let eye = Graph::simple(&[2], &eye, &[integers("s", &[1 << 40, 3])]);
    assert_eq!(refused(&eye, 13, &[2]).kind(), ErrorKind::Limit);
    let top = Graph::simple(&[2], &[node("TopK", &["x", "k"], &["v", "y"], &[])], &[integers("k", &[3])]);
    assert_eq!(refused(&top, 13, &[2]).kind(), ErrorKind::Malformed);
    let crop = Graph::simple(&[2], &[node("CenterCropPad", &["x", "s"], &["y"], &[])], &[integers("s", &[i64::MAX])]);
    assert_eq!(refused(&crop, 18, &[2]).kind(), ErrorKind::Limit);
    let body = Graph {
        nodes: vec![node("Neg", &["each"], &["out"], &[])],
        inputs: vec![value("each", &[])],
        outputs: vec![value("out", &[])],
        ..Graph::default()
    };
    let attributes = [graph_attribute("body", &body), int_attribute("num_scan_inputs", 1)];
    let scan = Graph::simple(&[-1], &[node("Scan", &["x"], &["y"], &attributes)], &[]);
    assert_eq!(refused(&scan, 17, &[1 << 30]).kind(), ErrorKind::Limit);
}

#[test]
fn indices_outside_are_errors_when_they_are_met() {
    let at = [integers("at", &[0, 5])];
    let gather = [node("GatherElements", &["x", "at"], &["y"], &[])];
    let graph = read(&Graph::simple(&[2], &gather, &at).model(17)).unwrap();
    let program = graph.specialise(&[vec![2]]);
    let error = program.and_then(|p| eval::run(&p, &[t(&[2], &[1.0, 2.0]).view()])).unwrap_err();
    assert!(error.to_string().contains("index 5 of 2"), "{error}");
    let compress = [node("Compress", &["x", "c"], &["y"], &[int_attribute("axis", 0)])];
    let long = tensor("c", &[3], 9, &[1, 0, 1]);
    assert_eq!(refused(&Graph::simple(&[2], &compress, &[long]), 17, &[2]).kind(), ErrorKind::Malformed);
}

#[test]
fn the_mask_of_dropout_is_all_ones() {
    let mut graph = Graph::simple(&[2], &[node("Dropout", &["x"], &["y", "mask"], &[])], &[]);
    graph.outputs.push(value("mask", &[]));
    let results = run(&graph, 13, &[t(&[2], &[1.0, 2.0])]);
    assert_eq!(results[1].data(), &Data::Bool(vec![true, true]));
}
