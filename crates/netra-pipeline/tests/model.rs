//! Whole runs of fake packages on the oracle.

mod common;

use std::sync::Mutex;

use common::{SEGMENT, convolution, manifest, model, over};
use ndarray::Array3;
use netra_core::{
    Affine, ErrorKind, ExtentMeasure, Finding, Findings, Geometry, Image, IntensityUnit, LabelMap, Volume,
};
use netra_pipeline::{InputSize, RunOptions, Stage};

const TO_LABELS: &str = "[[postprocess]]\nstep = \"AsDiscrete\"\nargmax = true\n";
const BACK: &str = "[[postprocess]]\nstep = \"Invert\"\nmode = \"nearest-exact\"\n";

fn volume(voxels: Array3<f32>, steps: [[f64; 3]; 3]) -> Volume {
    let (slices, rows, columns) = voxels.dim();
    let affine = Affine::from_steps(steps[0], steps[1], steps[2], [-31.0, 17.5, 4.25]);
    let grid = Geometry::new([slices, rows, columns], affine).expect("valid");
    Volume::new(voxels, grid, IntensityUnit::Arbitrary).expect("valid")
}

/// A ball of 100 in a background of 0, anisotropic, axial as DICOM stores it.
fn ball() -> Volume {
    let (spacing, radius) = ([2.5, 0.8, 0.8], 9.0);
    let voxels = Array3::from_shape_fn((14, 33, 38), |(s, r, c)| {
        let mm = [s as f64 - 6.2, r as f64 - 15.0, c as f64 - 19.7];
        let distance: f64 = mm.iter().zip(spacing).map(|(d, mm)| (d * mm).powi(2)).sum();
        if distance.sqrt() < radius { 100.0 } else { 0.0 }
    });
    volume(voxels, [[0.0, 0.0, spacing[0]], [0.0, spacing[1], 0.0], [spacing[2], 0.0, 0.0]])
}

fn labels(findings: &Findings) -> &LabelMap {
    match &findings.finding {
        Finding::Segmentation { labels, .. } => labels,
        other => panic!("no segmentation: {other:?}"),
    }
}

/// Voxels whose label differs from the truth, but for those within one voxel of the truth's surface.
fn wrong_beyond_one_voxel(found: &Array3<u16>, truth: &Array3<u16>) -> usize {
    let (slices, rows, columns) = truth.dim();
    let near = |s: usize, r: usize, c: usize| {
        let range = |i: usize, n: usize| i.saturating_sub(1)..(i + 2).min(n);
        let around = |label| {
            range(s, slices).any(|s| range(r, rows).any(|r| range(c, columns).any(|c| truth[[s, r, c]] == label)))
        };
        around(0) && around(1)
    };
    found.indexed_iter().filter(|((s, r, c), label)| **label != truth[[*s, *r, *c]] && !near(*s, *r, *c)).count()
}

/// Orientation, a finer and coarser grid, a crop and padding: undone, the labels lie where the voxels were.
#[test]
fn labels_come_back_to_where_the_voxels_were() {
    let scan = ball();
    let truth = scan.voxels().mapv(|v| u16::from(v > 50.0));
    let chains = [
        "[[preprocess]]\nstep = \"Orientation\"\naxcodes = \"RAS\"\n",
        "[[preprocess]]\nstep = \"Orientation\"\naxcodes = \"LIA\"\n[[preprocess]]\nstep = \"Spacing\"\npixdim = [1.0, 1.2, 1.0]\nmode = \"bilinear\"\n[[preprocess]]\nstep = \"ResizeWithPadOrCrop\"\nspatial_size = [40, 40, 29]\n",
        "[[preprocess]]\nstep = \"Conform\"\naxcodes = \"LIA\"\npixdim = [1.0, 1.0, 1.0]\nspatial_size = [48, 48, 48]\nmode = \"bilinear\"\n[[preprocess]]\nstep = \"CropForeground\"\nthreshold = 1.0\nmargin = 3\n",
        "[[preprocess]]\nstep = \"Resize\"\nspatial_size = [28, 30, 40]\nmode = \"bilinear\"\n[[preprocess]]\nstep = \"Orientation\"\naxcodes = \"PIR\"\n",
    ];
    for (i, chain) in chains.into_iter().enumerate() {
        let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{chain}{TO_LABELS}{BACK}"), SEGMENT);
        let findings = model(manifest, over(3, 50.0)).run(&scan, &RunOptions::default()).expect("in scope");
        let found = labels(&findings).labels();
        assert_eq!(found.dim(), truth.dim());
        assert_eq!(wrong_beyond_one_voxel(found, &truth), 0, "chain {i}");
        if i == 0 {
            assert_eq!(found, truth, "nothing is interpolated");
        }
        let (count, want) = (f64::from(found.mapv(u32::from).sum()), f64::from(truth.mapv(u32::from).sum()));
        assert!((count / want - 1.0).abs() < 0.06, "chain {i}: {count} voxels, {want} before");
    }
}

