//! Programs of one convolution.
#![allow(dead_code)] // Each test file uses a part of it.

use netra_graph::{Activation, Conv, DType, Kernel, Program, ProgramBuilder, Tensor, ValueId};

/// A convolution with bias and LeakyRelu.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `N, C, spatial...`.
    pub x: Vec<usize>,
    /// Output channels.
    pub filters: usize,
    /// Sizes of the kernel.
    pub kernel: Vec<usize>,
    /// The same along every axis.
    pub stride: usize,
    /// The same along every axis.
    pub dilation: usize,
    /// Zeros at both ends of every axis on which the kernel is longer than 1.
    pub pad: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Whether a tensor is added before the activation.
    pub residual: bool,
}

impl Layer {
    /// One group, no stride, no dilation.
    pub fn new(x: &[usize], filters: usize, kernel: &[usize], pad: usize) -> Self {
        let (x, kernel) = (x.to_vec(), kernel.to_vec());
        Self { x, filters, kernel, stride: 1, dilation: 1, pad, groups: 1, residual: false }
    }

    /// The program.
    pub fn program(&self) -> Program {
        let mut b = ProgramBuilder::new();
        let (id, _) = self.step(&mut b);
        b.finish(vec![id])
    }

    /// The step, its operands before it, and its output's shape.
    pub fn step(&self, b: &mut ProgramBuilder) -> (ValueId, Vec<usize>) {
        let rank = self.kernel.len();
        let pads: Vec<(usize, usize)> =
            self.kernel.iter().map(|&k| if k == 1 { (0, 0) } else { (self.pad, self.pad) }).collect();
        let mut out = vec![self.x[0], self.filters];
        for ((x, pad), kernel) in self.x[2..].iter().zip(&pads).zip(&self.kernel) {
            out.push((x + 2 * pad.0 - self.dilation * (kernel - 1) - 1) / self.stride + 1);
        }
        let weight = [vec![self.filters, self.x[1] / self.groups], self.kernel.clone()].concat();
        let mut ids = vec![Some(b.input("x", DType::F32, &self.x))];
        ids.push(Some(b.constant("w", tensor(&weight, 1))));
        ids.push(Some(b.constant("b", tensor(&[self.filters], 2))));
        if self.residual {
            ids.push(Some(b.constant("r", tensor(&out, 3))));
        }
        let kernel = Kernel::Conv(Conv {
            strides: vec![self.stride; rank],
            pads,
            dilations: vec![self.dilation; rank],
            groups: self.groups,
            activation: Some(Activation::LeakyRelu(0.01)),
        });
        (b.step("conv", kernel, &ids, DType::F32, &out), out)
    }
}

/// Values between -0.5 and 0.5.
pub fn tensor(shape: &[usize], seed: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: usize| ((i as u64 * 7919 + seed as u64 * 104_729) % 2003) as f32 / 2003.0 - 0.5;
    Tensor::from_f32(shape, (0..n).map(value).collect()).expect("the count is the shape's product")
}
