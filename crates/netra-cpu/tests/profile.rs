//! A profiled run lists every step and no more time than it took.

use std::sync::Arc;

use netra_cpu::CpuBackend;
use netra_graph::{
    Activation, Backend, CompileOptions, DType, Data, ErrorKind, Kernel, ProgramBuilder, Tensor, TensorView, Unary,
};

#[test]
fn every_step_appears_and_the_sum_fits_the_whole() {
    let mut builder = ProgramBuilder::new();
    let a = builder.input("a", DType::F32, &[64, 96]);
    let b = builder.input("b", DType::F32, &[96, 80]);
    let product = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
    let c = builder.step("product", product, &[Some(a), Some(b)], DType::F32, &[64, 80]);
    let d = builder.step("flat", Kernel::Reshape, &[Some(c)], DType::F32, &[64 * 80]);
    let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
    let e = builder.step("relu", relu, &[Some(d)], DType::F32, &[64 * 80]);
    let program = Arc::new(builder.finish(vec![e]));

    let backend = CpuBackend::new(Some(2)).unwrap();
    let executable = backend.compile(program, &CompileOptions::default()).unwrap();
    let tensor = |shape: [usize; 2]| Tensor::new(shape, Data::F32(vec![0.5; shape[0] * shape[1]])).unwrap();
    let inputs = [tensor([64, 96]), tensor([96, 80])];
    let views: Vec<TensorView<'_>> = inputs.iter().map(Tensor::view).collect();
    let profile = executable.profile(&views).unwrap();

    let steps: Vec<(&str, &[usize], Option<u64>)> =
        profile.steps.iter().map(|s| (s.step.as_str(), s.shape.as_slice(), s.flops)).collect();
    let flops = Some(2 * 64 * 80 * 96);
    assert_eq!(steps, [("product", &[64, 80][..], flops), ("flat", &[5120], None), ("relu", &[5120], None)]);
    assert!(profile.steps[0].nanoseconds > 0);
    assert!(profile.steps.iter().map(|s| s.nanoseconds).sum::<u64>() <= profile.nanoseconds);

    let wrong = executable.profile(&views[..1]).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
}
