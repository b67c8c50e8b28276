//! Faults that need the wgpu device itself in hand; `tests/faults.rs` has the others, and the table of all.
//!
//! Each test brings up a wgpu device of its own, so that it may destroy it, or ask for less than the adapter has.
#![allow(clippy::print_stderr)]

use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use burn_wgpu::graphics::AutoGraphicsApi;
use burn_wgpu::{RuntimeOptions, try_init_setup, wgpu};
use cubecl::wgpu::{WgpuSetup, try_init_device};
use netra_graph::{
    Backend, Binary, CompileOptions, DType, Error, ErrorKind, Executable, Kernel, Program, ProgramBuilder, Reduction,
    Tensor, Unary, block_on,
};

use super::{guarded, responds};
use crate::adapter::{AdapterInfo, AdapterSelector, adapters};
use crate::backend::WgpuBackend;

/// The first Vulkan adapter.
fn vulkan() -> Option<AdapterInfo> {
    let found = adapters().into_iter().find(|adapter| adapter.api == "vulkan");
    found.or_else(|| {
        eprintln!("skipped: no Vulkan adapter");
        None
    })
}

/// A backend on a device of its own with these limits, of which the backend itself knows nothing.
fn own(limits: impl Fn(wgpu::Limits) -> wgpu::Limits) -> Option<(WgpuBackend, wgpu::Device)> {
    let info = vulkan()?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN)).swap_remove(0);
    let rough = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS | wgpu::Features::all_experimental_mask();
    let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: adapter.features() - rough,
        required_limits: limits(adapter.limits()),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    }))
    .expect("a device");
    let backend = adapter.get_info().backend;
    let setup = WgpuSetup { instance, adapter, device: device.clone(), queue, backend };
    let device_id = try_init_device(setup, RuntimeOptions::default()).expect("it is registered");
    Some((WgpuBackend::on(device_id, info), device))
}

fn unary(op: Unary, elements: usize) -> Arc<Program> {
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, elements]);
    let y = b.step("the node", Kernel::Unary(op), &[Some(x)], DType::F32, &[1, elements]);
    Arc::new(b.finish(vec![y]))
}

fn compile(backend: &WgpuBackend, program: Arc<Program>) -> Result<Box<dyn Executable>, Error> {
    backend.compile(program, &CompileOptions::default())
}

/// Two runs of a small program: the first result again, so that what worked once works still.
fn works(backend: &WgpuBackend) -> Result<(), Error> {
    let executable = compile(backend, unary(Unary::Neg, 4))?;
    let x = Tensor::from_f32([1, 4], vec![1.0, 2.0, 3.0, 4.0])?;
    for _ in 0..2 {
        assert_eq!(executable.run(&[x.view()])?[0].as_f32(), Some([-1.0, -2.0, -3.0, -4.0].as_slice()));
    }
    Ok(())
}

/// What `run` gives, or a panic when it does not end: nothing may hang.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(run()));
    receiver.recv_timeout(Duration::from_secs(60)).expect("an answer within a minute")
}

/// Runs a test again in a process of its own, there with `CHILD` set; by a shell, after `first`.
fn alone(test: &str, first: &str) {
    let binary = std::env::current_exe().expect("a path");
    let script = format!("{first}exec \"$0\" --exact fault::tests::{test} --nocapture");
    let status = Command::new("sh").args(["-c", &script]).arg(binary).env(CHILD, "1").status();
    assert!(status.expect("a shell").success());
}

const CHILD: &str = "NETRA_WGPU_FAULT_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn an_adapter_that_is_lost_in_the_middle_of_a_run_is_an_error_then_and_later() {
    let Some((backend, device)) = own(|limits| limits) else { return };
    works(&backend).expect("it works");
    in_time(move || {
        let x = Tensor::from_f32([1, 64], vec![1.0; 64]).expect("an input");
        let executable = compile(&backend, unary(Unary::Exp, 64)).expect("compiles");
        let submitted = executable.submit(&[x.view()]);
        device.destroy();
        assert_eq!(block_on(submitted).expect_err("no result").kind(), ErrorKind::Backend);
        // The driver tells of the loss when it is asked next; until then the destroyed device fails like a broken one.
        assert_eq!(executable.run(&[x.view()]).expect_err("no result").kind(), ErrorKind::Backend);
        let _ = device.poll(wgpu::PollType::Poll);
        let unheard = compile(&backend, unary(Unary::Log, 64)).err().expect("no new kernel");
        for error in
            [executable.run(&[x.view()]).expect_err("no result"), unheard, responds(backend.gpu()).expect_err("gone")]
        {
            assert_eq!(error.kind(), ErrorKind::Backend);
            let text = error.to_string();
            assert!(text.contains("was lost") && text.contains(&backend.adapter().name), "{text}");
            assert!(text.contains("the cpu backend"), "{text}");
        }
        let _ = executable.reserved();
    });
}

