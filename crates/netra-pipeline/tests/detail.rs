//! What a run computes only when it is asked: heat maps of classifiers, probabilities of segments.

mod common;

use std::sync::{Arc, Mutex};

use common::{SEGMENT, convolution, manifest, model};
use ndarray::{Array3, Array4};
use netra_core::{
    Affine, Detail, Finding, Findings, Geometry, Image, IntensityUnit, Probabilities, SaliencyMethod, Volume,
};
use netra_graph::{Activation, Graph, Node, Op, Tensor, Unary, Value, ValueId};
use netra_pipeline::{RunOptions, RunPlan, Stage};

const CLASSES: &str = r#"
kind = "classification"
[[output.classes]]
label = "bright"
concept = { value = "1", scheme = "99TEST", meaning = "Bright" }
threshold = { value = 0.5, version = "1" }
[[output.classes]]
label = "dark"
concept = { value = "2", scheme = "99TEST", meaning = "Dark" }
threshold = { value = 0.5, version = "1" }
"#;
const SIGMOID: &str = "[[postprocess]]\nstep = \"Activations\"\nsigmoid = true\n";

fn image(pixels: Array3<f32>) -> Image {
    Image::new(pixels, IntensityUnit::Arbitrary, [0.0, 255.0]).expect("valid")
}

/// Grey with a bright square.
fn square() -> Array3<f32> {
    Array3::from_shape_fn((1, 28, 42), |(_, r, c)| {
        let noise = ((r * 7 + c * 3) % 5) as f32;
        if (4..10).contains(&r) && (26..34).contains(&c) { 200.0 + noise } else { 20.0 + noise }
    })
}

/// Features `x` and `-x / 2`, pooled, and a linear layer with weights `[[1, 0], [0, 3]] / 40` and bias 1; with `hidden`, a
/// rectifier stands before the linear layer.
fn classifier(axes: usize, hidden: bool) -> Graph {
    let mut graph = convolution(axes, 1, vec![1.0, -0.5], vec![0.0, 0.0]);
    graph.values[3] = Value { name: "features".into(), constant: None, declared: None };
    let mut value = |name: &str, constant: Option<Tensor>| {
        graph.values.push(Value { name: name.into(), constant: constant.map(Arc::new), declared: None });
        Some(ValueId(graph.values.len() as u32 - 1))
    };
    let weights = value("w", Tensor::from_f32([2, 2], vec![0.025, 0.0, 0.0, 0.075]).ok());
    let bias = value("b", Tensor::from_f32([2], vec![1.0, 1.0]).ok());
    let [pooled, flat, rectified, logits] = ["pooled", "flat", "rectified", "logits"].map(|name| value(name, None));
    let gemm = Op::Gemm { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: true };
    let mut node = |op, inputs, output| {
        graph.nodes.push(Node { name: format!("{output:?}"), op, inputs, outputs: vec![output] });
    };
    node(Op::GlobalAveragePool, vec![Some(ValueId(3))], pooled);
    node(Op::Flatten { axis: 1 }, vec![pooled], flat);
    if hidden {
        node(Op::Unary(Unary::Activation(Activation::Relu)), vec![flat], rectified);
    }
    node(gemm, vec![if hidden { rectified } else { flat }, weights, bias], logits);
    graph.outputs = vec![logits.expect("just made")];
    graph
}

fn asked(saliency: bool, probabilities: bool) -> RunOptions<'static> {
    let mut options = RunOptions::default();
    options.detail = Detail { saliency, probabilities };
    options
}

