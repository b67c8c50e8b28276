//! Matrix products of transformers and of convolutions that are one, with one thread and with two. Throughput counts
//! multiplications and additions.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use netra_cpu::CpuBackend;
use netra_graph::{Backend, CompileOptions, DType, Kernel, ProgramBuilder, Tensor};

fn tensor(shape: &[usize], seed: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
    Tensor::from_f32(shape, (0..n).map(value).collect()).expect("the count is the shape's product")
}

/// Name, batches, rows, terms, columns, and whether the right operand is weights.
const PRODUCTS: [(&str, usize, usize, usize, usize, bool); 9] = [
    ("vit projection 197x768x768", 1, 197, 768, 768, true),
    ("vit qkv 197x768x2304", 1, 197, 768, 2304, true),
    ("vit mlp in 197x768x3072", 1, 197, 768, 3072, true),
    ("vit mlp out 197x3072x768", 1, 197, 3072, 768, true),
    ("vit scores 12x197x64x197", 12, 197, 64, 197, false),
    ("vit values 12x197x197x64", 12, 197, 197, 64, false),
    ("swin scores 375x343x8x343", 375, 343, 8, 343, false),
    ("1x1 convolution 196x256x1024", 1, 196, 256, 1024, true),
    ("one row 1x768x3072", 1, 1, 768, 3072, true),
];

fn bench(c: &mut Criterion) {
    for (name, batch, m, k, n, weights) in PRODUCTS {
        let mut group = c.benchmark_group(name);
        group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements((2 * batch * m * k * n) as u64));
        let (a, b) = (tensor(&[batch, m, k], 1), tensor(&[batch, k, n], 2));
        for threads in [1, 2] {
            let mut builder = ProgramBuilder::new();
            let left = builder.input("a", DType::F32, &[batch, m, k]);
            let right =
                if weights { builder.constant("b", b.clone()) } else { builder.input("b", DType::F32, &[batch, k, n]) };
            let kernel = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
            let out = builder.step("product", kernel, &[Some(left), Some(right)], DType::F32, &[batch, m, n]);
            let backend = CpuBackend::new(Some(threads)).expect("threads start");
            let program = Arc::new(builder.finish(vec![out]));
            let executable = backend.compile(program, &CompileOptions::default()).expect("the product compiles");
            let inputs = if weights { vec![a.view()] } else { vec![a.view(), b.view()] };
            group.bench_function(format!("{threads}T"), |bench| {
                bench.iter(|| black_box(executable.run(&inputs).expect("the product runs")))
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
