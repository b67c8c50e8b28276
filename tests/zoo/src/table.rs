//! The page of all networks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{Case, Errors, Outcome, Run};

/// Backends, and how many times ONNX Runtime's error theirs may be.
pub const BARS: [(&str, f64); 2] = [("cpu", 2.0), ("wgpu", 4.0)];

const HEAD: &str = "\
<!-- Written by netra-zoo. Do not edit: see below how it is made. -->

# Real architectures

Networks of torchvision, timm, MONAI and nnU-Net, exported to ONNX with random weights (fixed seed; batch statistics
measured, then disturbed), and run on both backends. Random weights test arithmetic and operators, not diagnoses.

The reference is the torch module in float64 on the same input. An **error** is an absolute difference from it as a
share of the range of the output (largest minus smallest reference value), the worst over all outputs; given are the
largest and the 99.9th percentile. *ORT* is ONNX Runtime's own float32 error on the same file (CPU provider, default
options). The **ratio** is Netra's error over ONNX Runtime's, the worse of the two figures; the bars are 2 on cpu and 4
on wgpu. A ratio below 1 is a smaller error than ONNX Runtime's.

*Nodes* counts ONNX operators in the file without constants; *steps* the kernels that are left of them. *Load* is the time to
read the file and to fix shapes, fold constants and fuse, before any backend sees it.

";

/// The page, in Markdown. Cases that were not run on a backend have an empty cell there.
pub fn table(cases: &[Case]) -> String {
    let mut page = String::from(HEAD);
    page.push_str("| network | export | input | parameters | nodes | steps | load s | ORT max, p99.9 | cpu max, p99.9 | ratio | wgpu max, p99.9 | ratio |\n");
    page.push_str("| --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- | ---: | --- | ---: |\n");
    let mut remarks = Vec::new();
    let mut unmeasured = Vec::new();
    let mut machines: BTreeMap<String, String> = BTreeMap::new();
    for case in cases {
        let outcomes = BARS.map(|(backend, bar)| (backend, bar, case.kept(backend)));
        let run = outcomes.iter().find_map(|(_, _, kept)| match kept {
            Some((Outcome::Ran(run), ..)) => Some(run.clone()),
            _ => None,
        });
        let mut row = facts(case, run.as_ref());
        for (backend, bar, kept) in outcomes {
            let Some((outcome, device, profile)) = kept else {
                row.push_str(" | |");
                unmeasured.push(format!("{} on {backend}", case.name));
                continue;
            };
            machines.insert(backend.into(), format!("{device}, {profile} build"));
            match outcome {
                Outcome::Ran(run) => {
                    let ratio = run.errors.over(&case.onnxruntime_error);
                    let mark = if ratio <= bar { "" } else { " **over**" };
                    let _ = write!(row, " {} | {ratio:.2}{mark} |", pair(&run.errors));
                }
                Outcome::NotLoaded(why) => {
                    row.push_str(" not loaded | |");
                    remarks.push(format!("{} does not load: {why}", case.name));
                }
                Outcome::NotRun(why) => {
                    row.push_str(" not run | |");
                    remarks.push(format!("{} does not run on {backend}: {why}", case.name));
                }
            }
        }
        page.push_str(&row);
        page.push('\n');
    }
    if !unmeasured.is_empty() {
        let _ = writeln!(page, "\nNot measured yet: {}.", unmeasured.join(", "));
    }
    remarks.dedup();
    if !remarks.is_empty() {
        page.push_str("\n## What is refused\n\n");
        for remark in remarks {
            let _ = writeln!(page, "- {remark}");
        }
    }
    page.push_str(&foot(cases, &machines));
    page
}

/// The columns up to ONNX Runtime's error.
fn facts(case: &Case, run: Option<&Run>) -> String {
    let name = case.name.split('@').next().unwrap_or_default();
    let export = format!("{} {}", case.exporter, case.opset);
    let (input, nodes, steps, load) = match run {
        Some(run) => {
            let sizes: Vec<String> = run.input.iter().map(usize::to_string).collect();
            let load = format!("{:.1}", run.read + run.specialise);
            (sizes.join("x"), run.operators.to_string(), run.steps.to_string(), load)
        }
        None => Default::default(),
    };
    let parameters = case.parameters as f64 / 1e6;
    let ort = pair(&case.onnxruntime_error);
    format!(
        "| {} (`{name}`) | {export} | {input} | {parameters:.1} M | {nodes} | {steps} | {load} | {ort} |",
        case.title
    )
}

fn pair(errors: &Errors) -> String {
    format!("{:.1e}, {:.1e}", errors.max, errors.p999)
}

/// Machine, versions and the commands that make the page again.
fn foot(cases: &[Case], machines: &BTreeMap<String, String>) -> String {
    let mut text = String::from("\n## How it is made\n\nMeasured on: ");
    let list: Vec<String> = machines.iter().map(|(backend, device)| format!("{backend}: {device}")).collect();
    text.push_str(&list.join("; "));
    text.push_str(". Exported with ");
    let versions = cases.first().map(|case| case.versions.clone()).unwrap_or_default();
    let list: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    text.push_str(&list.join(", "));
    text.push_str(
        ".\n
```
python tests/zoo/export.py --out target/zoo
cargo run --release -p netra-zoo -- --zoo target/zoo --backend cpu
cargo run --release -p netra-zoo --features wgpu -- --zoo target/zoo --backend wgpu
cargo run --release -p netra-zoo -- --zoo target/zoo --table docs/models.md
```
",
    );
    text
}
