//! The result as a page for people: one HTML file that needs no other, no script and no network. No patient's name or number.

mod markup;
mod results;

use std::io::Write;
use std::path::Path;

use netra_core::{Error, Findings, Result};
use netra_dicom::write::SOFTWARE_VERSION;

use crate::origin::Origin;
use crate::{Exporter, Pixels, ResultSet, Source, atomic, base64, picture};
use markup::{Markup, list, section, table};

const STYLE: &str = include_str!("style.css");

/// One page: the picture of [`Png`](crate::Png) embedded, the findings with their units, what the model is for and not for, what
/// it was run on, how long that took, and every warning. It reads light, dark and on paper.
#[derive(Clone, Copy, Debug)]
pub struct Html;

impl Exporter for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.html")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let page = page(findings, source, set).map_err(|e| e.at(out.display()))?.into_string();
        atomic::write(out, |file| file.write_all(page.as_bytes()).map_err(|e| Error::io(out, e)))
    }
}

fn page(findings: &Findings, source: &Source<'_>, set: &ResultSet) -> Result<Markup> {
    let sections = [
        Some(section("findings", "Findings", vec![results::table_of(&findings.finding)])),
        Some(section("picture", "Picture", vec![figure(findings, source)?])),
        statement(findings),
        Some(section("source", "Source", origin_of(source, set))),
        Some(section("run", "Run", run(findings, set))),
        Some(section("warnings", "Warnings", vec![warnings(findings)])),
    ];
    let body = vec![
        Markup::element("header", &[], header(findings, set)),
        Markup::element("main", &[], sections.into_iter().flatten().collect()),
        Markup::element(
            "footer",
            &[],
            vec![Markup::text(format!("Written by {SOFTWARE_VERSION}. AI result, for research, not for diagnosis."))],
        ),
    ];
    let head = vec![
        Markup::start("meta", &[("charset", "utf-8")]),
        Markup::start("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        Markup::of("title", format!("{}: AI result", findings.model.name)),
        Markup::element("style", &[], vec![Markup::own(STYLE)]),
    ];
    let html = vec![Markup::element("head", &[], head), Markup::element("body", &[], body)];
    Ok(Markup::line([
        Markup::own("<!DOCTYPE html>\n"),
        Markup::element("html", &[("lang", "en")], html),
        Markup::own("\n"),
    ]))
}

fn header(findings: &Findings, set: &ResultSet) -> Vec<Markup> {
    let reviewed = match set.interpreter() {
        Some(who) => format!(" Read by {}.", who.display()),
        None => " No person has reviewed it.".to_owned(),
    };
    let banner =
        Markup::line([Markup::of("strong", "AI result, for research, not for diagnosis."), Markup::text(reviewed)]);
    let when: String = set.now().rfc3339().chars().take(16).collect();
    let made =
        format!("Version {}, result of {} ({})", findings.model.version, when.replace('T', " "), set.now().offset);
    let mut parts = vec![
        Markup::element("p", &[("class", "banner"), ("role", "note")], vec![banner]),
        Markup::of("h1", &findings.model.name),
        Markup::of("p", made),
    ];
    let count = findings.warnings.len();
    if count > 0 {
        let text = if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
        parts.push(Markup::element(
            "p",
            &[],
            vec![Markup::element("a", &[("href", "#warnings")], vec![Markup::text(text)])],
        ));
    }
    parts
}

fn figure(findings: &Findings, source: &Source<'_>) -> Result<Markup> {
    let canvas = picture::drawn(findings, source)?;
    let [height, width] = canvas.size().map(|n| n.to_string());
    let data = format!("data:image/png;base64,{}", base64::encode(&canvas.png()?));
    let alternative = results::described(findings, source);
    let image = Markup::start("img", &[("src", &data), ("alt", &alternative), ("width", &width), ("height", &height)]);
    let caption = match &findings.saliency {
        None => alternative,
        Some(saliency) => format!("{alternative} {}", results::about_heat_maps(saliency)),
    };
    Ok(Markup::element("figure", &[], vec![image, Markup::of("figcaption", caption)]))
}

/// What the maker says; a network without a package says nothing.
fn statement(findings: &Findings) -> Option<Markup> {
    let statement = findings.statement.as_ref()?;
    let mut content = vec![list(&[
        ("For", statement.purpose.clone()),
        ("To be used by", statement.user.clone()),
        ("Made on", statement.population.clone()),
        ("Ethics approval", statement.approval.clone()),
        ("Consent", statement.consent.clone()),
        ("Licence", statement.licence.clone()),
        ("Weights from", statement.source.clone()),
    ])];
    if !statement.not_for.is_empty() {
        content.push(Markup::of("h3", "Not for"));
        content.push(Markup::element("ul", &[], statement.not_for.iter().map(|text| Markup::of("li", text)).collect()));
    }
    Some(section("model", "What the model is for", content))
}

fn origin_of(source: &Source<'_>, set: &ResultSet) -> Vec<Markup> {
    let origin = Origin::of(source);
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let numbers = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(" \u{d7} ");
    let spacing = origin.spacing.as_ref().map(|mm| mm.iter().map(|v| format!("{v:.3}")).collect::<Vec<_>>());
    let mut pairs = vec![
        ("Study Instance UID", known(&origin.acquisition.study_instance_uid)),
        ("Series Instance UID", known(&origin.acquisition.series_instance_uid)),
        ("Modality", known(&origin.acquisition.modality)),
        ("Body part", known(&origin.acquisition.body_part)),
        ("View", known(&origin.acquisition.view_position)),
    ];
    let shape = source.pixels.shape();
    match source.pixels {
        Pixels::Volume(_) => {
            pairs.push(("Slices \u{d7} rows \u{d7} columns", numbers(&shape)));
            pairs.push(("Instances", numbers(&[origin.instances().len()])));
        }
        Pixels::Image(image) => {
            pairs.push(("Rows \u{d7} columns", numbers(&shape[1..])));
            if let Some(frame) = &image.frame {
                pairs.push(("SOP Instance UID", frame.sop_instance_uid.clone()));
                pairs.push(("Frame", frame.frame.to_string()));
            }
        }
    }
    let spacing = spacing.map_or("unknown".to_owned(), |mm| format!("{} mm", mm.join(" \u{d7} ")));
    pairs.push(("Spacing", spacing));
    let mut content = vec![list(&pairs)];
    if !set.inputs().is_empty() {
        let files = set.inputs().iter().map(|file| {
            let uid = file.sop_instance_uid.as_deref().unwrap_or("not DICOM");
            vec![Markup::text(uid), Markup::text(&file.sha256), Markup::text(file.bytes.to_string())]
        });
        let summary = Markup::of("summary", "Files that were read, with their digests");
        let files = table("Files", &["SOP Instance UID", "SHA-256", "Bytes"], files.collect(), 1);
        content.push(Markup::element("details", &[], vec![summary, files]));
    }
    content
}

fn run(findings: &Findings, set: &ResultSet) -> Vec<Markup> {
    let (model, backend) = (&findings.model, &findings.backend);
    let mut pairs = vec![
        ("Package", format!("{} {}", model.id, model.version)),
        ("Package SHA-256", model.digest.clone()),
        ("Engine", SOFTWARE_VERSION.to_owned()),
        ("Backend", format!("{}, {}", backend.name, backend.device)),
        ("Precision", backend.precision.clone()),
        ("Tuning SHA-256", backend.tuning.clone().unwrap_or_default()),
    ];
    let objects = [
        ("seg", "Segmentation"),
        ("seg-binary", "Binary segmentation"),
        ("seg-fractional", "Fractional segmentation"),
        ("pm", "Parametric map"),
        ("sr", "Structured report"),
        ("sc", "Secondary Capture"),
    ];
    pairs.extend(
        objects.into_iter().filter(|(name, _)| set.holds(name)).map(|(name, title)| (title, set.instance_uid(name))),
    );
    let stages = findings
        .timings
        .iter()
        .map(|timing| vec![Markup::text(&timing.stage), Markup::text(format!("{:.3}", timing.seconds))]);
    let stages: Vec<_> = stages.collect();
    let mut content = vec![list(&pairs)];
    if !stages.is_empty() {
        content.push(table("Wall time", &["Stage", "Seconds"], stages, 1));
    }
    content
}

fn warnings(findings: &Findings) -> Markup {
    if findings.warnings.is_empty() {
        return Markup::of("p", "None.");
    }
    let items = findings.warnings.iter().map(|warning| {
        let code = Markup::element("span", &[("class", "soft")], vec![Markup::text(format!(" ({})", warning.code))]);
        Markup::element("li", &[], vec![Markup::line([Markup::text(&warning.message), code])])
    });
    Markup::element("ul", &[], items.collect())
}
