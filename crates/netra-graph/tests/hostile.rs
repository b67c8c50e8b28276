//! Hostile ONNX and safetensors bytes: always a typed error or a program, never a panic, in bounded time.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod measure;
mod writer;

use measure::{Worst, alone, bounded, mutant};
use netra_graph::{ErrorKind, Program, Result, eval, onnx, weights};
use writer::{
    Graph, Message, floats, graph_attribute, int_attribute, integers, ints_attribute, node, text_attribute, value,
};

/// Reads and specialises with a batch of 1.
fn build(bytes: &[u8]) -> Result<Program> {
    let graph = onnx::read_bytes(bytes, &onnx::ReadOptions::default())?;
    let shapes: Vec<Vec<usize>> = graph
        .input_values()
        .map(|v| {
            let dims = &v.declared.as_ref().unwrap().shape;
            dims.iter().map(|d| if let netra_graph::Dim::Known(n) = d { *n } else { 1 }).collect()
        })
        .collect();
    graph.specialise(&shapes)
}

#[track_caller]
fn refused(bytes: &[u8], kind: ErrorKind, words: &str) {
    let error = bounded(bytes.len(), || build(bytes)).expect_err("a hostile file was accepted");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// Reads, specialises, and where the result is small, runs.
fn use_up(bytes: &[u8], run: bool) -> bool {
    let Ok(program) = build(bytes) else { return false };
    for value in &program.values {
        assert!(value.constant.as_ref().is_none_or(|t| t.shape() == value.shape));
    }
    if run && program.values.iter().all(|v| v.elements() < 4096) {
        let inputs: Vec<_> = program
            .inputs
            .iter()
            .map(|&id| program.value(id))
            .filter(|v| v.dtype == netra_graph::DType::F32)
            .map(|v| netra_graph::Tensor::from_f32(v.shape.clone(), vec![0.5; v.elements()]).unwrap())
            .collect();
        let views: Vec<_> = inputs.iter().map(|t| t.view()).collect();
        let _ = eval::run(&program, &views);
    }
    true
}

/// A graph that is folded while it is read: sizes computed from constants, a loop, a branch.
fn folded() -> Vec<u8> {
    let value = |name: &str| Message::default().text(1, name);
    let body = Graph {
        nodes: vec![node("Add", &["v", "v"], &["w"], &[]), node("Identity", &["c"], &["d"], &[])],
        initialisers: vec![],
        inputs: ["i", "c", "v"].map(value).to_vec(),
        outputs: ["d", "w"].map(value).to_vec(),
    };
    let scalar = |name: &str, v: i64| Message::default().int(2, 7).text(8, name).bytes(9, &v.to_le_bytes());
    let nodes = [
        node("Range", &["from", "to", "by"], &["range"], &[]),
        node("Shape", &["x"], &["size"], &[]),
        node("Expand", &["range", "size"], &["wide"], &[]),
        node("Tile", &["wide", "twice"], &["tiled"], &[]),
        node("Pad", &["tiled", "pads"], &["padded"], &[text_attribute("mode", "constant")]),
        node("Gather", &["padded", "from"], &["row"], &[int_attribute("axis", 0)]),
        node("Loop", &["trips", "", "row"], &["sums"], &[graph_attribute("body", &body)]),
        node("Cast", &["sums"], &["real"], &[int_attribute("to", 1)]),
        node("ConstantOfShape", &["size"], &["zeros"], &[]),
        node("Unsqueeze", &["real", "axis"], &["row2"], &[]),
        node("Slice", &["row2", "axis", "four", "one"], &["part"], &[]),
        node("Add", &["zeros", "part"], &["moved"], &[]),
        node("Add", &["x", "moved"], &["y"], &[]),
    ];
    let constants = [
        scalar("from", 0),
        scalar("to", 4),
        scalar("by", 1),
        integers("twice", &[1, 2]),
        integers("pads", &[0, 1, 0, 1]),
        scalar("trips", 3),
        integers("axis", &[0]),
        integers("four", &[4]),
        integers("one", &[1]),
    ];
    Graph::simple(&[2, 4], &nodes, &constants).model(17)
}

fn onnx_mutants(count: usize) -> (Worst, usize) {
    let originals = [writer::network().model(17), folded()];
    assert!(build(&originals[0]).is_ok(), "{:?}", build(&originals[0]).err());
    let (mut worst, mut accepted) = (Worst::default(), 0);
    for number in 0..count {
        let bytes = mutant(&originals[number % 2], number);
        accepted += usize::from(worst.bounded(number, bytes.len(), || use_up(&bytes, number % 10 < 2)));
    }
    (worst, accepted)
}

fn safetensors_mutants(count: usize) -> (Worst, usize) {
    let header = r#"{"__metadata__":{"format":"pt"},"b.w":{"dtype":"F16","shape":[10,10],"data_offsets":[0,200]},"#
        .to_owned()
        + r#""a":{"dtype":"I64","shape":[1],"data_offsets":[200,208]},"c":{"dtype":"BOOL","shape":[],"data_offsets":[208,209]}}"#;
    let original = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[1; 209]].concat();
    assert_eq!(weights::from_bytes(&original).unwrap().len(), 3);
    let (mut worst, mut accepted) = (Worst::default(), 0);
    for number in 0..count {
        let bytes = mutant(&original, number);
        accepted += usize::from(worst.bounded(number, bytes.len(), || weights::from_bytes(&bytes)).is_ok());
    }
    (worst, accepted)
}

