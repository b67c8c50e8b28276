//! proto goldens
#![allow(clippy::print_stderr)]
use netra_graph::*;
use netra_testkit::golden;
use netra_wgpu::{AdapterSelector, WgpuBackend};
use std::sync::Arc;
use std::time::Instant;

fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}

fn strided(t: &Tensor, s: usize) -> Tensor {
    let shape = t.shape();
    let v = t.as_f32().unwrap();
    let mut out = vec![];
    let os: Vec<usize> = shape.iter().enumerate().map(|(i, &d)| if i < 2 { d } else { d.div_ceil(s) }).collect();
    let n: usize = os.iter().product();
    for i in 0..n {
        let (mut r, mut at, mut st) = (i, 0, 1);
        for a in (0..os.len()).rev() {
            let idx = r % os[a];
            r /= os[a];
            at += idx * if a < 2 { 1 } else { s } * st;
            st *= shape[a];
        }
        out.push(v[at]);
    }
    Tensor::from_f32(os, out).unwrap()
}

#[test]
fn goldens() {
    let Some(assets) = netra_testkit::assets() else { return };
    let Ok(backend) = WgpuBackend::open(AdapterSelector::Any) else { return };
    let only = std::env::var("ONLY").unwrap_or_default();
    for (model, gold, key, stride) in [
        ("mednist_gan_monai/model", "golden", "image_onnxruntime", 1),
        ("retina_vessels_lwnet/wnet_drive", "golden_wnet_drive", "logits", 1),
        ("retina_vessels_lwnet/big_wnet_drive_av", "golden_big_wnet_drive_av", "logits_stride2", 2),
        ("cxr_lungseg_lungair/model", "golden", "logits", 1),
        ("brain_meshnet_brainchop/model5_gw_ae", "golden_model5_gw_ae", "logits", 1),
        ("brain_meshnet_brainchop/model18cls", "golden_model18cls", "logits_stride2", 2),
        ("brain_hippodeep/head", "golden_head", "output", 1),
        ("brain_hippodeep/hippo", "golden_hippoL", "output", 1),
        ("brain_hippodeep/hippo", "golden_hippoR", "output", 1),
        ("brain_extract_deepbet/model", "golden_model", "prob_stride2", 2),
    ] {
        if !model.contains(&only) {
            continue;
        }
        let dir = assets.join("models").join(model).parent().unwrap().to_path_buf();
        let graph =
            onnx::read(&assets.join("models").join(format!("{model}.onnx")), &onnx::ReadOptions::default()).unwrap();
        let mut npz = npz::Npz::open(&dir.join(format!("{gold}.npz"))).unwrap();
        let mut get = |k: &str| npz.tensor(k).unwrap();
        let input = get("input");
        let program = Arc::new(graph.specialise(&[input.shape().to_vec()]).unwrap());
        let (t, c) = (Instant::now(), cpu());
        let exe = backend.compile(program.clone(), &CompileOptions::default()).unwrap();
        let (compile, ccpu) = (t.elapsed(), cpu() - c);
        let (t, c) = (Instant::now(), cpu());
        let out = exe.run(&[input.view()]).unwrap();
        let (first, fcpu) = (t.elapsed(), cpu() - c);
        let (t, c) = (Instant::now(), cpu());
        exe.run(&[input.view()]).unwrap();
        let (second, scpu) = (t.elapsed(), cpu() - c);
        let want = get(key);
        let got = if stride > 1 { strided(&out[0], stride) } else { out[0].clone() };
        let d = golden::compare(got.view(), want.view());
        let (got, d) = if got.shape() != want.shape() {
            let half = got.as_f32().unwrap()[want.as_f32().unwrap().len()..].to_vec();
            let got = Tensor::from_f32(want.shape(), half).unwrap();
            let d = golden::compare(got.view(), want.view());
            (got, d)
        } else {
            (got, d)
        };
        let ch = want.shape()[1];
        let plane: usize = want.shape()[2..].iter().product();
        let (a, b) =
            (golden::labels(got.as_f32().unwrap(), ch, plane), golden::labels(want.as_f32().unwrap(), ch, plane));
        let agree = a.iter().zip(&b).filter(|(x, y)| x == y).count() as f64 / a.len() as f64;
        eprintln!(
            "{model} {gold}: rel {:.2e} abs {:.2e} of {:.3} argmax {agree:.6}; steps {} compile {compile:.1?} ({ccpu:.1} cpu) first {first:.2?} ({fcpu:.1} cpu) second {second:.2?} ({scpu:.1} cpu) plan {:?}",
            d.relative(),
            d.max_abs,
            d.range,
            program.steps.len(),
            exe.plan()
        );
    }
}

#[test]
fn fullcrop() {
    let Some(assets) = netra_testkit::assets() else { return };
    let Ok(backend) = WgpuBackend::open(AdapterSelector::Any) else { return };
    let dir = assets.join("models/brain_meshnet_brainchop");
    let npz = npz::Npz::open(&dir.join("golden_fullcrop.npz")).unwrap();
    let crop = npz.tensor("crop").unwrap();
    let Data::U8(v) = crop.data() else { panic!() };
    let s = crop.shape().to_vec();
    let mut sorted = v.clone();
    sorted.sort_unstable();
    let q = |f: f64| {
        let p = f * (sorted.len() - 1) as f64;
        let (i, t) = (p.floor() as usize, p.fract());
        sorted[i] as f64 * (1.0 - t) + sorted[(i + 1).min(sorted.len() - 1)] as f64 * t
    };
    let (lo, hi) = (q(0.02), q(0.98));
    eprintln!("crop {s:?} quantiles {lo} {hi}");
    let only = std::env::var("ONLY").unwrap_or_default();
    for (model, key, qnorm) in
        [("model5_gw_ae", "seg_model5_gw_ae", false), ("model18cls", "seg_model18cls_qnorm", true)]
    {
        if !model.contains(&only) {
            continue;
        }
        let data: Vec<f32> = v
            .iter()
            .map(|&x| if qnorm { (((x as f64 - lo) / (hi - lo)).clamp(0.0, 1.0)) as f32 } else { x as f32 / 255.0 })
            .collect();
        let input = Tensor::from_f32([1, 1, s[0], s[1], s[2]], data).unwrap();
        let graph = onnx::read(&dir.join(format!("{model}.onnx")), &onnx::ReadOptions::default()).unwrap();
        let program = Arc::new(graph.specialise(&[input.shape().to_vec()]).unwrap());
        let exe = backend.compile(program.clone(), &CompileOptions::default()).unwrap();
        eprintln!("{model} plan {:?}", exe.plan());
        let (t, c) = (Instant::now(), cpu());
        let out = exe.run(&[input.view()]).unwrap();
        let (first, fcpu) = (t.elapsed(), cpu() - c);
        let plane = v.len();
        let labels = golden::labels(out[0].as_f32().unwrap(), out[0].shape()[1], plane);
        let want = npz.tensor(key).unwrap();
        let Data::U8(w) = want.data() else { panic!() };
        let agree = labels.iter().zip(w).filter(|(a, b)| **a == **b as usize).count();
        eprintln!(
            "{model} fullcrop agreement {:.6} {first:.1?} cpu {fcpu:.1}; {}",
            agree as f64 / plane as f64,
            std::fs::read_to_string("/proc/self/status")
                .unwrap()
                .lines()
                .filter(|l| l.starts_with("VmHWM"))
                .collect::<String>()
        );
    }
}
