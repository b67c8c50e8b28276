//! The convolutions of this crate beside burn's own kernels on the same adapter.
//!
//! `cargo bench -p netra-wgpu --bench burn -- [ROUNDS]` prints a table: burn, our two algorithms forced, and the one that the
//! backend chooses. Times are medians of what more copies of a layer add to a run, so that neither upload nor read-back counts
//! on either side. The first run of each, which compiles shaders, is shown beside.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use burn_backend::ops::{ConvOptions, ConvTransposeOptions, FloatTensorOps, ModuleOps};
use burn_backend::{BackendTypes, TensorData};
use burn_cubecl::{CubeBackend, CubeDevice};
use burn_wgpu::{WgpuBackend as Api, WgpuDevice};
use cubecl::wgpu::WgpuDeviceKind;
use netra_graph::{
    Backend, CompileOptions, Conv, ConvTranspose, DType, Executable, Kernel, ProgramBuilder, Tensor, block_on,
};
use netra_wgpu::{AdapterSelector, WgpuBackend};

type Primitive = <CubeBackend as BackendTypes>::FloatTensorPrimitive;

/// A layer: input `N, C, spatial...`, output channels, edge of the kernel, stride, and whether it is transposed.
struct Layer(&'static [usize], usize, usize, usize, bool);

/// How many layers at the front are for hardware alone.
const LARGE: usize = 2;

const LAYERS: [Layer; 10] = [
    Layer(&[1, 32, 128, 128, 128], 32, 3, 1, false),
    Layer(&[8, 256, 56, 56], 256, 3, 1, false),
    Layer(&[1, 32, 64, 64, 64], 32, 3, 1, false),
    Layer(&[1, 64, 32, 32, 32], 64, 3, 1, false),
    Layer(&[1, 32, 48, 48, 48], 64, 3, 2, false),
    Layer(&[1, 64, 32, 32, 32], 32, 2, 2, true),
    Layer(&[1, 128, 16, 16, 16], 64, 2, 2, true),
    Layer(&[1, 64, 56, 56], 64, 3, 1, false),
    Layer(&[1, 256, 14, 14], 256, 3, 1, false),
    Layer(&[1, 256, 56, 56], 64, 1, 1, false),
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
        [x[0], filters].into_iter().chain(x[2..].iter().map(size)).collect()
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

    /// Multiply-adds.
    fn work(&self) -> f64 {
        let &Layer(x, filters, kernel, _, transposed) = self;
        let pixels: usize = if transposed { x[2..].iter().product() } else { self.output()[2..].iter().product() };
        (x[0] * x[1] * filters * pixels * kernel.pow(self.spatial() as u32)) as f64
    }

    /// `copies` of the layer on one input. Of each the first element of every channel goes back to the host, or all of it.
    fn ours(&self, backend: &WgpuBackend, copies: usize, whole: bool) -> Box<dyn Executable> {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, self.0);
        let w = b.constant("w", self.weight());
        let shape = self.output();
        let first = [&shape[..2], &vec![1; self.spatial()]].concat();
        let outputs = (0..copies).map(|i| {
            let y = b.step(&format!("y{i}"), self.kernel(), &[Some(x), Some(w)], DType::F32, &shape);
            let slice = Kernel::Slice { starts: vec![0; shape.len()], steps: vec![1; shape.len()] };
            if whole { y } else { b.step(&format!("z{i}"), slice, &[Some(y)], DType::F32, &first) }
        });
        let outputs = outputs.collect();
        backend.compile(Arc::new(b.finish(outputs)), &CompileOptions::default()).unwrap()
    }

    /// As [`ours`](Self::ours), with burn's kernels: uploads the input, runs, and reads back.
    fn burn(&self, x: &Tensor, weight: &Primitive, copies: usize, whole: bool) -> Vec<f32> {
        type B = CubeBackend;
        let &Layer(_, _, kernel, stride, transposed) = self;
        let data = TensorData::new(x.as_f32().unwrap().to_vec(), self.0.to_vec());
        let (x, pad) = (B::float_from_data(data, &weight.device), kernel / 2);
        let conv = || match (self.spatial(), transposed) {
            (3, true) => {
                let options = ConvTransposeOptions::new([stride; 3], [0; 3], [0; 3], [1; 3], 1);
                B::conv_transpose3d(x.clone(), weight.clone(), None, options)
            }
            (3, false) => {
                B::conv3d(x.clone(), weight.clone(), None, ConvOptions::new([stride; 3], [pad; 3], [1; 3], 1))
            }
            _ => B::conv2d(x.clone(), weight.clone(), None, ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1)),
        };
        let part = |y: Primitive| {
            let first = |(axis, &n): (usize, &usize)| (0..if axis < 2 { n } else { 1 }).into();
            let ranges: Vec<_> = self.output().iter().enumerate().map(first).collect();
            if whole { y } else { B::float_slice(y, &ranges) }
        };
        let parts: Vec<_> = (0..copies).map(|_| part(conv())).collect();
        let read = |y| block_on(B::float_into_data(y)).unwrap().try_to_vec().unwrap();
        parts.into_iter().map(read).fold(Vec::new(), |_, last| last)
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

/// What `more` copies add to the time of a run, each: neither the upload nor the read-back.
fn each(rounds: usize, more: usize, run: impl Fn(usize)) -> f64 {
    run(1);
    run(1 + more);
    let sample = |_| milliseconds(|| run(1 + more)).0 - milliseconds(|| run(1)).0;
    median((0..rounds).map(sample).collect()) / more as f64
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(5usize);
    let open = || WgpuBackend::open(AdapterSelector::Any);
    let backend = match open() {
        Ok(backend) => backend,
        Err(error) => return println!("skipped: {error}"),
    };
    let adapter = backend.adapter();
    let kind = if adapter.software { WgpuDeviceKind::Cpu } else { WgpuDeviceKind::DiscreteGpu(0) };
    let api = if adapter.api == "vulkan" { Api::Vulkan } else { Api::Auto };
    let device = CubeDevice::Wgpu(WgpuDevice::new(kind).on(api));
    // A software adapter would take an hour for what a card does in a second.
    let (more, layers) = if adapter.software { (1, &LAYERS[LARGE..]) } else { (16, &LAYERS[..]) };
    let forced = ["direct", "gemm"].map(|name| open().unwrap().with_algorithm(name).unwrap());
    println!("{} ({}), {rounds} rounds\n", adapter.name, adapter.driver);
    println!(
        "Milliseconds (TFLOP/s) of a layer on the adapter; largest difference from burn as a share of the range.\n"
    );
    println!("| layer | burn | direct | gemm | chosen | first run burn s | netra s | difference |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for layer in layers {
        let (x, w) = (noise(layer.0, 1), layer.weight());
        let data = TensorData::new(w.as_f32().unwrap().to_vec(), w.shape().to_vec());
        let weight = CubeBackend::float_from_data(data, &device);
        let first = || layer.ours(&backend, 1, true).run(&[x.view()]).unwrap().remove(0);
        let (first, got) = milliseconds(first);
        let (first_burn, want) = milliseconds(|| layer.burn(&x, &weight, 1, true));
        let range = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let got = got.as_f32().unwrap();
        let worst = got.iter().zip(&want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / range;
        let speed = |ms: f64| format!("{ms:.3} ({:.3})", 2.0 * layer.work() / ms / 1e9);
        let burn = each(rounds, more, |copies| drop(layer.burn(&x, &weight, copies, false)));
        let ours = |backend: &WgpuBackend| {
            let [one, many] = [1, 1 + more].map(|copies| layer.ours(backend, copies, false));
            let run = |copies| drop(if copies == 1 { &one } else { &many }.run(&[x.view()]).unwrap());
            speed(each(rounds, more, run))
        };
        let [direct, gemm] = forced.each_ref().map(ours);
        println!(
            "| {} | {} | {direct} | {gemm} | {} | {:.2} | {:.2} | {worst:.1e} |",
            layer.name(),
            speed(burn),
            ours(&backend),
            first_burn / 1e3,
            first / 1e3
        );
    }
}
