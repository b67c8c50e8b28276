use super::*;
use netra_graph::{Activation, Binary, Kernel, ProgramBuilder, Unary};

#[test]
fn a_chain_of_unary_steps_needs_one_buffer() {
    let mut b = ProgramBuilder::new();
    let mut x = b.input("x", DType::F32, &[4, 8]);
    for _ in 0..5 {
        x = b.step("relu", Kernel::Unary(Unary::Activation(Activation::Relu)), &[Some(x)], DType::F32, &[4, 8]);
    }
    let memory = Memory::new(&b.finish(vec![x]), &[]);
    assert_eq!((memory.arena, memory.bytes()), (0, 4 * 8 * 4));
    // The caller's input is never written over.
    assert_eq!(memory.in_place, [None, Some(0), Some(0), Some(0), Some(0)]);
}

#[test]
fn a_value_that_is_read_again_is_not_written_over() {
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[16]);
    let y = b.step("exp", Kernel::Unary(Unary::Exp), &[Some(x)], DType::F32, &[16]);
    let shaped = b.step("reshape", Kernel::Reshape, &[Some(y)], DType::F32, &[4, 4]);
    let z = b.step("neg", Kernel::Unary(Unary::Neg), &[Some(y)], DType::F32, &[16]);
    let w = b.step("abs", Kernel::Unary(Unary::Abs), &[Some(shaped)], DType::F32, &[4, 4]);
    let square = b.step("square", Kernel::Binary(Binary::Mul), &[Some(z), Some(z)], DType::F32, &[16]);
    let memory = Memory::new(&b.finish(vec![w, square]), &[]);
    // `neg` must leave `y` to `abs`, which sees it through the reshape and is its last reader; a product of a value
    // with itself is not in place.
    assert_eq!(memory.in_place, [None, None, None, Some(0), None]);
    assert_eq!(memory.places[y.index()], memory.places[shaped.index()]);
    assert_ne!(memory.places[y.index()], memory.places[z.index()]);
}

#[test]
fn memory_is_used_again_after_the_last_read() {
    let mut b = ProgramBuilder::new();
    let mut x = b.input("x", DType::F32, &[1, 64]);
    for i in 0..6 {
        let size = 64 - 8 * i;
        x = b.step("pad", Kernel::Transpose { perm: vec![1, 0] }, &[Some(x)], DType::F32, &[1, size]);
    }
    let memory = Memory::new(&b.finish(vec![x]), &[]);
    // Two take turns; one of them may use the buffer of the output, which is too small for the largest.
    assert!(memory.bytes() <= (64 + 64 + 24) * 4, "{}", memory.bytes());
    assert_eq!(memory.outputs.len(), 1);
}

/// The span of a value.
fn span(memory: &Memory, id: netra_graph::ValueId) -> Span {
    let Place::Buffer(span) = memory.places[id.index()] else { panic!("{:?}", memory.places[id.index()]) };
    span
}

fn relu(b: &mut ProgramBuilder, x: netra_graph::ValueId, channels: usize) -> netra_graph::ValueId {
    // Not in place: a transposition, say.
    b.step("step", Kernel::Transpose { perm: vec![0, 1, 2] }, &[Some(x)], DType::F32, &[1, channels, 16])
}

#[test]
fn parts_are_written_where_they_are_joined() {
    // A dense block: each concatenation extends the one before.
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 4, 16]);
    let first = relu(&mut b, x, 4);
    let mut joined = first;
    let mut channels = 4;
    let mut parts = vec![first];
    for _ in 0..3 {
        let more = relu(&mut b, joined, 2);
        parts.push(more);
        channels += 2;
        let axis = Kernel::Concat { axis: 1 };
        joined = b.step("join", axis, &[Some(joined), Some(more)], DType::F32, &[1, channels, 16]);
    }
    let program = b.finish(vec![joined]);
    let memory = Memory::new(&program, &[]);
    let whole = span(&memory, joined);
    assert_eq!(memory.bytes(), whole.bytes, "one growing buffer, which the caller gets");
    let mut start = 0;
    for part in parts {
        assert_eq!((span(&memory, part).buffer, span(&memory, part).start), (whole.buffer, start));
        start += span(&memory, part).bytes;
    }
}

#[test]
fn a_part_that_is_joined_twice_is_copied_once() {
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 4, 16]);
    let part = relu(&mut b, x, 4);
    let inputs = [Some(part), Some(x), Some(part)];
    let joined = b.step("join", Kernel::Concat { axis: 1 }, &inputs, DType::F32, &[1, 12, 16]);
    let memory = Memory::new(&b.finish(vec![joined]), &[]);
    assert_eq!(memory.joins, [false, true]);
    assert_eq!(span(&memory, part).start, 0);
    assert_eq!(memory.places[x.index()], Place::Input(0));
}

#[test]
fn a_long_lived_part_stays_outside_where_that_needs_less() {
    // The skip connection waits while the middle needs much: held together with the empty other half, it would raise the
    // peak.
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 4, 16]);
    let skip = relu(&mut b, x, 4);
    let wide = relu(&mut b, skip, 64);
    let wide = relu(&mut b, wide, 64);
    let late = relu(&mut b, wide, 16);
    let inputs = [Some(skip), Some(late)];
    let joined = b.step("join", Kernel::Concat { axis: 1 }, &inputs, DType::F32, &[1, 20, 16]);
    let out = relu(&mut b, joined, 1);
    let memory = Memory::new(&b.finish(vec![out]), &[]);
    assert!(memory.bytes() <= (64 + 64 + 4 + 1) * 64, "{}", memory.bytes());
    assert_eq!(span(&memory, late).start, span(&memory, joined).start + 4 * 64);
    assert!(!span(&memory, skip).meets(span(&memory, joined)));
}
