//! Convolution of single pixels, as squeeze-and-excitation has it: a matrix product.

use netra_graph::{Conv, DataView, TensorView};

use crate::Context;
use crate::isa::Isa;
use crate::matmul::{self, MatMul, Product};
use crate::simd::map::Finish;

/// A planned product of `[N, C]` and the transpose of `[M, C]`.
pub struct Pixel {
    product: Product,
    /// Shape of the bias.
    filters: [usize; 1],
}

/// The weights in panels, and the bias.
pub struct Packed {
    weights: matmul::Packed,
    bias: Vec<f32>,
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + size_of_val(self.bias.as_slice())
    }
}

impl Pixel {
    /// Plans a convolution of one group whose input, kernel and output are one pixel; `None` for others.
    pub fn new(p: &Conv, x: &[usize], weight: &[usize], out: &[usize], isa: Isa) -> Option<Self> {
        let one = |shape: &[usize]| shape[2..].iter().all(|&size| size == 1);
        if p.groups > 1 || !one(x) || !one(weight) || !one(out) || x[1] == 0 {
            return None;
        }
        let how = MatMul { trans_a: false, trans_b: true, alpha: 1.0 };
        let product = Product::new(how, &x[..2], &weight[..2], &out[..2], true, isa)?;
        Some(Self { product, filters: [out[1]] })
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.product.scratch()
    }

    /// Packs weights and bias.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        let bias = bias.map_or_else(|| vec![0.0; self.filters[0]], <[f32]>::to_vec);
        Packed { weights: self.product.pack(weight), bias }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        // Aside, since `out` may hold what is to be added.
        let mut sums = vec![0.0; out.len()];
        let bias = TensorView::new(&self.filters, DataView::F32(&packed.bias)).ok();
        self.product.run(context, x, Ok(&packed.weights), bias, &mut sums);
        finish.run(context.isa, &sums, 0, out);
    }
}
