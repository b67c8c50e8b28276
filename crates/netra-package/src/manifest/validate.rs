//! What the types cannot say: relations between keys, ranges of numbers. Every error names its key.

use std::collections::HashSet;

use netra_core::{CodedConcept, Error, Result};
use netra_graph::arch::Architecture;

use super::{
    Class, FORMAT, Golden, InputKind, Layout, Manifest, OutputContract, Reduced, RelativePath, SegmentationAbstain,
    steps,
};
use crate::error::from_graph;

/// Checks a parsed manifest.
pub(super) fn check(manifest: &Manifest) -> Result<()> {
    if manifest.format != FORMAT {
        return Err(Error::unsupported(format!("`format` is {} (this release reads {FORMAT})", manifest.format)));
    }
    identity(manifest)?;
    files(manifest)?;
    network(manifest)?;
    steps::check(manifest)?;
    output(&manifest.output)?;
    manifest.performance.iter().enumerate().try_for_each(|(i, row)| {
        require(row.value.is_finite(), &format!("performance[{i}].value"), "is no finite number")?;
        filled(&format!("performance[{i}].metric"), &row.metric)?;
        filled(&format!("performance[{i}].dataset"), &row.dataset)
    })?;
    require(manifest.memory.peak_bytes > 0, "memory.peak_bytes", "is 0")?;
    filled("memory.note", &manifest.memory.note)?;
    manifest.golden.iter().enumerate().try_for_each(|(i, case)| golden(manifest, i, case))
}

/// The error of a key.
pub(super) fn wrong(key: &str, what: &str) -> Error {
    Error::malformed(format!("`{key}` {what}"))
}

/// An error of the key unless `sound`.
pub(super) fn require(sound: bool, key: &str, what: &str) -> Result<()> {
    if sound { Ok(()) } else { Err(wrong(key, what)) }
}

fn filled(key: &str, text: &str) -> Result<()> {
    require(!text.trim().is_empty(), key, "is empty (state `unknown` when it is not known)")
}

fn link(key: &str, url: &str) -> Result<()> {
    require(url.starts_with("https://") || url.starts_with("http://"), key, "is no http(s) address")
}

fn identity(manifest: &Manifest) -> Result<()> {
    let model = &manifest.model;
    let id = &model.id;
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    require(
        plain && (1..=64).contains(&id.len()) && !id.starts_with('-') && !id.ends_with('-'),
        "model.id",
        "is not 1 to 64 lower-case letters, digits and inner hyphens",
    )?;
    require(is_semver(&model.version), "model.version", "is no semantic version such as 1.0.0")?;
    require(is_spdx(&model.licence), "model.licence", "is no SPDX licence expression")?;
    require(!model.authors.is_empty(), "model.authors", "is empty")?;
    link("model.source", &model.source)?;
    let texts = [
        ("model.name", &model.name),
        ("model.task", &model.task),
        ("ethics.approval", &manifest.ethics.approval),
        ("ethics.consent", &manifest.ethics.consent),
        ("intended_use.purpose", &manifest.intended_use.purpose),
        ("intended_use.population", &manifest.intended_use.population),
        ("intended_use.user", &manifest.intended_use.user),
    ];
    texts.into_iter().try_for_each(|(key, text)| filled(key, text))?;
    require(!manifest.intended_use.not_for.is_empty(), "intended_use.not_for", "is empty")?;
    manifest.data.iter().enumerate().try_for_each(|(i, set)| {
        filled(&format!("data[{i}].name"), &set.name)?;
        filled(&format!("data[{i}].licence"), &set.licence)?;
        link(&format!("data[{i}].url"), &set.url)
    })
}