#[test]
fn extents_are_cubic_millimetres() {
    let scan = ball();
    let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{TO_LABELS}{BACK}"), SEGMENT);
    let findings = model(manifest, over(3, 50.0)).run(&scan, &RunOptions::default()).expect("in scope");
    let Finding::Segmentation { extents, .. } = &findings.finding else { panic!("no segmentation") };
    let [(count, ExtentMeasure::VolumeMm3(mm3))] = extents[..] else { panic!("{extents:?}") };
    assert!((mm3 - count as f64 * 1.6).abs() < 1e-6);
    // A ball of radius 9 mm has 3054 mm3.
    assert!((mm3 - 3054.0).abs() < 150.0, "{mm3}");
    let stages: Vec<_> = findings.timings.iter().map(|t| t.stage.as_str()).collect();
    assert_eq!(stages, ["preprocess", "compile", "network", "postprocess"]);
}

/// A network that looks at neighbours, in tiles and whole.
#[test]
fn tiles_change_nothing_and_progress_counts_them() {
    let scan = ball();
    let weights: Vec<f32> = (0..54).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
    let run = |inferer: &str| {
        let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{inferer}{TO_LABELS}{BACK}"), SEGMENT);
        let seen = Mutex::new(Vec::new());
        let tell = |stage: Stage, done: usize, total: usize| {
            if stage == Stage::Network {
                seen.lock().expect("no panic").push((done, total));
            }
        };
        let mut options = RunOptions::default();
        options.progress = Some(&tell);
        let model = model(manifest, convolution(3, 3, weights.clone(), vec![3.0, -2.0]));
        let findings = model.run(&scan, &options).expect("in scope");
        (labels(&findings).labels().clone(), seen.into_inner().expect("no panic"))
    };
    let (whole, once) = run("[inferer]\nkind = \"whole\"\n");
    assert_eq!(once, [(1, 1)]);
    assert!(whole.iter().any(|&l| l == 1) && whole.iter().any(|&l| l == 0));
    let (tiles, windows) = run("[inferer]\nkind = \"tiled\"\nroi_size = [8, 20, 38]\nhalo = 1\n");
    assert_eq!(tiles, whole);
    assert_eq!(windows, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    let (padded, _) = run("[inferer]\nkind = \"whole\"\npad_to_multiple = 8\n");
    assert_eq!(padded, whole, "zeros around the input are what the convolution pads with");
}

/// Pixels alone decide, so that any blend gives the same.
#[test]
fn windows_are_blended_into_the_whole() {
    let scan = ball();
    let truth = scan.voxels().mapv(|v| u16::from(v > 50.0));
    let inferer = "[inferer]\nkind = \"sliding_window\"\nroi_size = [16, 16, 16]\noverlap = 0.5\nmode = \"gaussian\"\n";
    let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{inferer}{TO_LABELS}{BACK}"), SEGMENT);
    let findings = model(manifest, over(3, 50.0)).run(&scan, &RunOptions::default()).expect("in scope");
    assert_eq!(labels(&findings).labels(), truth);
}

fn picture() -> Image {
    let pixels =
        Array3::from_shape_fn(
            (1, 60, 45),
            |(_, r, c)| {
                if (15..40).contains(&r) && (10..30).contains(&c) { 200.0 } else { 10.0 }
            },
        );
    let mut image = Image::new(pixels, IntensityUnit::Display, [0.0, 255.0]).expect("valid");
    image.spacing = Some([0.5, 0.2]);
    image
}

/// A picture stretched to a square and back, decided after the way back.
#[test]
fn a_picture_is_decided_on_its_own_grid() {
    let image = picture();
    let steps = "[[preprocess]]\nstep = \"Resize\"\nspatial_size = [64, 64]\nmode = \"bilinear\"\nanti_aliasing = true\n\
                 [[postprocess]]\nstep = \"Activations\"\nsoftmax = true\n\
                 [[postprocess]]\nstep = \"Invert\"\nmode = \"bilinear\"\n";
    let manifest = manifest("NCHW", "kind = \"image\"", &format!("{steps}{TO_LABELS}"), SEGMENT);
    let findings = model(manifest, over(2, 105.0)).run(&image, &RunOptions::default()).expect("in scope");
    let found = labels(&findings).labels();
    let truth =
        Array3::from_shape_fn((1, 60, 45), |(_, r, c)| u16::from((15..40).contains(&r) && (10..30).contains(&c)));
    let wrong = found.iter().zip(&truth).filter(|(a, b)| a != b).count();
    assert!(wrong <= 12, "{wrong} pixels differ from the rectangle");
    let Finding::Segmentation { extents, .. } = &findings.finding else { panic!("no segmentation") };
    assert!(matches!(extents[..], [(n, ExtentMeasure::AreaMm2(mm2))] if (mm2 - n as f64 * 0.1).abs() < 1e-9));
}

#[test]
fn a_scan_out_of_scope_is_refused_with_every_reason() {
    let manifest = manifest(
        "NCDHW",
        "kind = \"volume\"\nmodality = [\"CT\"]\nslice_spacing = [0.5, 1.0]",
        &format!("{TO_LABELS}{BACK}"),
        SEGMENT,
    );
    let model = model(manifest, over(3, 50.0));
    let mut scan = ball();
    scan.acquisition.modality = Some("MR".into());
    let error = model.run(&scan, &RunOptions::default()).expect_err("an MR with thick slices");
    assert_eq!(error.kind(), ErrorKind::OutOfScope);
    let text = error.to_string();
    assert!(text.contains("MR") && text.contains("slice spacing"), "{text}");
    let error = model.run(&picture(), &RunOptions::default()).expect_err("a picture");
    assert_eq!(error.kind(), ErrorKind::OutOfScope);
}

#[test]
fn an_unstated_modality_is_a_warning_and_a_threshold_is_told() {
    let image = picture();
    let steps = "[[postprocess]]\nstep = \"AsDiscrete\"\nthreshold = 105.0\nversion = \"v7\"\n";
    let manifest = manifest("NCHW", "kind = \"image\"\nmodality = [\"DX\"]", &format!("{steps}{BACK}"), SEGMENT);
    let identity = convolution(2, 1, vec![1.0], vec![0.0]);
    let findings = model(manifest, identity).run(&image, &RunOptions::default()).expect("a warning only");
    let codes: Vec<_> = findings.warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, ["unchecked", "operating-point"]);
    assert!(findings.warnings[1].message.contains("v7"));
    assert_eq!(labels(&findings).counts(), [25 * 20]);
}

