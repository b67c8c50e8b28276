//! The convolutions of this crate beside burn's own kernels on the same adapter.
//!
//! `cargo bench -p netra-wgpu --bench burn -- [ROUNDS]` prints a table: medians of interleaved rounds, each with the upload of the
//! input and the read-back of the output, on both sides. The first run of each, which compiles shaders, is shown beside.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use burn_backend::TensorData;
use burn_backend::ops::{ConvOptions, ConvTransposeOptions, FloatTensorOps, ModuleOps};
use burn_cubecl::{CubeBackend, CubeDevice};
use burn_wgpu::{WgpuBackend as Api, WgpuDevice};
use cubecl::wgpu::WgpuDeviceKind;
use netra_graph::{
    Backend, CompileOptions, Conv, ConvTranspose, DType, Executable, Kernel, ProgramBuilder, Tensor, block_on,
};
use netra_wgpu::{AdapterSelector, WgpuBackend};

/// A layer: input `N, C, spatial...`, output channels, edge of the kernel, stride, and whether it is transposed.
struct Layer(&'static [usize], usize, usize, usize, bool);

const LAYERS: [Layer; 7] = [
    Layer(&[1, 32, 64, 64, 64], 32, 3, 1, false),
    Layer(&[1, 64, 32, 32, 32], 64, 3, 1, false),
    Layer(&[1, 32, 48, 48, 48], 64, 3, 2, false),
    Layer(&[1, 64, 32, 32, 32], 32, 2, 2, true),
    Layer(&[1, 128, 16, 16, 16], 64, 2, 2, true),
    Layer(&[1, 64, 56, 56], 64, 3, 1, false),
    Layer(&[1, 256, 14, 14], 256, 3, 1, false),
];

fn noise(shape: &[usize], seed: u32) -> Tensor {
    let n = shape.iter().product::<usize>() as u32;
    let value = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    Tensor::from_f32(shape.to_vec(), (0..n).map(value).collect()).unwrap()
}

impl Layer {
    fn spatial(&self) -> usize {
        self.0.len() - 2
    }

    fn output(&self) -> Vec<usize> {
        let &Layer(x, filters, kernel, stride, transposed) = self;
        let size = |n: &usize| if transposed { n * stride } else { (n + 2 * (kernel / 2) - kernel) / stride + 1 };
        [1, filters].into_iter().chain(x[2..].iter().map(size)).collect()
    }

    fn weight(&self) -> Tensor {
        let &Layer(x, filters, kernel, _, transposed) = self;
        let channels = if transposed { [x[1], filters] } else { [filters, x[1]] };
        noise(&[&channels[..], &vec![kernel; self.spatial()]].concat(), 7)
    }

    fn kernel(&self) -> Kernel {
        let &Layer(_, _, kernel, stride, transposed) = self;
        let (n, pad) = (self.spatial(), kernel / 2);
        let (strides, dilations, groups, activation) = (vec![stride; n], vec![1; n], 1, None);
        if transposed {
            Kernel::ConvTranspose(ConvTranspose { strides, pads: vec![(0, 0); n], dilations, groups, activation })
        } else {
            Kernel::Conv(Conv { strides, pads: vec![(pad, pad); n], dilations, groups, activation })
        }
    }

    fn name(&self) -> String {
        let &Layer(x, filters, kernel, stride, transposed) = self;
        let what = if transposed { "transposed " } else { "" };
        format!("{}-D {what}{kernel}^{} stride {stride}, {x:?} to {filters}", self.spatial(), self.spatial())
    }

    fn ours(&self, backend: &WgpuBackend) -> Box<dyn Executable> {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, self.0);
        let w = b.constant("w", self.weight());
        let y = b.step("y", self.kernel(), &[Some(x), Some(w)], DType::F32, &self.output());
        backend.compile(Arc::new(b.finish(vec![y])), &CompileOptions::default()).unwrap()
    }

    fn burn(&self, x: &Tensor, weight: &<CubeBackend as burn_backend::BackendTypes>::FloatTensorPrimitive) -> Vec<f32> {
        type B = CubeBackend;
        let &Layer(_, _, kernel, stride, transposed) = self;
        let data = TensorData::new(x.as_f32().unwrap().to_vec(), self.0.to_vec());
        let (x, w, pad) = (B::float_from_data(data, &weight.device), weight.clone(), kernel / 2);
        let y = match (self.spatial(), transposed) {
            (3, true) => {
                B::conv_transpose3d(x, w, None, ConvTransposeOptions::new([stride; 3], [0; 3], [0; 3], [1; 3], 1))
            }
            (3, false) => B::conv3d(x, w, None, ConvOptions::new([stride; 3], [pad; 3], [1; 3], 1)),
            _ => B::conv2d(x, w, None, ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1)),
        };
        block_on(B::float_into_data(y)).unwrap().try_to_vec().unwrap()
    }
}

fn milliseconds<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = run();
    (started.elapsed().as_secs_f64() * 1e3, result)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(5usize);
    let backend = match WgpuBackend::open(AdapterSelector::Any) {
        Ok(backend) => backend,
        Err(error) => return println!("skipped: {error}"),
    };
    let adapter = backend.adapter();
    let kind = if adapter.software { WgpuDeviceKind::Cpu } else { WgpuDeviceKind::DiscreteGpu(0) };
    let api = if adapter.api == "vulkan" { Api::Vulkan } else { Api::Auto };
    let device = CubeDevice::Wgpu(WgpuDevice::new(kind).on(api));
    println!("{} ({}), {rounds} rounds\n", adapter.name, adapter.driver);
    println!("| layer | burn ms | netra ms | burn / netra | first run burn s | netra s | largest difference |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for layer in &LAYERS {
        let (x, w) = (noise(layer.0, 1), layer.weight());
        let data = TensorData::new(w.as_f32().unwrap().to_vec(), w.shape().to_vec());
        let weight = CubeBackend::float_from_data(data, &device);
        let (compiled, executable) = milliseconds(|| layer.ours(&backend));
        let ours = || executable.run(&[x.view()]).unwrap().remove(0).as_f32().unwrap().to_vec();
        let (first, got) = milliseconds(ours);
        let (first_burn, want) = milliseconds(|| layer.burn(&x, &weight));
        let range = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let worst = got.iter().zip(&want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / range;
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            a.push(milliseconds(ours).0);
            b.push(milliseconds(|| layer.burn(&x, &weight)).0);
        }
        let (a, b) = (median(a), median(b));
        println!(
            "| {} | {b:.1} | {a:.1} | {:.2} | {:.2} | {:.2} | {worst:.1e} |",
            layer.name(),
            b / a,
            first_burn / 1e3,
            (compiled + first) / 1e3
        );
    }
}