#[test]
fn a_class_activation_map_is_what_each_pixel_adds() {
    let pixels = square();
    let manifest = manifest("NCHW", "kind = \"image\"", SIGMOID, CLASSES);
    let model = model(manifest, classifier(2, false));
    let findings = model.run(&image(pixels.clone()), &asked(true, false)).expect("runs");
    let saliency = findings.saliency.as_ref().expect("asked for");
    assert_eq!(saliency.method, SaliencyMethod::ClassActivation);
    let Finding::Classes(classes) = &findings.finding else { panic!("classes") };
    assert_eq!([classes[0].positive, classes[1].positive], [Some(true), Some(false)]);
    assert_eq!(saliency.maps.len(), 1);
    let map = &saliency.maps[0];
    assert_eq!(map.class, 0);
    for (got, x) in map.values.iter().zip(&pixels) {
        assert!((got - 0.025 * x).abs() < 1e-4, "{got} of {x}");
    }
    let logit = map.values.mean().expect("pixels") + 1.0;
    assert!((1.0 / (1.0 + (-logit).exp()) - classes[0].probability).abs() < 1e-5);
    assert!(findings.timings.iter().any(|t| t.stage == "saliency"));
    let plain = model.run(&image(pixels), &RunOptions::default()).expect("runs");
    assert!(plain.saliency.is_none() && plain.timings.iter().all(|t| t.stage != "saliency"));
}

/// The picture is twice as large as the network's input: the map lies where the square was.
#[test]
fn maps_come_back_to_the_source_grid() {
    let resize = "[[preprocess]]\nstep = \"Resize\"\nspatial_size = [14, 21]\nmode = \"area\"\n";
    let manifest = manifest("NCHW", "kind = \"image\"", &format!("{resize}{SIGMOID}"), CLASSES);
    let pixels = square();
    for hidden in [false, true] {
        let model = model(manifest.clone(), classifier(2, hidden));
        let findings = model.run(&image(pixels.clone()), &asked(true, false)).expect("runs");
        let saliency = findings.saliency.expect("asked for");
        let method = if hidden { SaliencyMethod::Occlusion } else { SaliencyMethod::ClassActivation };
        assert_eq!(saliency.method, method);
        let map = &saliency.maps[0];
        assert_eq!(map.class, 0);
        assert_eq!(map.values.dim(), (1, 28, 42));
        let inside = map.values.slice(ndarray::s![0, 5..9, 27..33]).mean().expect("pixels");
        let outside = map.values.slice(ndarray::s![0, 16.., ..20]).mean().expect("pixels");
        assert!(inside > outside.abs() * 2.0, "hidden {hidden}: {inside} {outside}");
    }
}

#[test]
fn an_occlusion_map_is_the_mean_fall_of_the_patches_over_a_cell() {
    let pixels = square();
    let manifest = manifest("NCHW", "kind = \"image\"", SIGMOID, CLASSES);
    let told = Mutex::new(Vec::new());
    let progress = |stage: Stage, done: usize, total: usize| {
        if stage == Stage::Saliency {
            told.lock().expect("one thread").push((done, total));
        }
    };
    let mut options = asked(true, false);
    options.progress = Some(&progress);
    let findings = model(manifest, classifier(2, true)).run(&image(pixels.clone()), &options).expect("runs");
    let map = &findings.saliency.as_ref().expect("asked for").maps[0];
    // Cells of 2 x 3 pixels; the network in plain words.
    let mean = pixels.mean().expect("pixels");
    let probability = |mean: f32| {
        let logit = if map.class == 0 { 0.025 * mean.max(0.0) + 1.0 } else { 0.075 * (-0.5 * mean).max(0.0) + 1.0 };
        1.0 / (1.0 + (-logit).exp())
    };
    let fall = |row: usize, column: usize| {
        let mut covered = pixels.clone();
        covered.slice_mut(ndarray::s![0, 2 * row..2 * row + 4, 3 * column..3 * column + 6]).fill(mean);
        probability(mean) - probability(covered.mean().expect("pixels"))
    };
    for (cell_row, cell_column) in [(0, 0), (3, 9), (13, 13), (7, 0)] {
        let patches = |cell: usize| cell.saturating_sub(1)..=cell.min(12);
        let falls: Vec<f32> = patches(cell_row)
            .flat_map(|r| patches(cell_column).map(move |c| (r, c)))
            .map(|(r, c)| fall(r, c))
            .collect();
        let want = falls.iter().sum::<f32>() / falls.len() as f32;
        // At a cell's centre nothing is interpolated along columns; along rows the centre lies between two pixels.
        let got =
            map.values[[0, 2 * cell_row, 3 * cell_column + 1]] + map.values[[0, 2 * cell_row + 1, 3 * cell_column + 1]];
        let (above, below) = (cell_row.saturating_sub(1), (cell_row + 1).min(13));
        let cell = |row: usize| {
            let falls: Vec<f32> =
                patches(row).flat_map(|r| patches(cell_column).map(move |c| (r, c))).map(|(r, c)| fall(r, c)).collect();
            falls.iter().sum::<f32>() / falls.len() as f32
        };
        let interpolated = 1.5 * want + 0.25 * (cell(above) + cell(below));
        assert!((got - interpolated).abs() < 1e-5, "{cell_row} {cell_column}: {got} {interpolated}");
    }
    let told = told.into_inner().expect("one thread");
    assert_eq!((told.first(), told.last()), (Some(&(0, 169)), Some(&(169, 169))));
}

