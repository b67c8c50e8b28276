//! The findings: their table, and the picture of them in words.

use netra_core::{Classification, CodedConcept, Finding, Findings, LabelMap, Rgb, Saliency, Segment};

use super::markup::{Markup, table};
use crate::picture::MOST_MAPS;
use crate::quantity::{Quantity, readable};
use crate::{Pixels, Source};

/// A row a class or a segment, in the package's order.
pub(super) fn table_of(finding: &Finding) -> Markup {
    match finding {
        Finding::Classes(classes) => {
            let columns = ["Class", "Code", "Result", "Threshold", "Probability"];
            table("Classes", &columns, classes.iter().map(of_class).collect(), 2)
        }
        Finding::Segmentation { labels, extents } => {
            let measure = extents.first().map_or("Size", |(_, extent)| Quantity::of(extent).name);
            let rows = labels.segments().iter().zip(extents).map(|(segment, (voxels, extent))| {
                let size = match voxels {
                    0 => Markup::element("span", &[("class", "soft")], vec![Markup::text("not found")]),
                    _ => Markup::text(readable(extent)),
                };
                vec![
                    Markup::line([swatch(segment.colour), Markup::text(&segment.label)]),
                    kind_of(segment),
                    size,
                    Markup::text(voxels.to_string()),
                ]
            });
            table("Segments", &["Segment", "Code", measure, "Voxels"], rows.collect(), 2)
        }
        _ => Markup::of("p", "The network made a picture. It measures nothing and decides nothing."),
    }
}

fn of_class(class: &Classification) -> Vec<Markup> {
    let result = match class.positive {
        Some(true) => Markup::element("span", &[("class", "found")], vec![Markup::text("positive")]),
        Some(false) => Markup::text("negative"),
        None => Markup::element("span", &[("class", "soft")], vec![Markup::text("no threshold")]),
    };
    let percent = |value: f32| format!("{:.1} %", value * 100.0);
    vec![
        Markup::text(&class.label),
        code(&class.concept),
        result,
        Markup::text(class.threshold.map(percent).unwrap_or_default()),
        Markup::text(percent(class.probability)),
    ]
}

/// What a segment is, and where in the body if that is another thing.
fn kind_of(segment: &Segment) -> Markup {
    match &segment.anatomic_region {
        Some(region) => Markup::line([code(&segment.property_type), Markup::text(" in "), code(region)]),
        None => code(&segment.property_type),
    }
}

fn code(concept: &CodedConcept) -> Markup {
    let code = format!(" ({} {})", concept.scheme, concept.value);
    Markup::line([
        Markup::text(&concept.meaning),
        Markup::element("span", &[("class", "soft")], vec![Markup::text(code)]),
    ])
}

fn swatch([red, green, blue]: Rgb) -> Markup {
    let style = format!("background:#{red:02x}{green:02x}{blue:02x}");
    Markup::element("span", &[("class", "swatch"), ("style", &style)], Vec::new())
}

/// What the picture shows, for whoever does not see it.
pub(super) fn described(findings: &Findings, source: &Source<'_>) -> String {
    match (&findings.finding, source.pixels) {
        (Finding::Segmentation { labels, extents }, Pixels::Volume(_)) => {
            format!(
                "Axial, coronal and sagittal planes of the source with {}.",
                drawn(labels, extents.iter().map(|e| e.0))
            )
        }
        (Finding::Segmentation { labels, extents }, Pixels::Image(_)) => {
            format!("The source, and the source with {}.", drawn(labels, extents.iter().map(|e| e.0)))
        }
        (Finding::Classes(classes), pixels) => match &findings.saliency {
            None => format!("The source, and the probabilities of {} classes.", classes.len()),
            Some(saliency) => {
                let maps = heat_maps(saliency, classes);
                let shown = match pixels {
                    Pixels::Image(_) => format!("The source, {maps} drawn over it in colour"),
                    Pixels::Volume(_) => format!("Planes of the source with {maps} drawn over them in colour"),
                };
                format!("{shown}, and the probabilities of {} classes.", classes.len())
            }
        },
        _ => "The picture that the network made.".to_owned(),
    }
}

/// The heat maps that a picture shows, by method and class.
fn heat_maps(saliency: &Saliency, classes: &[Classification]) -> String {
    let names = saliency.maps.iter().filter_map(|map| classes.get(map.class)).map(|class| class.label.as_str());
    let names: Vec<&str> = names.take(MOST_MAPS).collect();
    format!("the {}{} of {}", saliency.method.name(), if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// What a heat map is, and what it is not.
pub(super) fn about_heat_maps(saliency: &Saliency) -> String {
    format!(
        "A heat map shows what the network used: here {}. It does not show where disease is, how large it is, or whether the \
         network was right. What speaks against a class is not painted, and the colours of two maps have different scales.",
        saliency.method.meaning()
    )
}

/// The segments that were found, by name as long as that is a sentence.
fn drawn(labels: &LabelMap, voxels: impl Iterator<Item = u64>) -> String {
    let found = labels.segments().iter().zip(voxels).filter(|(_, voxels)| *voxels > 0);
    let names: Vec<&str> = found.map(|(segment, _)| segment.label.as_str()).collect();
    match names.len() {
        0 => "nothing drawn in: nothing was found".to_owned(),
        1..=6 => format!("these segments drawn in: {}", names.join(", ")),
        many => format!("{many} segments drawn in"),
    }
}
