//! Volumes that stay on a graphics adapter give the labels that the host's way gives.
#![cfg(feature = "wgpu")]
#![allow(clippy::print_stderr)]

#[path = "../../netra-pipeline/tests/common/mod.rs"]
mod common;
#[path = "resident/fakes.rs"]
mod fakes;
#[path = "resident/watched.rs"]
mod watched;

use std::sync::Arc;

use common::{convolution, manifest};
use fakes::*;
use ndarray::Array3;
use netra_core::{ErrorKind, Image, IntensityUnit, Volume};
use netra_cpu::CpuBackend;
use netra_graph::Backend;
use netra_pipeline::{InputSize, RunOptions};
use netra_wgpu::{AdapterSelector, WgpuBackend};
use watched::Watched;

fn adapter() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

fn cpu() -> Arc<dyn Backend> {
    Arc::new(CpuBackend::new(None).expect("a processor"))
}

/// Runs each case both ways and fails when more than a hundred-thousandth of all labels differ.
fn compare(cases: &[(String, usize, Volume)]) {
    let Some(gpu) = adapter() else { return };
    let gpu: Arc<dyn Backend> = Arc::new(gpu);
    let (mut voxels, mut differing) = (0, 0);
    for (steps, channels, scan) in cases {
        let options = RunOptions::default();
        let host = model(steps, *channels, cpu()).run(scan, &options).expect("the host's way");
        let device = model(steps, *channels, gpu.clone()).run(scan, &options).expect("the device's way");
        assert!(device.backend.resident && !host.backend.resident, "{steps}");
        let (host, device) = (labels(&host), labels(&device));
        assert_eq!(host.dim(), device.dim(), "{steps}");
        assert!(host.iter().any(|&l| l != host[[0, 0, 0]]), "one label everywhere: {steps}");
        let wrong = host.iter().zip(&device).filter(|(a, b)| a != b).count();
        if wrong > 0 {
            eprintln!("{wrong} of {} labels differ: {steps}", host.len());
        }
        voxels += host.len();
        differing += wrong;
    }
    assert!(differing as f64 <= 1e-5 * voxels as f64, "{differing} of {voxels} labels differ");
}

#[test]
fn blended_windows_become_the_same_labels() {
    let mut cases = Vec::new();
    for (overlap, mode) in [(0.25, "gaussian"), (0.5, "constant"), (0.5, "gaussian")] {
        for rest in [
            format!("{SOFTMAX}{ARGMAX}{NEAREST}"),
            format!("{SOFTMAX}{LINEAR}{ARGMAX}"),
            format!("{SIGMOID}{}{NEAREST}", threshold(0.6)),
            format!("{SIGMOID}{LINEAR}{}", threshold(0.55)),
        ] {
            let chain = format!("{REORIENT}{SPACING}{NORMALIZE}");
            let steps = format!("{chain}{}{rest}", sliding([12, 16, 14], overlap, mode, ""));
            cases.push((steps, 4, scan([15, 41, 37], 0.0)));
        }
    }
    compare(&cases);
}

/// The grid of a scan whose axes are at an angle to the network's.
#[test]
fn grids_at_an_angle_give_the_same_labels() {
    let chain = format!("{CONFORM}{RANGE}");
    let window = sliding([10, 16, 12], 0.25, "gaussian", "");
    let cases = [
        format!("{chain}{window}{ARGMAX}{NEAREST}"),
        format!("{chain}{window}{LINEAR}{ARGMAX}"),
        format!("{chain}{window}{SOFTMAX}{NEAREST}{}", threshold(0.3)),
        format!("{chain}{window}{NEAREST}{}", threshold(-0.4)),
        format!("{chain}{window}{LINEAR}{}", threshold(-0.4)),
    ];
    compare(&cases.map(|steps| (steps, 3, scan([15, 41, 37], 1.0))));
}

#[test]
fn an_input_smaller_than_the_window_is_padded_alike() {
    let cases = [
        "",
        "padding_mode = \"constant\"\ncval = 0.7\n",
        "padding_mode = \"reflect\"\n",
        "padding_mode = \"replicate\"\n",
        "padding_mode = \"circular\"\n",
    ]
    .map(|padding| {
        let window = sliding([13, 24, 16], 0.5, "gaussian", padding);
        (format!("{NORMALIZE}{window}{SOFTMAX}{LINEAR}{ARGMAX}"), 3, scan([9, 20, 33], 0.0))
    });
    compare(&cases);
}

