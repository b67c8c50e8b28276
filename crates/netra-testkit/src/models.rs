//! The shared models against the goldens of their original frameworks, on any backend. A difference is a panic: this is
//! the body of tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use netra_graph::npz::Npz;
use netra_graph::{Backend, CompileOptions, Data, Executable, Tensor, onnx};

use crate::golden;

/// A published network and its golden output.
struct Model {
    /// Folder and name of the ONNX file, name of the archive, and of the output in it.
    folder: &'static str,
    onnx: &'static str,
    golden: &'static str,
    output: &'static str,
    /// The golden keeps every so many-th voxel of each spatial axis.
    stride: usize,
    /// The golden keeps the output's channels from this one on.
    channel: usize,
    /// Largest error as a share of the output's range.
    tolerance: f64,
}

const fn model(
    folder: &'static str,
    onnx: &'static str,
    golden: &'static str,
    output: &'static str,
    stride: usize,
) -> Model {
    Model { folder, onnx, golden, output, stride, channel: 0, tolerance: 1e-4 }
}

const MODELS: [Model; 10] = [
    // Its golden of PyTorch differs from ONNX Runtime by what instance normalisation of constant planes amplifies.
    model("mednist_gan_monai", "model", "golden", "image_onnxruntime", 1),
    model("retina_vessels_lwnet", "wnet_drive", "golden_wnet_drive", "logits", 1),
    model("retina_vessels_lwnet", "big_wnet_drive_av", "golden_big_wnet_drive_av", "logits_stride2", 2),
    model("cxr_lungseg_lungair", "model", "golden", "logits", 1),
    model("brain_meshnet_brainchop", "model5_gw_ae", "golden_model5_gw_ae", "logits", 1),
    model("brain_meshnet_brainchop", "model18cls", "golden_model18cls", "logits_stride2", 2),
    model("brain_hippodeep", "head", "golden_head", "output", 1),
    model("brain_hippodeep", "hippo", "golden_hippoL", "output", 1),
    model("brain_hippodeep", "hippo", "golden_hippoR", "output", 1),
    // Two frameworks differ by 3e-3 here (its NOTES.md).
    Model { channel: 1, tolerance: 5e-3, ..model("brain_extract_deepbet", "model", "golden_model", "prob_stride2", 2) },
];

fn compile(backend: &dyn Backend, path: &Path, input: &Tensor) -> Box<dyn Executable> {
    let graph = onnx::read(path, &onnx::ReadOptions::default()).expect("a graph");
    let program = graph.specialise(&[input.shape().to_vec()]).expect("a program");
    backend.compile(Arc::new(program), &CompileOptions::default()).expect("compiles")
}

/// Channels from `first` on, and every `stride`-th element of each spatial axis.
fn sample(output: &Tensor, shape: &[usize], first: usize, stride: usize) -> Tensor {
    let (full, data) = (output.shape(), output.as_f32().expect("floats"));
    let total: usize = shape.iter().product();
    let pick = |flat: usize| {
        let (mut rest, mut at, mut step) = (flat, 0, 1);
        for axis in (0..shape.len()).rev() {
            let index = rest % shape[axis];
            rest /= shape[axis];
            at += step
                * match axis {
                    0 => index,
                    1 => index + first,
                    _ => index * stride,
                };
            step *= full[axis];
        }
        data[at]
    };
    Tensor::from_f32(shape, (0..total).map(pick).collect()).expect("a sample")
}

/// Every shared model reproduces its golden: largest error within 1e-4 of the output's range (deepbet 5e-3), decisions
/// alike in all but 1 of 10,000 pixels. Prints a line a model.
pub fn reproduce_goldens(backend: &dyn Backend, assets: &Path) {
    for m in MODELS {
        let folder = assets.join("models").join(m.folder);
        let npz = Npz::open(&folder.join(m.golden).with_extension("npz")).expect("a golden");
        let (input, want) = (npz.tensor("input").expect("an input"), npz.tensor(m.output).expect("an output"));
        let executable = compile(backend, &folder.join(m.onnx).with_extension("onnx"), &input);
        let start = Instant::now();
        let output = executable.run(&[input.view()]).expect("runs").remove(0);
        let time = start.elapsed();
        let got = sample(&output, want.shape(), m.channel, m.stride);
        let difference = golden::compare(got.view(), want.view());
        let (channels, plane) = (want.shape()[1], want.shape()[2..].iter().product());
        let labels = |t: &Tensor| golden::labels(t.as_f32().expect("floats"), channels, plane);
        let (ours, theirs) = (labels(&got), labels(&want));
        let equal = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
        let agreement = equal as f64 / ours.len() as f64;
        let plan = executable.plan().peak() >> 20;
        let error = difference.relative();
        eprintln!(
            "{}/{} {}: error {error:.1e}, arg max {agreement:.6}, {time:.1?}, plan {plan} MiB",
            m.folder, m.onnx, m.golden
        );
        assert!(error <= m.tolerance, "{}/{}: {difference:?}", m.folder, m.onnx);
        assert!(agreement >= 0.9999, "{}/{}: arg max agreement {agreement}", m.folder, m.onnx);
    }
}

/// Value below which a share of the sorted voxels lies, interpolated as NumPy does.
fn quantile(sorted: &[u8], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let value = |i: usize| f64::from(sorted[i.min(sorted.len() - 1)]);
    let (low, part) = (at.floor() as usize, at.fract());
    value(low) * (1.0 - part) + value(low + 1) * part
}

/// Two networks label a whole head as their original framework does, in all but 5 of 10,000 voxels. Activations take
/// several hundred megabytes; 0.1 and 1.4 TFLOP.
pub fn label_whole_head(backend: &dyn Backend, assets: &Path) {
    let folder = assets.join("models/brain_meshnet_brainchop");
    let npz = Npz::open(&folder.join("golden_fullcrop.npz")).expect("a golden");
    let bytes = |name: &str| match npz.tensor(name).expect("an array").into_data() {
        Data::U8(v) => v,
        other => panic!("{name} is {}", other.dtype()),
    };
    let voxels = bytes("crop");
    let mut sorted = voxels.clone();
    sorted.sort_unstable();
    let (low, high) = (quantile(&sorted, 0.02), quantile(&sorted, 0.98));
    let shape: Vec<usize> = [1, 1].into_iter().chain(npz.tensor("crop").expect("a crop").shape().to_vec()).collect();
    let unit = |v: u8| (f64::from(v) / 255.0) as f32;
    let stretched = |v: u8| ((f64::from(v) - low) / (high - low)).clamp(0.0, 1.0) as f32;
    for (name, labels, quantiles) in
        [("model5_gw_ae", "seg_model5_gw_ae", false), ("model18cls", "seg_model18cls_qnorm", true)]
    {
        let data = voxels.iter().map(|&v| if quantiles { stretched(v) } else { unit(v) }).collect();
        let input = Tensor::from_f32(shape.clone(), data).expect("an input");
        let executable = compile(backend, &folder.join(name).with_extension("onnx"), &input);
        let start = Instant::now();
        let output = executable.run(&[input.view()]).expect("runs").remove(0);
        let time = start.elapsed();
        let ours = golden::labels(output.as_f32().expect("floats"), output.shape()[1], voxels.len());
        let equal = ours.iter().zip(bytes(labels)).filter(|(a, b)| **a == usize::from(*b)).count();
        let agreement = equal as f64 / voxels.len() as f64;
        eprintln!("{name}: labels agree {agreement:.6}, {time:.1?}, plan {} MiB", executable.plan().peak() >> 20);
        assert!(agreement >= 0.9995, "{name}: {agreement}");
    }
}