#[test]
fn mutants_of_networks_never_panic() {
    let _alone = alone();
    let (worst, accepted) = onnx_mutants(2_000);
    assert!((100..1900).contains(&accepted), "{accepted} accepted: too blunt or too mild, {worst:?}");
}

#[test]
fn mutants_of_safetensors_never_panic() {
    let _alone = alone();
    let (worst, accepted) = safetensors_mutants(2_000);
    assert!((100..1900).contains(&accepted), "{accepted} accepted: too blunt or too mild, {worst:?}");
}

/// The long run: `cargo test -p netra-graph --test hostile -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_mutants_never_panic() {
    let _alone = alone();
    let start = std::time::Instant::now();
    let (worst, accepted) = onnx_mutants(100_000);
    eprintln!("ONNX: {accepted} of 100,000 accepted in {:?}, {worst:?}", start.elapsed());
    let start = std::time::Instant::now();
    let (worst, accepted) = safetensors_mutants(100_000);
    eprintln!("safetensors: {accepted} of 100,000 accepted in {:?}, {worst:?}", start.elapsed());
}

#[test]
fn safetensors_headers_that_lie_are_refused() {
    let _alone = alone();
    let file = |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
    let one = |shape: &str, offsets: &str, data: &[u8]| {
        file(&format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#), data)
    };
    assert!(weights::from_bytes(&one("[1]", "[0,4]", &[0; 4])).is_ok());
    let deep = format!(r#"{{"a":{}}}"#, "[".repeat(100_000));
    let cases = [
        one("[2]", "[0,4]", &[0; 4]),
        one("[1]", "[0,8]", &[0; 8]),
        one("[1]", "[4,8]", &[0; 8]),
        one("[1]", "[0,4]", &[0; 3]),
        one("[1]", "[4,0]", &[0; 4]),
        one("[-1]", "[0,4]", &[0; 4]),
        one("[18446744073709551615,18446744073709551615]", "[0,4]", &[0; 4]),
        one("[1]", "[0,18446744073709551615]", &[0; 4]),
        file(r#"{"a":3}"#, &[]),
        file(&deep, &[]),
        [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
    ];
    for (case, bytes) in cases.iter().enumerate() {
        let error = bounded(bytes.len(), || weights::from_bytes(bytes)).expect_err("a lie was believed");
        assert_eq!(error.kind(), ErrorKind::Malformed, "case {case}: {error}");
    }
    // A header of sizes takes many times its bytes when parsed, so its length is limited.
    let long = one(&format!("[{}1]", "1,".repeat(4 << 20)), "[0,4]", &[0; 4]);
    assert_eq!(bounded(long.len(), || weights::from_bytes(&long)).unwrap_err().kind(), ErrorKind::Limit);
    let long = one(&format!("[{}1]", "1,".repeat(1_000_000)), "[0,4]", &[0; 4]);
    assert!(bounded(long.len(), || weights::from_bytes(&long)).is_ok());
}

#[test]
fn broken_wiring_is_malformed() {
    let _alone = alone();
    let relu = |x: &str, y: &str| node("Relu", &[x], &[y], &[]);
    let simple = |nodes: &[Message]| Graph::simple(&[1, 4], nodes, &[]).model(17);
    refused(&simple(&[relu("y", "a"), relu("a", "y")]), ErrorKind::Malformed, "cycle");
    refused(&simple(&[relu("ghost", "y")]), ErrorKind::Malformed, "'ghost' is defined nowhere");
    refused(&simple(&[relu("x", "y"), relu("x", "y")]), ErrorKind::Malformed, "two producers");
    refused(&simple(&[relu("x", "x"), relu("x", "y")]), ErrorKind::Malformed, "two producers");
    refused(&simple(&[relu("x", "z")]), ErrorKind::Malformed, "output 'y' is defined nowhere");
    refused(&simple(&[relu("", "y")]), ErrorKind::Malformed, "input");
    let mut twice = Graph::simple(&[1, 4], &[relu("x", "y")], &[]);
    twice.inputs.push(value("x", &[1, 4]));
    refused(&twice.model(17), ErrorKind::Malformed, "listed twice");
    let same = [floats("w", &[1], &[0.0]), floats("w", &[1], &[0.0])];
    refused(&Graph::simple(&[1], &[relu("x", "y")], &same).model(17), ErrorKind::Malformed, "two producers");
}

#[test]
fn operator_sets_and_operators_are_refused_by_name() {
    let _alone = alone();
    let graph = Graph::simple(&[1, 4], &[node("Relu", &["x"], &["y"], &[])], &[]);
    refused(&graph.model(0), ErrorKind::Unsupported, "operator set 0");
    refused(&graph.model(999), ErrorKind::Unsupported, "operator set 999");
    let odd = Graph::simple(&[1, 4], &[node("FancyOp", &["x"], &["y"], &[])], &[]);
    refused(&odd.model(17), ErrorKind::Unsupported, "operator FancyOp (node 'make-y'");
    let odd = Graph::simple(&[1, 4], &[node("Relu", &["x"], &["y"], &[int_attribute("fancy", 1)])], &[]);
    refused(&odd.model(17), ErrorKind::Unsupported, "unknown attribute 'fancy' (node 'make-y' (Relu)");
    let odd = Graph::simple(&[1, 4], &[node("Relu", &["x"], &["y"], &[]).text(7, "com.microsoft")], &[]);
    refused(&odd.model(17), ErrorKind::Unsupported, "operator com.microsoft.Relu");
    refused(b"", ErrorKind::Malformed, "operator set");
    refused(b"hello, world", ErrorKind::Malformed, "ONNX");
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn sizes_are_checked_before_anything_is_allocated() {
    let _alone = alone();
    let relu = node("Relu", &["x"], &["y"], &[]);
    let huge = Graph::simple(&[1], std::slice::from_ref(&relu), &[floats("w", &[1 << 40, 1 << 40], &[1.0])]);
    refused(&huge.model(17), ErrorKind::Limit, "initialiser 'w'");
    let short = Graph::simple(&[1], std::slice::from_ref(&relu), &[floats("w", &[1 << 40], &[1.0])]);
    refused(&short.model(17), ErrorKind::Malformed, "initialiser 'w'");
    let negative = Graph::simple(&[1], std::slice::from_ref(&relu), &[floats("w", &[-4], &[1.0])]);
    refused(&negative.model(17), ErrorKind::Malformed, "dimension -4");
    let wide = Graph::simple(&[1 << 40, 1 << 40], std::slice::from_ref(&relu), &[]);
    refused(&wide.model(17), ErrorKind::Limit, "shape");
    // A string that claims 2^50 bytes, and nested lengths that claim more than their parent.
    let mut liar = vec![0x12];
    liar.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]);
    refused(&liar, ErrorKind::Malformed, "length");
    let inner = Message::default().bytes(1, &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    refused(&Message::default().message(7, &inner).0, ErrorKind::Malformed, "length");
    // Expanding, tiling and ranges grow without bound; none of it is computed here.
    let shape = integers("shape", &[1 << 20, 1 << 20, 1 << 20]);
    let grow =
        |op: &str| Graph::simple(&[1, 1, 1], &[node(op, &["x", "shape"], &["y"], &[])], std::slice::from_ref(&shape));
    refused(&grow("Expand").model(17), ErrorKind::Limit, "Expand");
    refused(&grow("Tile").model(17), ErrorKind::Limit, "Tile");
    let ends: Vec<Message> = [("a", 0), ("b", i64::MAX), ("c", 1)]
        .map(|(name, v)| Message::default().int(2, 7).text(8, name).bytes(9, &v.to_le_bytes()))
        .into();
    let range = [node("Range", &["a", "b", "c"], &["r"], &[]), node("Reshape", &["x", "r"], &["y"], &[])];
    refused(&Graph::simple(&[1], &range, &ends).model(17), ErrorKind::Limit, "Range");
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn nesting_and_counts_are_bounded() {
    let _alone = alone();
    // 2,000 graphs inside each other: deep recursion would overflow the stack.
    let mut graph = Message::default();
    for _ in 0..2000 {
        let attribute = Message::default().text(1, "body").message(6, &graph).int(20, 5);
        let node = Message::default().text(4, "Loop").message(5, &attribute);
        graph = Message::default().message(1, &node);
    }
    refused(&Message::default().message(7, &graph).0, ErrorKind::Limit, "nested");
    let many = (0..600_000).fold(Message::default(), |m, _| m.bytes(1, &[]));
    refused(&Message::default().message(7, &many).0, ErrorKind::Limit, "too many");
    // Loops whose bodies do nothing.
    let idle = Graph {
        inputs: ["i", "c", "v"].map(|n| Message::default().text(1, n)).to_vec(),
        outputs: ["c", "v"].map(|n| Message::default().text(1, n)).to_vec(),
        ..Graph::default()
    };
    let name = |i: usize| if i == 0 { "x".to_owned() } else { format!("v{i}") };
    let mut nodes: Vec<Message> = (0..400)
        .map(|i| node("Loop", &["trips", "", &name(i)], &[&name(i + 1)], &[graph_attribute("body", &idle)]))
        .collect();
    nodes.push(node("Relu", &[&name(400)], &["y"], &[]));
    refused(
        &Graph::simple(&[1, 2], &nodes, &[integers("trips", &[4000])]).model(17),
        ErrorKind::Limit,
        "too many nodes",
    );
    // A tensor with 100,000 axes.
    let axes = vec![1i64; 100_000];
    let squeeze = [node("Squeeze", &["w"], &["s"], &[]), node("Add", &["x", "s"], &["y"], &[])];
    let deep = Graph::simple(&[1], &squeeze, &[floats("w", &axes, &[1.0])]);
    refused(&deep.model(17), ErrorKind::Limit, "axes");
    let listed: Vec<i64> = (0..100_000).collect();
    let unsqueeze = Graph::simple(&[1], &[node("Unsqueeze", &["x", "a"], &["y"], &[])], &[integers("a", &listed)]);
    refused(&unsqueeze.model(17), ErrorKind::Limit, "axes");
    let parts = int_attribute("num_outputs", 1 << 30);
    let split = Graph::simple(&[1 << 30], &[node("Split", &["x"], &["y"], &[parts])], &[]);
    refused(&split.model(18), ErrorKind::Malformed, "num_outputs");
    // A loop of loops of loops.
    let once = |inner: Option<Graph>| {
        let step = match inner {
            Some(inner) => node("Loop", &["trips", "", "v"], &["w"], &[graph_attribute("body", &inner)]),
            None => node("Relu", &["v"], &["w"], &[]),
        };
        Graph {
            nodes: vec![step, node("Identity", &["c"], &["d"], &[])],
            initialisers: vec![],
            inputs: ["i", "c", "v"].map(|n| Message::default().text(1, n)).to_vec(),
            outputs: ["d", "w"].map(|n| Message::default().text(1, n)).to_vec(),
        }
    };
    let body = once(Some(once(Some(once(None)))));
    let outer = node("Loop", &["trips", "", "x"], &["y"], &[graph_attribute("body", &body)]);
    let graph = Graph::simple(&[1, 2], &[outer], &[integers("trips", &[1000])]);
    refused(&graph.model(17), ErrorKind::Limit, "too many nodes");
}

#[test]
fn bad_parameters_name_their_node() {
    let _alone = alone();
    let one = |op: &str, inputs: &[&str], attributes: &[Message], constants: &[Message]| {
        Graph::simple(&[1, 3, 8, 8], &[node(op, inputs, &["y"], attributes)], constants).model(17)
    };
    let weights = floats("w", &[2, 3, 3, 3], &[0.0; 54]);
    let conv = |a: Message| one("Conv", &["x", "w"], &[a], std::slice::from_ref(&weights));
    refused(&conv(ints_attribute("strides", &[0, 1])), ErrorKind::Malformed, "'strides' holds 0 (node 'make-y' (Conv)");
    refused(&conv(ints_attribute("pads", &[1, 1])), ErrorKind::Malformed, "pads");
    refused(&conv(ints_attribute("dilations", &[i64::MAX, 1])), ErrorKind::Limit, "dilations");
    refused(&conv(ints_attribute("dilations", &[9, 9])), ErrorKind::Malformed, "window");
    refused(&conv(int_attribute("group", 2)), ErrorKind::Malformed, "groups");
    refused(&one("Concat", &["x", "x"], &[int_attribute("axis", -5)], &[]), ErrorKind::Malformed, "axis -5");
    refused(&one("Transpose", &["x"], &[ints_attribute("perm", &[0, 1, 2, 2])], &[]), ErrorKind::Malformed, "perm");
    refused(&one("Softmax", &["x"], &[int_attribute("axis", i64::MIN)], &[]), ErrorKind::Malformed, "axis");
    let target = |v: &[i64]| integers("t", v);
    refused(&one("Reshape", &["x", "t"], &[], &[target(&[-1, -1])]), ErrorKind::Malformed, "Reshape");
    refused(&one("Reshape", &["x", "t"], &[], &[target(&[7])]), ErrorKind::Malformed, "Reshape");
    refused(&one("Gather", &["x", "t"], &[], &[target(&[5])]), ErrorKind::Malformed, "Gather");
    refused(&one("Squeeze", &["x", "t"], &[], &[target(&[1])]), ErrorKind::Malformed, "Squeeze");
    refused(&one("Reshape", &["x", "x"], &[], &[]), ErrorKind::Malformed, "Reshape");
    let unknown = node("Cast", &["x"], &["i"], &[int_attribute("to", 7)]);
    let flat = node("Reshape", &["i", "t"], &["j"], &[]);
    let reshape = node("Reshape", &["x", "j"], &["y"], &[]);
    let runtime = Graph::simple(&[1, 3], &[unknown, flat, reshape], &[target(&[3])]);
    refused(&runtime.model(17), ErrorKind::Unsupported, "the target shape is not constant (node 'make-y' (Reshape)");
}

#[test]
fn what_fuzzing_found_is_refused_or_read() {
    let _alone = alone();
    // A mask without axes.
    let mask = Message::default().int(2, 9).text(8, "m").bytes(9, &[0]);
    let attention = node("Attention", &["x", "x", "x", "m"], &["y"], &[]);
    refused(&Graph::simple(&[1, 2, 3, 4], &[attention], &[mask]).model(23), ErrorKind::Malformed, "mask");
    // No elements, and no raw data that would say so.
    for data_type in [12, 13] {
        let empty = Message::default().ints(1, &[0]).int(2, data_type).text(8, "e");
        let nodes = [
            node("Cast", &["e"], &["f"], &[int_attribute("to", 1)]),
            node("Concat", &["x", "f"], &["y"], &[int_attribute("axis", 0)]),
        ];
        let file = Graph::simple(&[4], &nodes, &[empty]).model(17);
        assert!(bounded(file.len(), || build(&file)).is_ok(), "{:?}", build(&file).err());
    }
}
