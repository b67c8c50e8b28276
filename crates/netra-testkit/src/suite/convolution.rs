//! Convolution, transposed convolution, pooling and matrix product.

use netra_graph::{Activation, Conv, ConvTranspose, Kernel, Pool, UpsampledConv};

use super::{Case, EXACT, Operand, SUMS, w, x};

struct Geometry {
    spatial: &'static [usize],
    kernel: &'static [usize],
    strides: &'static [usize],
    pads: &'static [(usize, usize)],
    dilations: &'static [usize],
}

impl Geometry {
    fn conv_output(&self) -> Vec<usize> {
        (0..self.spatial.len())
            .map(|d| {
                let reach = (self.kernel[d] - 1) * self.dilations[d] + 1;
                (self.spatial[d] + self.pads[d].0 + self.pads[d].1 - reach) / self.strides[d] + 1
            })
            .collect()
    }

    fn transposed_output(&self) -> Vec<usize> {
        (0..self.spatial.len())
            .map(|d| {
                let reach = (self.kernel[d] - 1) * self.dilations[d] + 1;
                (self.spatial[d] - 1) * self.strides[d] + reach - self.pads[d].0 - self.pads[d].1
            })
            .collect()
    }
}

const GEOMETRIES: &[(&str, Geometry)] = &[
    ("1d-k3", g(&[17], &[3], &[1], &[(1, 1)], &[1])),
    ("1d-k3-s3", g(&[17], &[3], &[3], &[(0, 0)], &[1])),
    ("1d-k5-s2-d2", g(&[31], &[5], &[2], &[(2, 3)], &[2])),
    ("2d-k1", g(&[9, 13], &[1, 1], &[1, 1], &[(0, 0), (0, 0)], &[1, 1])),
    ("2d-k3", g(&[14, 35], &[3, 3], &[1, 1], &[(1, 1), (1, 1)], &[1, 1])),
    ("2d-k3-s2", g(&[15, 18], &[3, 3], &[2, 2], &[(1, 1), (1, 1)], &[1, 1])),
    ("2d-k7-s2", g(&[22, 23], &[7, 7], &[2, 2], &[(3, 3), (3, 3)], &[1, 1])),
    ("2d-k3x5-asymmetric", g(&[11, 12], &[3, 5], &[1, 2], &[(0, 2), (3, 1)], &[1, 1])),
    ("2d-k3-d3", g(&[16, 17], &[3, 3], &[1, 1], &[(3, 3), (3, 3)], &[3, 3])),
    ("2d-k2-valid", g(&[7, 6], &[2, 2], &[1, 1], &[(0, 0), (0, 0)], &[1, 1])),
    ("2d-k2-s2", g(&[9, 13], &[2, 2], &[2, 2], &[(0, 0), (0, 0)], &[1, 1])),
    ("2d-one-pixel", g(&[1, 1], &[3, 3], &[1, 1], &[(1, 1), (1, 1)], &[1, 1])),
    ("3d-k1", g(&[5, 6, 7], &[1, 1, 1], &[1, 1, 1], &[(0, 0), (0, 0), (0, 0)], &[1, 1, 1])),
    ("3d-k3", g(&[7, 9, 18], &[3, 3, 3], &[1, 1, 1], &[(1, 1), (1, 1), (1, 1)], &[1, 1, 1])),
    ("3d-k3-d4", g(&[10, 9, 19], &[3, 3, 3], &[1, 1, 1], &[(4, 4), (4, 4), (4, 4)], &[4, 4, 4])),
    ("3d-k3-s2", g(&[8, 9, 10], &[3, 3, 3], &[2, 2, 2], &[(1, 1), (1, 1), (1, 1)], &[1, 1, 1])),
    ("3d-k2-s2", g(&[6, 8, 10], &[2, 2, 2], &[2, 2, 2], &[(0, 0), (0, 0), (0, 0)], &[1, 1, 1])),
    ("3d-asymmetric", g(&[6, 7, 8], &[3, 2, 4], &[1, 2, 1], &[(0, 1), (1, 0), (2, 1)], &[1, 1, 1])),
    ("3d-k7-s2", g(&[13, 12, 14], &[7, 7, 7], &[2, 2, 2], &[(3, 3), (3, 3), (3, 3)], &[1, 1, 1])),
];

const fn g(
    spatial: &'static [usize],
    kernel: &'static [usize],
    strides: &'static [usize],
    pads: &'static [(usize, usize)],
    dilations: &'static [usize],
) -> Geometry {
    Geometry { spatial, kernel, strides, pads, dilations }
}

