//! The finding as FHIR R4: one transaction Bundle of JSON that a server files as it is. No patient's name or number.
//!
//! ImagingStudy and Device are created only where the server does not know them yet, by UID and by digest. Full URLs are UUIDs
//! of the [`ResultSet`], so the same set gives the same bundle.

mod agents;
mod code;
mod observation;
mod report;
mod study;

use std::path::Path;

use netra_core::{Findings, Result};
use serde_json::{Value, json};

use crate::{Exporter, Pixels, ResultSet, Source, picture, write_json};
use code::{coding, pruned, reference, url};
use study::Study;

/// Which shape the bundle has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Plain R4. A picture is embedded where the set holds one.
    R4,
    /// What MIDAS' gateway files: the picture is always linked, and a recommendation of the package is a RiskAssessment.
    Midas,
}

/// A Bundle with ImagingStudy, Observations, DiagnosticReport, Device, Provenance and Media.
///
/// The report is preliminary, until the [`ResultSet`] says who has read the result and answers for it.
#[derive(Clone, Copy, Debug)]
pub struct Fhir {
    profile: Profile,
}

impl Fhir {
    /// An exporter of bundles of this shape.
    pub fn new(profile: Profile) -> Self {
        Self { profile }
    }

    /// The bundle. Fails for a generated picture, which is no finding.
    fn bundle(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet) -> Result<Value> {
        let case = Case {
            findings,
            pixels: source.pixels,
            set,
            profile: self.profile,
            study: Study::of(source, set),
            device: url(set, "device"),
        };
        let observations = observation::all(&case)?;
        let media = case.media(source)?;
        let urls = |resources: &[(String, Value)]| resources.iter().map(|(url, _)| url.clone()).collect::<Vec<_>>();
        let results = urls(&observations);
        let report = report::diagnostic_report(&case, &results, &urls(&media));
        let made: Vec<(String, Value)> = [(url(set, "report"), report)]
            .into_iter()
            .chain(observations)
            .chain(media)
            .chain(report::recommendation(&case, &results).map(|resource| (url(set, "recommendation"), resource)))
            .collect();
        let provenance = agents::provenance(&case, &urls(&made));

        let known = case
            .study
            .resource
            .iter()
            .map(|(resource, query)| (case.study_url(), resource.clone(), Some(query.clone())));
        let device = (case.device.clone(), agents::device(&case), Some(agents::device_query(&case)));
        let new = made.into_iter().chain([(url(set, "provenance"), provenance)]).map(|(url, r)| (url, r, None));
        let entries: Vec<Value> = known
            .chain([device])
            .chain(new)
            .map(|(url, resource, query)| {
                let request = json!({ "method": "POST", "url": resource["resourceType"], "ifNoneExist": query });
                json!({ "fullUrl": url, "resource": resource, "request": request })
            })
            .collect();
        Ok(pruned(json!({
            "resourceType": "Bundle",
            "identifier": { "system": "urn:ietf:rfc:3986", "value": url(set, "bundle") },
            "type": "transaction",
            "timestamp": set.now().rfc3339(),
            "entry": entries,
        })))
    }
}

impl Exporter for Fhir {
    fn name(&self) -> &'static str {
        match self.profile {
            Profile::R4 => "fhir",
            Profile::Midas => "fhir-midas",
        }
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.{}.json", self.name())
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let bundle = self.bundle(findings, source, set).map_err(|e| e.at(out.display()))?;
        write_json(&bundle, out)
    }
}

/// What the resources of one bundle share.
struct Case<'a> {
    findings: &'a Findings,
    pixels: Pixels<'a>,
    set: &'a ResultSet,
    profile: Profile,
    study: Study,
    /// Full URL of the model's Device.
    device: String,
}

impl Case<'_> {
    /// Status of everything that the model says: preliminary until someone answers for it.
    fn status(&self) -> &'static str {
        if self.set.interpreter().is_some() { "final" } else { "preliminary" }
    }

    /// The security label of what artificial intelligence asserts (HL7 Terminology).
    fn asserted(&self) -> Value {
        coding("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST", "Artificial Intelligence asserted")
    }

    fn study_url(&self) -> String {
        url(self.set, "study")
    }

    /// Reference to the ImagingStudy, with the frame where only one was looked at.
    fn study_reference(&self) -> Option<Value> {
        self.study.resource.as_ref().map(|_| {
            let mut study = reference(&self.study_url());
            study["display"] = json!(self.study.frame);
            study
        })
    }

    /// The picture of the result with its full URL, where the set holds one or the profile asks for it.
    fn media(&self, source: &Source<'_>) -> Result<Vec<(String, Value)>> {
        if !self.set.holds("png") && !self.set.holds("sc") && self.profile != Profile::Midas {
            return Ok(Vec::new());
        }
        let png = picture::drawn(self.findings, source)?.png()?;
        Ok(vec![(url(self.set, "media"), report::picture(self, &png))])
    }
}
