//! The published networks of the shared assets: each is read, specialised, and keeps its values through the passes.
//! Skipped where the assets are absent.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use netra_graph::{Dim, Graph, Program, Tensor, eval, npz, onnx};
use netra_testkit::assets;

fn read(path: &Path) -> Graph {
    onnx::read(path, &onnx::ReadOptions::default()).unwrap()
}

/// Input shapes with every unknown size replaced: the batch by 1, the rest by `size`.
fn shapes(graph: &Graph, size: usize) -> Vec<Vec<usize>> {
    let input = |v: &netra_graph::Value| {
        let dims = v.declared.as_ref().unwrap().shape.iter().enumerate();
        dims.map(|(i, d)| match d {
            Dim::Known(n) => *n,
            Dim::Symbol(_) if i == 0 => 1,
            Dim::Symbol(_) => size,
        })
        .collect()
    };
    graph.input_values().map(input).collect()
}

/// Values in -1..1 from a linear congruential generator.
fn noise(shape: &[usize]) -> Tensor {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Tensor::from_f32(shape, (0..shape.iter().product()).map(|_| next()).collect()).unwrap()
}

fn run(program: &Program) -> Vec<Tensor> {
    let inputs: Vec<Tensor> = program.inputs.iter().map(|&id| noise(&program.value(id).shape)).collect();
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    eval::run(program, &views).unwrap()
}

#[track_caller]
fn assert_close(a: &[Tensor], b: &[Tensor]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.shape(), b.shape());
        let (a, b) = (a.as_f32().unwrap(), b.as_f32().unwrap());
        let range = a.iter().fold(0f32, |m, v| m.max(v.abs()));
        let error = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-5 * range.max(1e-3), "error {error} of {range}");
    }
}

#[test]
fn every_model_specialises_to_its_declared_shapes() {
    let Some(assets) = assets() else { return };
    let mut seen = 0;
    for folder in std::fs::read_dir(assets.join("models")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(files) = std::fs::read_dir(&folder) else { continue };
        for path in files.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "onnx")) {
            let graph = read(&path);
            let shapes = shapes(&graph, 64);
            let program = graph.specialise(&shapes).unwrap();
            for (value, &id) in graph.output_values().zip(&program.outputs) {
                let output = program.value(id);
                assert_eq!(output.name, value.name);
                let declared = &value.declared.as_ref().unwrap().shape;
                assert_eq!(declared.len(), output.shape.len(), "{}", path.display());
                for (i, (dim, &size)) in declared.iter().zip(&output.shape).enumerate() {
                    let want = match dim {
                        Dim::Known(n) => *n,
                        Dim::Symbol(_) => shapes[0][i],
                    };
                    assert_eq!(size, want, "{} axis {i}", path.display());
                }
            }
            seen += 1;
        }
    }
    assert!(seen >= 11, "{seen} models");
}

#[test]
fn passes_keep_the_values_of_a_meshnet() {
    let Some(assets) = assets() else { return };
    let graph = read(&assets.join("models/brain_meshnet_brainchop/model5_gw_ae.onnx"));
    let shape = vec![vec![1, 1, 8, 8, 8]];
    let (plain, fast) = (graph.lower(&shape).unwrap(), graph.specialise(&shape).unwrap());
    assert!(fast.steps.len() < plain.steps.len());
    assert_close(&run(&plain), &run(&fast));
}

#[test]
fn passes_keep_the_values_of_a_wnet() {
    let Some(assets) = assets() else { return };
    let graph = read(&assets.join("models/retina_vessels_lwnet/wnet_drive.onnx"));
    let shape = vec![vec![1, 3, 16, 16]];
    let (plain, fast) = (graph.lower(&shape).unwrap(), graph.specialise(&shape).unwrap());
    assert!(fast.steps.len() < plain.steps.len());
    assert_close(&run(&plain), &run(&fast));
}

#[test]
fn the_generator_gives_its_golden_picture() {
    let Some(assets) = assets() else { return };
    let folder = assets.join("models/mednist_gan_monai");
    let golden = npz::Npz::open(&folder.join("golden.npz")).unwrap();
    let (latent, image) = (golden.tensor("input").unwrap(), golden.tensor("image").unwrap());
    // One picture of the batch: the evaluator is slow.
    let first = Tensor::from_f32([1, 64], latent.as_f32().unwrap()[..64].to_vec()).unwrap();
    let program = read(&folder.join("model.onnx")).specialise(&[vec![1, 64]]).unwrap();
    let outputs = eval::run(&program, &[first.view()]).unwrap();
    let want = Tensor::from_f32([1, 1, 64, 64], image.as_f32().unwrap()[..64 * 64].to_vec()).unwrap();
    assert_close(&[want], &outputs);
}

#[test]
fn weights_may_come_from_safetensors() {
    let Some(assets) = assets() else { return };
    let folder = assets.join("models/brain_meshnet_brainchop");
    let mut graph = read(&folder.join("model18cls.onnx"));
    let before = graph.clone();
    let mut weights = netra_graph::safetensors::read(&folder.join("model18cls.safetensors")).unwrap();
    graph.replace_constants(weights.clone()).unwrap();
    for (a, b) in graph.values.iter().zip(&before.values) {
        assert_eq!(a.constant, b.constant, "{}", a.name);
    }
    let last = weights.pop().unwrap();
    let missing = graph.replace_constants(weights.clone()).unwrap_err();
    assert!(missing.to_string().contains(&last.0), "{missing}");
    weights.push((last.0.clone(), Tensor::from_f32([1], vec![0.0]).unwrap()));
    assert!(graph.replace_constants(weights).unwrap_err().to_string().contains(&last.0));
}
