//! `netra inspect`: what a scan or a package is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use netra::dicom::{GeometryVerdict, RealWorldMap, Summary};
use netra::export::convert::thumbnail;
use netra::export::{tags, write_thumbnails};
use netra::{Collection, Error, Limits, Model, Scan};
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::exit;
use crate::terminal::{Terminal, bytes};

/// Runs the command.
pub fn run(args: &InspectArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    if args.path.join(netra::package::manifest::FILE_NAME).is_file() {
        return package(&args.path, terminal);
    }
    let collection = netra::open(&args.path)?;
    for warning in &collection.warnings {
        terminal.note(&format!("warning {}: {}", warning.code, warning.message));
    }
    for (path, error) in &collection.refused {
        terminal.error(&format!("{}: {error}", path.display()));
    }
    let code = match (collection.scans.is_empty(), collection.refused.is_empty()) {
        (_, true) => 0,
        (false, false) => exit::PARTIAL,
        (true, false) => 3,
    };
    match &args.thumbnail {
        Some(out) => sheet(collection, out, terminal)?,
        None if args.tags => headers(&collection, args.show_patient, terminal)?,
        None => summaries(&collection, terminal)?,
    }
    Ok(ExitCode::from(code))
}

fn summaries(collection: &Collection, terminal: &Terminal) -> anyhow::Result<()> {
    let summaries: Vec<Summary> = collection.scans.iter().map(Scan::summary).collect();
    for summary in &summaries {
        scan(summary, terminal);
    }
    let refused = |(path, error): &(PathBuf, Error)| json!({ "path": path, "kind": format!("{:?}", error.kind()), "error": error.to_string() });
    let refused: Vec<Value> = collection.refused.iter().map(refused).collect();
    terminal.document(&json!({ "scans": summaries, "refused": refused, "warnings": collection.warnings }))
}

/// The header of each DICOM file; what is no DICOM has none.
fn headers(collection: &Collection, show_patient: bool, terminal: &Terminal) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for scan in &collection.scans {
        let Scan::Dicom(series) = scan else {
            terminal.note(&format!("{}: no DICOM, so no tags", scan.id()));
            continue;
        };
        for instance in &series.instances {
            terminal.line(&format!("{} ({})", instance.path().display(), instance.transfer_syntax()));
            for row in tags::rows(instance.header(), show_patient) {
                let name = format!("{:1$}{2}", "", 2 * row.depth, row.keyword);
                let line = format!("  {:<11} {:<2} {name:<38} {}", row.tag, row.vr, row.value);
                terminal.line(line.trim_end());
            }
            if let Some(format) = instance.pixel_format() {
                let [frames, rows, columns] = [format.frames, format.rows, format.columns];
                terminal.line(&format!("  pixels      {frames} frames of {rows} x {columns}, {}", format.photometric));
            }
            documents.push(tags::json(instance.header(), show_patient));
        }
    }
    terminal.document(&documents)
}

/// A picture of each scan on one sheet.
fn sheet(collection: Collection, out: &Path, terminal: &Terminal) -> anyhow::Result<()> {
    let bar = terminal.bar("pictures");
    bar.set_length(collection.scans.len() as u64);
    let each = collection.scans.into_iter().map(|scan| {
        let thumbnail = thumbnail(scan, &Limits::default());
        bar.inc(1);
        thumbnail
    });
    let thumbnails: Vec<_> = each.collect();
    bar.finish_and_clear();
    write_thumbnails(&thumbnails, out)?;
    terminal.line(&format!("{}: {} scans", out.display(), thumbnails.len()));
    terminal.document(&json!({ "file": out, "scans": thumbnails.len() }))
}

fn scan(summary: &Summary, terminal: &Terminal) {
    let known = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            terminal.line(&format!("  {name:<12} {value}"));
        }
    };
    terminal.line(&summary.id);
    known("kind", Some(&summary.kind));
    known("modality", summary.modality.as_deref());
    known("body part", summary.body_part.as_deref());
    known("view", summary.view_position.as_deref());
    known("SOP class", summary.sop_class.as_deref().or(summary.sop_class_uid.as_deref()));
    for syntax in &summary.transfer_syntaxes {
        known("syntax", Some(syntax));
    }
    known("photometric", summary.photometric_interpretation.as_deref());
    known("sample", summary.sample.as_deref());
    let size = summary.size.map_or_else(String::new, |[rows, columns]| format!(" of {rows} x {columns}"));
    known("frames", Some(&format!("{}{size} in {} files", summary.frames, summary.instances)));
    if !summary.spacing.is_empty() {
        let each: Vec<String> = summary.spacing.iter().map(|s| format!("{s:.4}")).collect();
        known("spacing", Some(&format!("{} mm", each.join(" x "))));
    }
    known(
        "geometry",
        Some(&match &summary.geometry {
            GeometryVerdict::Regular => "regular grid".to_owned(),
            GeometryVerdict::Refused(reason) => format!("refused: {reason}"),
            GeometryVerdict::Images => "single images".to_owned(),
        }),
    );
    if let Some(audit) = &summary.audit {
        // One stack is the scan itself.
        for stack in audit.stacks.iter().filter(|_| audit.stacks.len() > 1) {
            known("stack", Some(&format!("{}: {} frames", stack.label, stack.frames())));
        }
        for found in audit.all().filter(|found| !found.is_fault()) {
            known("note", Some(&found.to_string()));
        }
    }
    for value in &summary.real_world_values {
        let map = match &value.map {
            RealWorldMap::Linear { slope, intercept } => format!("{slope} x stored + {intercept}"),
            RealWorldMap::Table { entries } => format!("a table of {entries}"),
        };
        known("real world", Some(&format!("{}: {map} ({})", value.label, value.unit[1])));
    }
    match &summary.suv_factors {
        Some(Ok(factors)) => known("SUV", Some(&format!("value x {} (body weight)", factors.body_weight))),
        Some(Err(reason)) => known("SUV", Some(&format!("not known: {reason}"))),
        None => {}
    }
    for warning in &summary.warnings {
        known("warning", Some(&format!("{}: {}", warning.code, warning.message)));
    }
}

fn package(path: &Path, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let model = Model::open(path)?;
    let package = model.package();
    let (manifest, identity) = (package.manifest(), package.identity());
    terminal.line(&format!("{} {}: {}", identity.id, identity.version, identity.name));
    terminal.line(&format!("  task       {}", manifest.model.task));
    terminal.line(&format!("  licence    {}", manifest.model.licence));
    terminal.line(&format!("  source     {}", manifest.model.source));
    terminal.line(&format!("  purpose    {}", manifest.intended_use.purpose));
    for not_for in &manifest.intended_use.not_for {
        terminal.line(&format!("  not for    {not_for}"));
    }
    terminal.line(&format!("  ethics     {}; {}", manifest.ethics.approval, manifest.ethics.consent));
    terminal.line(&format!("  parameters {}", package.graph().parameter_count()));
    terminal.line(&format!("  memory     {} ({})", bytes(manifest.memory.peak_bytes), manifest.memory.note));
    terminal.line(&format!("  digest     sha256 {} (every file verified)", identity.digest));
    terminal.document(&json!({ "identity": identity, "manifest": manifest }))?;
    Ok(ExitCode::SUCCESS)
}
