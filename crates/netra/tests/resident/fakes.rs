//! Scans, networks and lists of steps made up for the tests.

use std::sync::Arc;

use ndarray::Array3;
use netra_core::{Affine, Finding, Findings, Geometry, IntensityUnit, ModelIdentity, Volume};
use netra_graph::{Backend, Graph};
use netra_package::Manifest;
use netra_pipeline::Model;

use crate::common::{convolution, manifest};

/// Numbers between -1 and 1, the same every time.
pub fn numbers(n: usize, mut state: u32) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Waves and noise; slices 2.5 mm apart, rows upside down, columns from right to left.
pub fn scan([slices, rows, columns]: [usize; 3], shear: f64) -> Volume {
    let noise = numbers(slices * rows * columns, 5);
    let voxels = Array3::from_shape_fn((slices, rows, columns), |(s, r, c)| {
        let wave = (s as f32 * 0.55).sin() + (r as f32 * 0.23).cos() + (c as f32 * 0.31 + s as f32 * 0.2).sin();
        40.0 + 30.0 * wave + 12.0 * noise[(s * rows + r) * columns + c]
    });
    let steps = [[0.3 * shear, 0.2 * shear, 2.5], [0.1 * shear, -0.8, 0.0], [-0.9, 0.1 * shear, 0.05 * shear]];
    let affine = Affine::from_steps(steps[0], steps[1], steps[2], [31.0, 17.5, 4.25]);
    let grid = Geometry::new([slices, rows, columns], affine).expect("valid");
    Volume::new(voxels, grid, IntensityUnit::Arbitrary).expect("valid")
}

/// `channels` filters of 3 x 3 x 3.
pub fn network(channels: usize) -> Graph {
    convolution(3, 3, numbers(27 * channels, 11), numbers(channels, 3))
}

/// A segmentation of as many segments.
pub fn segments(count: usize) -> String {
    let segment = |number: usize| {
        format!(
            "[[output.segments]]\nnumber = {number}\nlabel = \"part {number}\"\n\
             category = {{ value = \"91723000\", scheme = \"SCT\", meaning = \"Anatomical Structure\" }}\n\
             property_type = {{ value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }}\ncolour = [255, 0, 0]\n"
        )
    };
    format!("kind = \"segmentation\"\n{}", (1..=count).map(segment).collect::<String>())
}

pub fn model(steps: &str, channels: usize, backend: Arc<dyn Backend>) -> Model {
    let manifest = manifest("NCDHW", "kind = \"volume\"", steps, &segments(channels));
    joined(manifest, network(channels), backend)
}

pub fn joined(manifest: Manifest, graph: Graph, backend: Arc<dyn Backend>) -> Model {
    let identity =
        ModelIdentity { id: "fake".into(), name: "Fake".into(), version: "1.0.0".into(), digest: "00".into() };
    Model::from_parts(manifest, identity, Arc::new(graph), backend).expect("names fit")
}

pub fn labels(findings: &Findings) -> Array3<u16> {
    match &findings.finding {
        Finding::Segmentation { labels, .. } => labels.labels().to_owned(),
        other => panic!("no segmentation: {other:?}"),
    }
}

pub const NORMALIZE: &str = "[[preprocess]]\nstep = \"NormalizeIntensity\"\n";
pub const REORIENT: &str = "[[preprocess]]\nstep = \"Orientation\"\naxcodes = \"LIA\"\n";
pub const SPACING: &str = "[[preprocess]]\nstep = \"Spacing\"\npixdim = [1.3, 1.6, 1.1]\nmode = \"bilinear\"\n";
pub const CONFORM: &str = "[[preprocess]]\nstep = \"Conform\"\naxcodes = \"RSA\"\npixdim = [1.5, 1.5, 1.5]\nspatial_size = [24, 22, 26]\nmode = \"bilinear\"\n";
pub const RANGE: &str = "[[preprocess]]\nstep = \"ScaleIntensityRange\"\na_min = -20.0\na_max = 90.0\nb_min = -1.0\nb_max = 1.0\nclip = true\n";
pub const SOFTMAX: &str = "[[postprocess]]\nstep = \"Activations\"\nsoftmax = true\n";
pub const SIGMOID: &str = "[[postprocess]]\nstep = \"Activations\"\nsigmoid = true\n";
pub const ARGMAX: &str = "[[postprocess]]\nstep = \"AsDiscrete\"\nargmax = true\n";
pub const LINEAR: &str = "[[postprocess]]\nstep = \"Invert\"\nmode = \"bilinear\"\n";
pub const NEAREST: &str = "[[postprocess]]\nstep = \"Invert\"\nmode = \"nearest-exact\"\n";

pub fn threshold(value: f32) -> String {
    format!("[[postprocess]]\nstep = \"AsDiscrete\"\nthreshold = {value:.2}\nversion = \"1\"\n")
}

pub fn sliding(roi: [usize; 3], overlap: f64, mode: &str, rest: &str) -> String {
    format!(
        "[inferer]\nkind = \"sliding_window\"\nroi_size = {roi:?}\noverlap = {overlap:.2}\nmode = \"{mode}\"\n{rest}"
    )
}
