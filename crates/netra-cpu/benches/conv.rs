//! Single layers of medical networks, with one thread and with two. Throughput counts multiplications and additions of
//! the convolutions, elements of the others.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use netra_cpu::CpuBackend;
use netra_graph::{Backend, CompileOptions, Conv, ConvTranspose, DType, Executable, Kernel, ProgramBuilder, Tensor};

struct Layer {
    name: &'static str,
    kernel: Kernel,
    x: Vec<usize>,
    weights: Vec<Vec<usize>>,
    out: Vec<usize>,
    work: usize,
}

fn tensor(shape: &[usize], seed: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
    Tensor::from_f32(shape, (0..n).map(value).collect()).expect("the count is the shape's product")
}

#[allow(clippy::too_many_arguments)] // A table of layers reads best flat.
fn conv(
    name: &'static str,
    c: usize,
    m: usize,
    size: usize,
    rank: usize,
    k: usize,
    s: usize,
    d: usize,
    g: usize,
) -> Layer {
    let pad = d * (k - 1) / 2;
    let out_size = (size + 2 * pad - d * (k - 1) - 1) / s + 1;
    let kernel = Kernel::Conv(Conv {
        strides: vec![s; rank],
        pads: vec![(pad, pad); rank],
        dilations: vec![d; rank],
        groups: g,
        activation: None,
    });
    let shape = |channels, size| [vec![1, channels], vec![size; rank]].concat();
    let weight = [vec![m, c / g], vec![k; rank]].concat();
    let work = 2 * (c / g) * k.pow(rank as u32) * m * out_size.pow(rank as u32);
    Layer { name, kernel, x: shape(c, size), weights: vec![weight, vec![m]], out: shape(m, out_size), work }
}

fn layers() -> Vec<Layer> {
    let mut layers = vec![
        conv("conv2d 64-64 3x3 56", 64, 64, 56, 2, 3, 1, 1, 1),
        conv("conv2d 3-64 7x7 s2 224", 3, 64, 224, 2, 7, 2, 1, 1),
        conv("conv2d 256-64 1x1 56", 256, 64, 56, 2, 1, 1, 1, 1),
        conv("conv2d 512-512 3x3 7", 512, 512, 7, 2, 3, 1, 1, 1),
        conv("conv2d depthwise 96 3x3 112", 96, 96, 112, 2, 3, 1, 1, 96),
        conv("conv3d 32-32 64", 32, 32, 64, 3, 3, 1, 1, 1),
        conv("conv3d 21-21 dilation 4 64", 21, 21, 64, 3, 3, 1, 4, 1),
        conv("conv3d 5-5 dilation 4 64", 5, 5, 64, 3, 3, 1, 4, 1),
    ];
    layers.push(Layer {
        name: "transposed 64-32 2 s2 32",
        kernel: Kernel::ConvTranspose(ConvTranspose {
            strides: vec![2; 3],
            pads: vec![(0, 0); 3],
            dilations: vec![1; 3],
            groups: 1,
            activation: None,
        }),
        x: vec![1, 64, 32, 32, 32],
        weights: vec![vec![64, 32, 2, 2, 2], vec![32]],
        out: vec![1, 32, 64, 64, 64],
        work: 2 * 64 * 32 * 64 * 64 * 64,
    });
    layers.push(Layer {
        name: "instance norm 32 64",
        kernel: Kernel::InstanceNormalization { epsilon: 1e-5, activation: None },
        x: vec![1, 32, 64, 64, 64],
        weights: vec![vec![32], vec![32]],
        out: vec![1, 32, 64, 64, 64],
        work: 32 * 64 * 64 * 64,
    });
    layers
}

fn compile(layer: &Layer, threads: usize) -> Box<dyn Executable> {
    let mut b = ProgramBuilder::new();
    let mut ids = vec![Some(b.input("x", DType::F32, &layer.x))];
    for (i, shape) in layer.weights.iter().enumerate() {
        ids.push(Some(b.constant(&format!("w{i}"), tensor(shape, i))));
    }
    let out = b.step("layer", layer.kernel.clone(), &ids, DType::F32, &layer.out);
    let backend = CpuBackend::new(Some(threads)).expect("threads start");
    backend.compile(Arc::new(b.finish(vec![out])), &CompileOptions::default()).expect("the layer compiles")
}

fn bench(c: &mut Criterion) {
    for layer in layers() {
        let mut group = c.benchmark_group(layer.name);
        group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements(layer.work as u64));
        let x = tensor(&layer.x, 9);
        for threads in [1, 2] {
            let executable = compile(&layer, threads);
            group.bench_function(format!("{threads}T"), |b| {
                b.iter(|| black_box(executable.run(&[x.view()]).expect("the layer runs")))
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