#[test]
fn whole_inputs_and_tiles_become_the_same_labels() {
    let tiled = "[inferer]\nkind = \"tiled\"\nroi_size = [8, 20, 38]\nhalo = 1\n";
    let whole = "[inferer]\nkind = \"whole\"\npad_to_multiple = 8\n";
    let select = "[[postprocess]]\nstep = \"SelectChannels\"\nchannels = [3, 0, 1]\n";
    let cases = [
        format!("{tiled}{ARGMAX}{NEAREST}"),
        format!("{SPACING}{tiled}{SOFTMAX}{LINEAR}{ARGMAX}"),
        format!("{SPACING}{tiled}{SOFTMAX}{}{NEAREST}", threshold(0.4)),
        format!("{whole}{SOFTMAX}{ARGMAX}{NEAREST}"),
        format!("{SPACING}{whole}{SOFTMAX}{LINEAR}{ARGMAX}"),
        format!("{SPACING}{NORMALIZE}{whole}{select}{SIGMOID}{LINEAR}{}", threshold(0.5)),
        format!("{SPACING}{NORMALIZE}[inferer]\nkind = \"whole\"\n{SIGMOID}{LINEAR}{}", threshold(0.5)),
        format!("{CONFORM}{RANGE}{tiled}{ARGMAX}[[postprocess]]\nstep = \"KeepLargestConnectedComponent\"\n{NEAREST}"),
    ];
    compare(&cases.map(|steps| (steps, 4, scan([15, 41, 37], 0.0))));
}

/// An adapter that binds so little that channels lie in several parts each.
#[test]
fn channels_in_parts_become_the_same_labels() {
    let Some(gpu) = adapter() else { return };
    let small: Arc<dyn Backend> = Arc::new(gpu.with_max_buffer_bytes(4 * 15 * 41 * 37 + 4096));
    let window = sliding([12, 16, 14], 0.25, "gaussian", "");
    let scan = scan([15, 41, 37], 0.0);
    for rest in [format!("{SOFTMAX}{LINEAR}{ARGMAX}"), format!("{SOFTMAX}{}{NEAREST}", threshold(0.3))] {
        let steps = format!("{NORMALIZE}{window}{rest}");
        let run = |backend| model(&steps, 6, backend).run(&scan, &RunOptions::default()).expect("in scope");
        let (host, device) = (run(cpu()), run(small.clone()));
        assert!(device.backend.resident);
        assert_eq!(labels(&host), labels(&device), "{rest}");
    }
}

/// A fundus photograph: a bright disc, cropped to, and nothing outside it.
#[test]
fn a_picture_keeps_to_its_field_of_view() {
    let Some(gpu) = adapter() else { return };
    let noise = numbers(60 * 75, 7);
    let pixels = Array3::from_shape_fn((1, 60, 75), |(_, r, c)| {
        let from_middle = (r as f32 - 30.0).hypot(c as f32 - 40.0);
        if from_middle < 26.0 { 120.0 + 60.0 * noise[r * 75 + c] } else { 2.0 }
    });
    let image = Image::new(pixels, IntensityUnit::Display, [0.0, 255.0]).expect("valid");
    let steps = format!(
        "[[preprocess]]\nstep = \"CropFieldOfView\"\nthreshold = 0.1\n\
         [[preprocess]]\nstep = \"Resize\"\nspatial_size = [48, 40]\nmode = \"bilinear\"\nanti_aliasing = true\n\
         [[preprocess]]\nstep = \"ScaleIntensity\"\nminv = -1.0\nmaxv = 1.0\n\
         {SIGMOID}{LINEAR}{}",
        threshold(0.5)
    );
    let run = |backend: Arc<dyn Backend>| {
        let manifest = manifest("NCHW", "kind = \"image\"", &steps, &segments(3));
        let graph = convolution(2, 3, numbers(27, 11), numbers(3, 3));
        joined(manifest, graph, backend).run(&image, &RunOptions::default()).expect("in scope")
    };
    let (host, device) = (run(cpu()), run(Arc::new(gpu)));
    assert!(device.backend.resident);
    assert_eq!(labels(&host), labels(&device));
    assert!(labels(&device)[[0, 2, 2]] == 0 && labels(&device).iter().any(|&label| label > 0));
}