#[test]
fn volumes_have_maps_too() {
    let voxels = Array3::from_shape_fn((9, 17, 16), |(s, r, c)| if s > 5 && r < 6 && c > 9 { 400.0 } else { 10.0 });
    let affine = Affine::from_steps([0.0, 0.0, 3.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
    let grid = Geometry::new([9, 17, 16], affine).expect("valid");
    let scan = Volume::new(voxels.clone(), grid, IntensityUnit::Arbitrary).expect("valid");
    let manifest = manifest("NCDHW", "kind = \"volume\"", SIGMOID, CLASSES);
    for hidden in [false, true] {
        let model = model(manifest.clone(), classifier(3, hidden));
        let saliency = model.run(&scan, &asked(true, false)).expect("runs").saliency.expect("asked for");
        let map = saliency.maps.iter().find(|map| map.class == 0).expect("bright");
        let greatest = map.values.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).expect("voxels").0;
        assert!(voxels[greatest] > 100.0, "hidden {hidden}: {greatest:?}");
    }
}

fn labels(findings: &Findings) -> Array3<u16> {
    match &findings.finding {
        Finding::Segmentation { labels, .. } => labels.labels().clone(),
        other => panic!("no segmentation: {other:?}"),
    }
}

/// Every way from logits to labels: the labels are those of a run that was not asked, and the probabilities those of the channel.
#[test]
fn probabilities_are_those_that_labels_are_decided_by() {
    let voxels = Array3::from_shape_fn((5, 9, 8), |(s, r, c)| ((s * 31 + r * 17 + c * 5) % 23) as f32 / 2.0 - 5.0);
    let affine = Affine::from_steps([0.0, 0.0, 2.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
    let grid = Geometry::new([5, 9, 8], affine).expect("valid");
    let scan = Volume::new(voxels.clone(), grid, IntensityUnit::Arbitrary).expect("valid");
    let orientation = "[[preprocess]]\nstep = \"Orientation\"\naxcodes = \"RAS\"\n";
    let (argmax, threshold) = (
        "[[postprocess]]\nstep = \"AsDiscrete\"\nargmax = true\n",
        "[[postprocess]]\nstep = \"AsDiscrete\"\nthreshold = 0.5\nversion = \"1\"\n",
    );
    let softmax = "[[postprocess]]\nstep = \"Activations\"\nsoftmax = true\n";
    let back = |mode: &str| format!("[[postprocess]]\nstep = \"Invert\"\nmode = \"{mode}\"\n");
    let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
    for (steps, channels) in [
        (format!("{softmax}{argmax}{}", back("nearest-exact")), 2),
        (format!("{argmax}{}", back("nearest-exact")), 2),
        (format!("{softmax}{}{argmax}", back("bilinear")), 2),
        (format!("{SIGMOID}{}{threshold}", back("bilinear")), 1),
        (format!("{SIGMOID}{threshold}{}", back("nearest-exact")), 1),
    ] {
        let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{orientation}{steps}"), SEGMENT);
        // Logits 0 and x, or x alone: either way the probability is the logistic function of x.
        let (weights, bias) = if channels == 2 { (vec![0.0, 1.0], vec![0.0; 2]) } else { (vec![1.0], vec![0.0]) };
        let model = model(manifest, convolution(3, 1, weights, bias));
        let findings = model.run(&scan, &asked(false, true)).expect("runs");
        let plain = model.run(&scan, &RunOptions::default()).expect("runs");
        assert_eq!(labels(&findings), labels(&plain), "{steps}");
        assert!(plain.probabilities.is_none());
        let Probabilities { values } = findings.probabilities.expect("asked for");
        let want: Array4<u8> = voxels.mapv(|x| (logistic(x) * 255.0).round() as u8).insert_axis(ndarray::Axis(0));
        let apart = values.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(values.dim(), want.dim());
        assert!(apart <= Some(1), "{steps}: {apart:?}");
    }
}

#[test]
fn a_threshold_on_what_is_no_probability_is_refused() {
    let steps = "[[postprocess]]\nstep = \"AsDiscrete\"\nthreshold = 0.5\nversion = \"1\"\n\
        [[postprocess]]\nstep = \"Invert\"\nmode = \"nearest-exact\"\n";
    let manifest = manifest("NCHW", "kind = \"image\"", steps, SEGMENT);
    let model = model(manifest, convolution(2, 1, vec![1.0], vec![0.0]));
    let error = model.run(&image(square()), &asked(false, true)).expect_err("no probability");
    assert_eq!(error.kind(), netra_core::ErrorKind::Unsupported, "{error}");
    model.run(&image(square()), &RunOptions::default()).expect("labels need none");
}

#[test]
fn plans_count_what_is_asked_for() {
    let voxels = Array3::from_elem((5, 9, 8), 1.0);
    let affine = Affine::from_steps([0.0, 0.0, 2.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
    let scan = Volume::new(voxels, Geometry::new([5, 9, 8], affine).expect("valid"), IntensityUnit::Arbitrary);
    let scan = scan.expect("valid");
    let steps = "[[postprocess]]\nstep = \"AsDiscrete\"\nargmax = true\n\
        [[postprocess]]\nstep = \"Invert\"\nmode = \"nearest-exact\"\n";
    let segmenter =
        model(manifest("NCDHW", "kind = \"volume\"", steps, SEGMENT), convolution(3, 1, vec![0.0, 1.0], vec![0.0; 2]));
    let plan = |options: &RunOptions<'_>| segmenter.plan_input(&scan, options).expect("planned");
    let names = |plan: &RunPlan| plan.stages.iter().map(|s| s.stage.clone()).collect::<Vec<_>>();
    let (plain, asked_for) = (plan(&RunOptions::default()), plan(&asked(true, true)));
    assert_eq!(names(&plain), ["source", "preprocess", "network", "postprocess"]);
    assert_eq!(names(&asked_for), ["source", "preprocess", "network", "probabilities", "postprocess"]);
    let voxels = 5 * 9 * 8;
    // The source, what the backend holds, two channels, labels, the segment twice.
    let want = 4 * voxels + asked_for.network_bytes + 4 * 2 * voxels + 2 * voxels + 2 * voxels;
    assert_eq!(asked_for.stages[3].bytes, want);

    let classifier = model(manifest("NCDHW", "kind = \"volume\"", SIGMOID, CLASSES), classifier(3, false));
    let plan = classifier.plan_input(&scan, &asked(true, true)).expect("planned");
    let stages: Vec<&str> = plan.stages.iter().map(|s| &*s.stage).collect();
    assert_eq!(stages, ["source", "preprocess", "network", "postprocess", "saliency"]);
    assert!(plan.stages[4].bytes > plan.stages[2].bytes, "{:?}", plan.stages);
}
