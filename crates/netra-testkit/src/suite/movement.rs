//! Kernels that move elements, and resampling.

use netra_graph::{Coordinates, Data, Kernel, Nearest, PadMode, Resize, ResizeMode};

use super::{Case, EXACT, FUNCTIONS, Operand, tensor, w, x};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::single("reshape", Kernel::Reshape, &[x(&[2, 3, 4])], &[6, 1, 4], EXACT),
        Case::single("reshape-empty", Kernel::Reshape, &[x(&[0, 4])], &[2, 0], EXACT),
        Case::single("concat-channels", Kernel::Concat { axis: 1 }, &[x(&[2, 3, 5]), x(&[2, 1, 5])], &[2, 4, 5], EXACT),
        Case::single("concat-last", Kernel::Concat { axis: 2 }, &[x(&[2, 3, 5]), w(&[2, 3, 2])], &[2, 3, 7], EXACT),
        Case::single("concat-first", Kernel::Concat { axis: 0 }, &[x(&[1, 3]), x(&[2, 3]), x(&[3, 3])], &[6, 3], EXACT),
        Case::single("expand", Kernel::Expand, &[x(&[3, 1, 2])], &[4, 3, 5, 2], EXACT),
        Case::single("expand-scalar", Kernel::Expand, &[x(&[])], &[2, 3], EXACT),
    ];
    for perm in [vec![0, 1, 2, 3], vec![0, 2, 3, 1], vec![3, 2, 1, 0], vec![1, 0, 3, 2]] {
        let shape = [2, 3, 4, 5];
        let out: Vec<usize> = perm.iter().map(|&p| shape[p]).collect();
        cases.push(Case::single(format!("transpose-{perm:?}"), Kernel::Transpose { perm }, &[x(&shape)], &out, EXACT));
    }
    let six = Kernel::Transpose { perm: vec![0, 1, 3, 5, 2, 4] };
    cases.push(Case::single("transpose-rank-6", six, &[x(&[1, 2, 3, 2, 2, 4])], &[1, 2, 2, 4, 3, 2], EXACT));
    let slices: [(&[usize], &[isize], &[usize]); 4] = [
        (&[0, 1, 2], &[1, 1, 1], &[2, 2, 3]),
        (&[1, 0, 0], &[1, 2, 3], &[1, 2, 2]),
        (&[1, 2, 4], &[-1, -1, -2], &[2, 3, 2]),
        (&[0, 0, 5], &[1, 1, 1], &[2, 3, 0]),
    ];
    for (i, (starts, steps, out)) in slices.into_iter().enumerate() {
        let kernel = Kernel::Slice { starts: starts.to_vec(), steps: steps.to_vec() };
        cases.push(Case::single(format!("slice-{i}"), kernel, &[x(&[2, 3, 5])], out, EXACT));
    }
    for mode in [PadMode::Constant(-1.5), PadMode::Reflect, PadMode::Edge] {
        let kernel = Kernel::Pad { pads: vec![(0, 0), (1, 2), (3, 0), (0, 2)], mode };
        cases.push(Case::single(format!("pad-{mode:?}"), kernel, &[x(&[2, 3, 4, 5])], &[2, 6, 7, 7], EXACT));
    }
    for (axis, indices, out) in [
        (0, tensor(&[3], Data::I64(vec![2, 0, -1])), vec![3, 3, 4]),
        (1, tensor(&[2, 2], Data::I64(vec![0, 1, 2, -3])), vec![5, 2, 2, 4]),
        (2, tensor(&[], Data::I64(vec![1])), vec![5, 3]),
    ] {
        let operands = [x(&[5, 3, 4]), Operand::Weight(indices)];
        cases.push(Case::single(format!("gather-{axis}"), Kernel::Gather { axis }, &operands, &out, EXACT));
    }
    let condition = Operand::Input(tensor(&[2, 1], Data::Bool(vec![true, false])));
    cases.push(Case::single("where", Kernel::Where, &[condition, x(&[2, 3]), x(&[1])], &[2, 3], EXACT));
    cases.extend(resizes());
    cases
}

fn resizes() -> Vec<Case> {
    let modes = [
        ResizeMode::Nearest(Nearest::RoundPreferFloor),
        ResizeMode::Nearest(Nearest::RoundPreferCeil),
        ResizeMode::Nearest(Nearest::Floor),
        ResizeMode::Nearest(Nearest::Ceil),
        ResizeMode::Linear,
        ResizeMode::Cubic { a: -0.75 },
        ResizeMode::Cubic { a: -0.5 },
    ];
    let coordinates = [
        Coordinates::HalfPixel,
        Coordinates::HalfPixelSymmetric,
        Coordinates::PytorchHalfPixel,
        Coordinates::AlignCorners,
        Coordinates::Asymmetric,
    ];
    let shapes: [(&[usize], &[usize]); 5] = [
        (&[1, 2, 9], &[1, 2, 18]),
        (&[2, 3, 6, 5], &[2, 3, 12, 15]),
        (&[1, 2, 8, 10], &[1, 2, 4, 5]),
        (&[1, 2, 3, 37], &[1, 2, 6, 74]),
        (&[1, 3, 4, 5, 6], &[1, 3, 8, 10, 12]),
    ];
    let mut cases = Vec::new();
    for (mode_index, mode) in modes.into_iter().enumerate() {
        for coordinates in coordinates {
            for (input, output) in shapes {
                let cubic = matches!(mode, ResizeMode::Cubic { .. });
                if cubic && input.len() == 5 {
                    continue; // ONNX defines cubic for two spatial axes.
                }
                let scales = input.iter().zip(output).map(|(&i, &o)| o as f32 / i as f32).collect();
                let tolerance = if matches!(mode, ResizeMode::Nearest(_)) { EXACT } else { FUNCTIONS };
                let name = format!("resize-{mode_index}-{mode:?}-{coordinates:?}-{input:?}");
                let kernel = Kernel::Resize(Resize::new(mode, coordinates, scales));
                cases.push(Case::single(name, kernel, &[x(input)], output, tolerance));
            }
        }
    }
    cases
}