/// Channels in, channels out, groups.
const CHANNELS: &[(usize, usize, usize)] = &[(1, 5, 1), (3, 8, 1), (21, 18, 1), (6, 4, 2), (7, 7, 7), (4, 8, 4)];

fn shape(lead: &[usize], spatial: &[usize]) -> Vec<usize> {
    [lead, spatial].concat()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, geometry) in GEOMETRIES {
        for &(input, output, groups) in CHANNELS {
            cases.push(conv(name, geometry, input, output, groups, None, false));
        }
        cases.push(conv_transpose(name, geometry, 5, 6, 1));
        cases.push(conv_transpose(name, geometry, 6, 4, 2));
        if geometry.dilations.iter().all(|&d| d == 1) {
            cases.extend(pools(name, geometry));
        }
    }
    // More channels than any tile has, in and out, and sums of more than a thousand terms.
    if let Some((name, geometry)) = GEOMETRIES.iter().find(|(n, _)| *n == "2d-k3-s2") {
        cases.push(conv(name, geometry, 130, 140, 1, Some(Activation::Relu), true));
    }
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.01),
        Activation::Elu(1.0),
        Activation::Sigmoid,
        Activation::Silu,
        Activation::HardSwish,
        Activation::Clip(-0.25, 0.5),
    ] {
        for name in ["2d-k3", "3d-k3"] {
            if let Some((_, geometry)) = GEOMETRIES.iter().find(|(n, _)| *n == name) {
                cases.push(conv(name, geometry, 4, 9, 1, Some(activation), true));
            }
        }
    }
    cases.extend(upsampled());
    cases.extend(products());
    cases
}

fn conv(
    name: &str,
    geometry: &Geometry,
    input: usize,
    output: usize,
    groups: usize,
    activation: Option<Activation>,
    residual: bool,
) -> Case {
    let out = shape(&[2, output], &geometry.conv_output());
    let kernel = Kernel::Conv(Conv {
        strides: geometry.strides.to_vec(),
        pads: geometry.pads.to_vec(),
        dilations: geometry.dilations.to_vec(),
        groups,
        activation,
    });
    let operands = [
        x(&shape(&[2, input], geometry.spatial)),
        w(&shape(&[output, input / groups], geometry.kernel)),
        if output.is_multiple_of(2) { w(&[output]) } else { Operand::None },
        if residual { x(&out) } else { Operand::None },
    ];
    // Clip leaves the rounding of a sum as it is and cuts the range that it is measured against.
    let tolerance = if matches!(activation, Some(Activation::Clip(..))) { 4.0 * SUMS } else { SUMS };
    Case::single(format!("conv-{name}-{input}to{output}g{groups}-{activation:?}"), kernel, &operands, &out, tolerance)
}

fn conv_transpose(name: &str, geometry: &Geometry, input: usize, output: usize, groups: usize) -> Case {
    // A transposed convolution crops by its pads: keep to those that leave something.
    let out = shape(&[2, output], &geometry.transposed_output());
    let kernel = Kernel::ConvTranspose(ConvTranspose {
        strides: geometry.strides.to_vec(),
        pads: geometry.pads.iter().map(|&(a, b)| (a, b as isize)).collect(),
        dilations: geometry.dilations.to_vec(),
        groups,
        activation: (groups == 1).then_some(Activation::Relu),
    });
    let operands = [
        x(&shape(&[2, input], geometry.spatial)),
        w(&shape(&[input, output / groups], geometry.kernel)),
        if groups == 1 { w(&[output]) } else { Operand::None },
    ];
    Case::single(format!("conv-transpose-{name}-{input}to{output}g{groups}"), kernel, &operands, &out, SUMS)
}

/// Transposed convolutions with the convolution that reads what they make: kernels that are their stride, and one that is not.
fn upsampled() -> Vec<Case> {
    let pair = |spatial: &[usize], kernel: usize| {
        let n = spatial.len();
        let up: Vec<usize> = spatial.iter().map(|size| (size - 1) * 2 + kernel).collect();
        let (made, out) = (shape(&[1, 6], &up), shape(&[1, 5], &up));
        let (ones, pads) = (vec![1; n], vec![(0, 0); n]);
        let kernel_of = |edge: usize| vec![edge; n];
        let pair = UpsampledConv {
            up: ConvTranspose { strides: vec![2; n], pads, dilations: ones.clone(), groups: 1, activation: None },
            shape: made,
            conv: Conv {
                strides: ones.clone(),
                pads: vec![(1, 1); n],
                dilations: ones,
                groups: 1,
                activation: Some(Activation::Relu),
            },
        };
        let operands = [
            x(&shape(&[1, 4], spatial)),
            w(&shape(&[5, 6], &kernel_of(3))),
            w(&[5]),
            x(&out),
            w(&shape(&[4, 6], &kernel_of(kernel))),
            w(&[6]),
        ];
        Case::single(
            format!("upsampled-conv-{spatial:?}-k{kernel}"),
            Kernel::UpsampledConv(Box::new(pair)),
            &operands,
            &out,
            SUMS,
        )
    };
    vec![pair(&[5, 7], 2), pair(&[5, 4, 6], 2), pair(&[3, 4, 5], 3)]
}