/// `MAJOR.MINOR.PATCH`, with an optional `-pre.release` and `+build` (semver.org, items 2, 9 and 10).
fn is_semver(version: &str) -> bool {
    let (rest, build) = version.split_once('+').map_or((version, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let numeric = |part: &str| {
        !part.is_empty()
            && part.len() <= 9
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    core.split('.').count() == 3
        && core.split('.').all(numeric)
        && [pre, build].into_iter().flatten().all(|suffix| suffix.split('.').all(word))
}

/// The grammar of SPDX licence expressions (SPDX 2.3, annex D), without looking identifiers up.
fn is_spdx(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let identifier =
        |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+' | b':'));
    let (mut depth, mut operand_next) = (0u32, true);
    for word in spaced.split_whitespace() {
        match (word, operand_next) {
            ("(", true) => depth += 1,
            (")", false) if depth > 0 => depth -= 1,
            ("AND" | "OR" | "WITH", false) => operand_next = true,
            (_, true) if identifier(word) && !matches!(word, "AND" | "OR" | "WITH") => operand_next = false,
            _ => return false,
        }
    }
    depth == 0 && !operand_next
}

fn files(manifest: &Manifest) -> Result<()> {
    let mut seen = HashSet::new();
    for (i, entry) in manifest.files.iter().enumerate() {
        let key = format!("files[{i}].path");
        require(!entry.path.as_str().eq_ignore_ascii_case(super::FILE_NAME), &key, "is the manifest itself")?;
        // Case is folded: two names that differ in case only are one file on some systems.
        require(
            seen.insert(entry.path.as_str().to_ascii_lowercase()),
            &key,
            &format!("`{}` is listed twice", entry.path),
        )?;
    }
    Ok(())
}

fn listed(manifest: &Manifest, key: &str, path: &RelativePath, needed: bool) -> Result<()> {
    let entry = manifest.file(path).ok_or_else(|| wrong(key, &format!("`{path}` is not among `files`")))?;
    require(!(needed && entry.optional), key, &format!("`{path}` is marked optional, but a run needs it"))
}

fn network(manifest: &Manifest) -> Result<()> {
    let network = &manifest.network;
    match (&network.graph, &network.architecture) {
        (Some(graph), None) => listed(manifest, "network.graph", graph, true)?,
        (None, Some(table)) => {
            Architecture::from_json(table).map_err(|e| from_graph(e).at("network.architecture"))?;
            require(network.weights.is_some(), "network.weights", "is missing: an architecture needs weights")?;
        }
        _ => return Err(wrong("network", "has not exactly one of `graph` and `architecture`")),
    }
    if let Some(weights) = &network.weights {
        listed(manifest, "network.weights", weights, true)?;
    }
    filled("network.input", &network.input)?;
    filled("network.output", &network.output)?;
    let fits = match manifest.input.kind {
        InputKind::Image => network.layout == Layout::Nchw,
        InputKind::Volume => network.layout == Layout::Ncdhw,
        InputKind::Array => true,
    };
    require(fits, "network.layout", "does not fit `input.kind` (image: NCHW, volume: NCDHW)")?;
    require((1..=4096).contains(&network.channels), "network.channels", "is not 1 to 4096")?;
    if let Some(size) = &network.size {
        steps::sizes("network.size", size, network.layout.axes())?;
    }
    require(
        manifest.input.channels.iter().all(|c| matches!(c, 1 | 3)),
        "input.channels",
        "holds a number other than 1 and 3",
    )
}

fn concept(key: &str, concept: &CodedConcept) -> Result<()> {
    // PS3.3 table 8.8-1: Code Value and scheme are SH (16 characters), Code Meaning is LO (64).
    let fits = |text: &str, most| (1..=most).contains(&text.trim().chars().count());
    require(
        fits(&concept.value, 16) && fits(&concept.scheme, 16) && fits(&concept.meaning, 64),
        key,
        "needs value and scheme (1 to 16 characters) and meaning (1 to 64)",
    )
}

fn output(output: &OutputContract) -> Result<()> {
    match output {
        OutputContract::Segmentation { segments, abstain } => {
            require(!segments.is_empty(), "output.segments", "is empty")?;
            let mut last = 0;
            for (i, segment) in segments.iter().enumerate() {
                let key = |field: &str| format!("output.segments[{i}].{field}");
                require(segment.number > last, &key("number"), "does not ascend from 1")?;
                last = segment.number;
                filled(&key("label"), &segment.label)?;
                concept(&key("category"), &segment.category)?;
                concept(&key("property_type"), &segment.property_type)?;
                let region = segment.anatomic_region.as_ref();
                region.map_or(Ok(()), |region| concept(&key("anatomic_region"), region))?;
            }
            match abstain {
                Some(SegmentationAbstain { foreground_below: low, foreground_above: high }) => require(
                    (0.0..=1.0).contains(low) && (0.0..=1.0).contains(high) && low < high,
                    "output.abstain",
                    "needs 0 <= foreground_below < foreground_above <= 1",
                ),
                None => Ok(()),
            }
        }
        OutputContract::Classification { classes, abstain } => {
            require(!classes.is_empty(), "output.classes", "is empty")?;
            classes.iter().enumerate().try_for_each(|(i, class)| output_class(i, class))?;
            let share = abstain.as_ref().map_or(0.0, |a| a.top_probability_below);
            require((0.0..=1.0).contains(&share), "output.abstain.top_probability_below", "is not 0 to 1")
        }
        OutputContract::Generated { channels, label } => {
            require((1..=4096).contains(channels), "output.channels", "is not 1 to 4096")?;
            filled("output.label", label)
        }
    }
}

fn output_class(i: usize, class: &Class) -> Result<()> {
    filled(&format!("output.classes[{i}].label"), &class.label)?;
    concept(&format!("output.classes[{i}].concept"), &class.concept)?;
    class.threshold.as_ref().map_or(Ok(()), |threshold| {
        let key = format!("output.classes[{i}].threshold");
        require((0.0..=1.0).contains(&threshold.value), &key, "is not 0 to 1")?;
        filled(&format!("{key}.version"), &threshold.version)
    })
}

fn golden(manifest: &Manifest, i: usize, case: &Golden) -> Result<()> {
    let key = |field: &str| format!("golden[{i}].{field}");
    listed(manifest, &key("file"), &case.file, false)?;
    filled(&key("name"), &case.name)?;
    require(case.tolerance > 0.0 && case.tolerance < 1.0, &key("tolerance"), "is not over 0 and under 1")?;
    if let Some(Reduced { tolerance, agreement }) = case.reduced {
        require(tolerance > 0.0 && tolerance < 1.0, &key("reduced.tolerance"), "is not over 0 and under 1")?;
        require(agreement > 0.0 && agreement <= 1.0, &key("reduced.agreement"), "is not over 0 and at most 1")?;
    }
    let agreement = case.agreement.unwrap_or(1.0);
    require(agreement > 0.0 && agreement <= 1.0, &key("agreement"), "is not over 0 and at most 1")?;
    if !case.stride.is_empty() {
        require((2..=3).contains(&case.stride.len()), &key("stride"), "needs one number a spatial axis")?;
        require(case.stride.iter().all(|&s| s > 0), &key("stride"), "holds a 0")?;
    }
    Ok(())
}