#[test]
fn implausible_results_are_withheld() {
    let output = SEGMENT.replacen("kind", "abstain = { foreground_below = 0.4, foreground_above = 0.9 }\nkind", 1);
    let manifest = manifest("NCHW", "kind = \"image\"", &format!("{TO_LABELS}{BACK}"), &output);
    let error = model(manifest, over(2, 105.0)).run(&picture(), &RunOptions::default()).expect_err("19 % foreground");
    assert_eq!(error.kind(), ErrorKind::OutOfScope);
    assert!(error.to_string().contains("withheld"), "{error}");
}

#[test]
fn a_classifier_gives_probabilities_and_decisions() {
    let class = |name: &str, threshold: &str| {
        format!(
            "[[output.classes]]\nlabel = \"{name}\"\nconcept = {{ value = \"1\", scheme = \"99X\", meaning = \"{name}\" }}\n{threshold}\n"
        )
    };
    let output = format!(
        "kind = \"classification\"\n{}{}",
        class("a", "threshold = { value = 0.9, version = \"1\" }"),
        class("b", "")
    );
    let steps = "[[preprocess]]\nstep = \"Resize\"\nspatial_size = [1, 1]\nmode = \"area\"\n\
                 [[postprocess]]\nstep = \"Activations\"\nsoftmax = true\n";
    let manifest = manifest("NCHW", "kind = \"image\"", steps, &output);
    // Mean grey: (500 * 200 + 2200 * 10) / 2700 = 45.185; logits 45.185 - 42 and 0.
    let graph = convolution(2, 1, vec![1.0, 0.0], vec![-42.0, 0.0]);
    let findings = model(manifest, graph).run(&picture(), &RunOptions::default()).expect("in scope");
    let Finding::Classes(classes) = &findings.finding else { panic!("no classes") };
    assert!((classes[0].probability - 0.960_29).abs() < 1e-4, "{classes:?}");
    assert_eq!((classes[0].positive, classes[1].positive), (Some(true), None));
}