fn pools(name: &str, geometry: &Geometry) -> Vec<Case> {
    // ONNX asks that padding be smaller than the kernel.
    if geometry.pads.iter().zip(geometry.kernel).any(|(p, &k)| p.0 >= k || p.1 >= k) {
        return Vec::new();
    }
    let pool = Pool {
        kernel: geometry.kernel.to_vec(),
        strides: geometry.strides.to_vec(),
        pads: geometry.pads.to_vec(),
        dilations: geometry.dilations.to_vec(),
    };
    let out = shape(&[2, 5], &geometry.conv_output());
    let input = [x(&shape(&[2, 5], geometry.spatial))];
    let average = |count_include_pad| Kernel::AveragePool { pool: pool.clone(), count_include_pad };
    vec![
        Case::single(format!("max-pool-{name}"), Kernel::MaxPool(pool.clone()), &input, &out, EXACT),
        Case::single(format!("average-pool-{name}"), average(false), &input, &out, SUMS),
        Case::single(format!("average-pool-{name}-with-pads"), average(true), &input, &out, SUMS),
    ]
}

fn products() -> Vec<Case> {
    let mut cases = Vec::new();
    let plain = |trans_a, trans_b| Kernel::MatMul { trans_a, trans_b, alpha: 0.5 };
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let a: &[usize] = if trans_a { &[33, 7] } else { &[7, 33] };
        let b: &[usize] = if trans_b { &[20, 33] } else { &[33, 20] };
        let name = format!("matmul-{trans_a}-{trans_b}");
        cases.push(Case::single(name.clone(), plain(trans_a, trans_b), &[x(a), w(b), w(&[20])], &[7, 20], SUMS));
        cases.push(Case::single(format!("{name}-inputs"), plain(trans_a, trans_b), &[x(a), x(b)], &[7, 20], SUMS));
    }
    let batched: [(&[usize], &[usize], &[usize]); 5] = [
        (&[3, 4, 9, 16], &[3, 4, 16, 11], &[3, 4, 9, 11]),
        (&[3, 1, 9, 16], &[4, 16, 11], &[3, 4, 9, 11]),
        (&[5, 9, 16], &[16, 11], &[5, 9, 11]),
        (&[9, 16], &[2, 16, 11], &[2, 9, 11]),
        (&[1, 1], &[1, 1], &[1, 1]),
    ];
    for (i, (a, b, out)) in batched.into_iter().enumerate() {
        cases.push(Case::single(format!("matmul-batched-{i}"), plain(false, false), &[x(a), x(b)], out, SUMS));
    }
    // Several chains of terms, panels and row blocks, none of them whole; batches that become rows.
    let long: [[&[usize]; 4]; 6] = [
        [&[37, 301], &[301, 131], &[131], &[37, 131]],
        [&[37, 301], &[301, 131], &[37, 1], &[37, 131]],
        [&[2, 19, 150], &[150, 67], &[2, 19, 67], &[2, 19, 67]],
        [&[23, 1, 130], &[130, 65], &[1, 1, 65], &[23, 1, 65]],
        [&[1, 700], &[700, 97], &[1], &[1, 97]],
        [&[40, 1024], &[1024, 20], &[20], &[40, 20]],
    ];
    for (i, [a, b, bias, out]) in long.into_iter().enumerate() {
        let name = format!("matmul-long-{i}");
        cases.push(Case::single(name.clone(), plain(false, false), &[x(a), w(b), w(bias)], out, SUMS));
        cases.push(Case::single(format!("{name}-inputs"), plain(false, false), &[x(a), x(b), x(bias)], out, SUMS));
    }
    let tall = plain(true, true);
    cases.push(Case::single("matmul-long-transposed", tall, &[x(&[261, 300]), x(&[50, 261])], &[300, 50], SUMS));
    cases
}