/// A network that gives what is no number is refused, whether or not a voxel of the scan is decided by it.
#[test]
fn what_is_no_number_is_an_error() {
    let Some(gpu) = adapter() else { return };
    let gpu: Arc<dyn Backend> = Arc::new(gpu);
    let window = sliding([12, 16, 14], 0.25, "gaussian", "");
    for rest in [format!("{SOFTMAX}{LINEAR}{ARGMAX}"), format!("{ARGMAX}{NEAREST}")] {
        let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{window}{rest}"), &segments(2));
        let model = joined(manifest, convolution(3, 3, numbers(54, 11), vec![0.0, f32::NAN]), gpu.clone());
        let error = model.run(&scan([15, 20, 17], 0.0), &RunOptions::default()).expect_err("not a number");
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
    }
}

/// What the adapter cannot hold goes the host's way, and the findings say so.
#[test]
fn what_does_not_fit_goes_through_the_host() {
    let Some(gpu) = adapter() else { return };
    let small: Arc<dyn Backend> = Arc::new(gpu.with_max_buffer_bytes(4 * 15 * 41 * 37 - 4));
    let large: Arc<dyn Backend> = adapter().map(Arc::new).expect("the same adapter");
    let steps = format!("{NORMALIZE}{}{ARGMAX}{NEAREST}", sliding([12, 16, 14], 0.25, "gaussian", ""));
    let scan = scan([15, 41, 37], 0.0);
    let size = InputSize::Volume(scan.geometry().clone());
    let host = model(&steps, 3, cpu()).run(&scan, &RunOptions::default()).expect("in scope");
    let needed = model(&steps, 3, large.clone()).plan(&size, &RunOptions::default()).expect("planned").resident_bytes;
    let needed = needed.expect("it fits");
    for (backend, allowed) in [(small, None), (large.clone(), Some(needed - 1))] {
        let model = model(&steps, 3, backend);
        let mut options = RunOptions::default();
        options.resident_bytes = allowed;
        let refused = model.run(&scan, &options).expect("in scope");
        assert!(!refused.backend.resident);
        assert_eq!(refused.warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>(), ["not-resident"]);
        assert_eq!(labels(&host), labels(&refused));
        let plan = model.plan(&size, &options).expect("planned");
        assert_eq!(plan.resident_bytes, None);
        assert!(plan.peak() > 4 * 3 * 12 * 41 * 37, "sums of windows are counted: {plan:?}");
    }
    let mut options = RunOptions::default();
    options.resident_bytes = Some(needed);
    assert!(model(&steps, 3, large).run(&scan, &options).expect("in scope").backend.resident);
}

/// 104 classes: no window's output comes to the host, and no volume but the labels does.
#[test]
fn logits_are_never_on_the_host() {
    let Some(gpu) = adapter() else { return };
    let watched = Arc::new(Watched::new(gpu));
    let scan = scan([64, 64, 64], 0.0);
    let steps = format!("{NORMALIZE}{}{SOFTMAX}{LINEAR}{ARGMAX}", sliding([32, 64, 64], 0.5, "gaussian", ""));
    let model = model(&steps, 104, watched.clone());
    let findings = model.run(&scan, &RunOptions::default()).expect("in scope");
    assert!(findings.backend.resident);
    assert!(labels(&findings).iter().any(|&label| label > 50));
    assert_eq!(watched.host_bytes(), 0);
    let plan = model.plan(&InputSize::Volume(scan.geometry().clone()), &RunOptions::default()).expect("planned");
    let logits = 4 * 104 * 64u64.pow(3);
    assert!(plan.peak() < logits / 8, "{plan:?}");
    assert!(plan.resident_bytes.is_some_and(|bytes| bytes > logits / 2), "{plan:?}");
    // The watch can bite: the same network by way of the host.
    let shape = model.network().input_shape([1, 32, 64, 64]).expect("a window");
    model.network().executable(&shape).expect("compiled");
    model.network().predict(ndarray::Array4::zeros((1, 32, 64, 64))).expect("runs");
    assert_eq!(watched.host_bytes(), 4 * 104 * 32 * 64 * 64);
}