#[test]
fn a_network_budget_makes_tiles_smaller() {
    let scan = ball();
    let inferer = "[inferer]\nkind = \"tiled\"\nroi_size = [256, 256, 256]\nhalo = 1\n";
    let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{inferer}{TO_LABELS}{BACK}"), SEGMENT);
    let model = model(manifest, over(3, 50.0));
    let mut options = RunOptions::default();
    let whole = model.plan(&InputSize::Volume(scan.geometry().clone()), &options).expect("planned");
    assert_eq!((whole.windows, whole.window_shape.as_slice()), (1, [1, 1, 14, 33, 38].as_slice()));
    options.network_bytes = Some(whole.network_bytes / 2);
    let tiled = model.plan(&InputSize::Volume(scan.geometry().clone()), &options).expect("planned");
    assert!(tiled.windows > 1 && tiled.network_bytes <= whole.network_bytes / 2, "{tiled:?}");
    assert!(tiled.peak() < whole.peak());
    let same = model.run(&scan, &options).expect("in scope");
    assert_eq!(labels(&same).labels(), scan.voxels().mapv(|v| u16::from(v > 50.0)));
    options.network_bytes = Some(10);
    assert_eq!(model.run(&scan, &options).expect_err("nothing fits").kind(), ErrorKind::Limit);
}

/// What cannot be tiled is refused before it runs.
#[test]
fn a_network_budget_refuses_what_does_not_shrink() {
    let manifest = manifest("NCHW", "kind = \"image\"", &format!("{TO_LABELS}{BACK}"), SEGMENT);
    let model = model(manifest, over(2, 105.0));
    let mut options = RunOptions::default();
    options.network_bytes = Some(model.plan_input(&picture(), &options).expect("planned").network_bytes);
    model.run(&picture(), &options).expect("it fits");
    options.network_bytes = options.network_bytes.map(|bytes| bytes - 1);
    let error = model.run(&picture(), &options).expect_err("a byte too little");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn a_plan_counts_what_each_stage_holds() {
    let scan = ball();
    let conform = "[[preprocess]]\nstep = \"Conform\"\naxcodes = \"LIA\"\npixdim = [1.0, 1.0, 1.0]\nspatial_size = [48, 48, 48]\nmode = \"bilinear\"\n";
    let manifest = manifest("NCDHW", "kind = \"volume\"", &format!("{conform}{TO_LABELS}{BACK}"), SEGMENT);
    let plan = model(manifest, over(3, 50.0)).plan_input(&scan, &RunOptions::default()).expect("planned");
    let bytes: Vec<_> = plan.stages.iter().map(|s| (s.stage.as_str(), s.bytes)).collect();
    let (source, tensor) = (4 * 14 * 33 * 38, 4 * 48u64.pow(3));
    assert_eq!(bytes[..2], [("source", source), ("preprocess", source + tensor)]);
    // The oracle holds every value: input and two channels, and ten bytes of weights and bias.
    assert_eq!(plan.network_bytes, 3 * tensor + 16);
    assert_eq!(bytes[2], ("network", source + tensor + plan.network_bytes));
    assert_eq!(bytes[3], ("postprocess", source + tensor / 2 + source / 2));
    assert_eq!(plan.peak(), bytes[2].1);
}