/// An adapter is brought up once a process, so that a lost one is lost for whoever opens it next.
#[test]
fn an_adapter_that_was_lost_does_not_open() {
    if !is_child() {
        return alone("an_adapter_that_was_lost_does_not_open", "");
    }
    let Some(info) = vulkan() else { return };
    let options = RuntimeOptions::try_default().expect("options");
    let setup = try_init_setup::<AutoGraphicsApi>(info.device(), options).expect("comes up");
    let index = info.index;
    let open = move || WgpuBackend::open(AdapterSelector::Index(index));
    works(&open().expect("the one that is up")).expect("it works");
    setup.device.destroy();
    let _ = setup.device.poll(wgpu::PollType::Poll);
    let error = in_time(move || open().err()).expect("it is gone");
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.to_string().contains("was lost"), "{error}");
}

#[test]
fn kernels_that_the_driver_refuses_are_unsupported() {
    let few_buffers = own(|limits| wgpu::Limits { max_storage_buffers_per_shader_stage: 2, ..limits });
    let small_workgroups = own(|limits| wgpu::Limits { max_compute_invocations_per_workgroup: 32, ..limits });
    for (backend, _device) in few_buffers.into_iter().chain(small_workgroups) {
        for _ in 0..2 {
            let error = compile(&backend, unary(Unary::Exp, 64)).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("the driver refused a kernel"), "{error}");
        }
        // Copies need no kernel.
        responds(backend.gpu()).expect("the adapter goes on working");
    }
}

/// Mesa allows a byte less than 2 GiB.
#[test]
fn the_largest_size_may_be_rounded_up() {
    let Some((backend, device)) = own(|limits| limits) else { return };
    let align = backend.gpu().client.properties().memory.alignment;
    let largest = (backend.gpu().limit() as u64).next_multiple_of(align);
    assert!(largest <= device.limits().max_buffer_size && largest <= device.limits().max_storage_buffer_binding_size);
}

#[test]
fn buffers_that_the_driver_refuses_are_a_limit() {
    let small = own(|limits| wgpu::Limits { max_buffer_size: 1 << 20, ..limits });
    let Some((backend, _device)) = small else { return };
    let x = Tensor::from_f32([1, 1 << 20], vec![0.0; 1 << 20]).expect("an input");
    let run = compile(&backend, unary(Unary::Exp, 1 << 20)).and_then(|executable| executable.run(&[x.view()]));
    let error = run.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("out of memory"), "{error}");
    works(&backend).expect("what is small enough runs");
}

/// Four GiB on the adapter, from one element and back to one, in a process that may have two.
#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_a_limit() {
    let Some(info) = vulkan() else { return };
    if !info.software {
        // Memory of a real adapter is none of the process's.
        return;
    }
    if !is_child() {
        return alone("memory_that_runs_out_is_a_limit", "ulimit -v 2000000; ");
    }
    let Some((backend, _device)) = own(|limits| limits) else { return };
    let shape = [1, 1 << 25];
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 1]);
    let wide = b.step("wide", Kernel::Expand, &[Some(x)], DType::F32, &shape);
    let mut step = |kernel, inputs: &[_]| b.step("step", kernel, inputs, DType::F32, &shape);
    let kept: Vec<_> = (0..32).map(|_| step(Kernel::Unary(Unary::Neg), &[Some(wide)])).collect();
    let sum = kept.into_iter().fold(wide, |sum, v| step(Kernel::Binary(Binary::Add), &[Some(sum), Some(v)]));
    let mean = Kernel::Reduce { reduction: Reduction::Mean, axes: vec![1] };
    let y = b.step("mean", mean, &[Some(sum)], DType::F32, &[1, 1]);
    let program = Arc::new(b.finish(vec![y]));
    for _ in 0..2 {
        let x = Tensor::from_f32([1, 1], vec![1.0]).expect("an input");
        let run = compile(&backend, program.clone()).and_then(|executable| executable.run(&[x.view()]));
        let error = run.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains("out of memory on the graphics adapter"), "{error}");
        assert!(backend.gpu().reserved() < 1 << 28, "{} bytes are still set aside", backend.gpu().reserved());
        works(&backend).expect("what fits runs");
    }
}

#[test]
fn panics_below_are_typed() {
    let Some((backend, _device)) = own(|limits| limits) else { return };
    let panicking = |message: &'static str| {
        guarded::<()>(backend.gpu(), "trying", || std::panic::panic_any(message)).expect_err("an error")
    };
    assert_eq!(panicking("wgpu error: Out of Memory").kind(), ErrorKind::Limit);
    let error = panicking("index out of bounds");
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.to_string().contains("panicked while trying: index out of bounds"), "{error}");
}
