//! What the files of one reading share.

use netra_core::{Result, Segment};
use netra_dicom::FileDigest;
use netra_dicom::write::{Moment, Uids};

use crate::Interpreter;

/// The files that are written of one reading: they carry one time, and each can refer to the others before they exist.
#[derive(Clone, Debug)]
pub struct ResultSet {
    uids: Uids,
    now: Moment,
    formats: Vec<String>,
    inputs: Vec<FileDigest>,
    interpreter: Option<Interpreter>,
}

impl ResultSet {
    /// With fresh identifiers, for results of these formats. Fails when the operating system has no random numbers.
    pub fn new<S: AsRef<str>>(formats: &[S]) -> Result<Self> {
        Ok(Self::with_uids(formats, Uids::random()?))
    }

    /// With identifiers from `uids`, so that a test can write the same objects twice.
    pub fn with_uids<S: AsRef<str>>(formats: &[S], uids: Uids) -> Self {
        let formats = formats.iter().map(|f| f.as_ref().to_owned()).collect();
        Self { uids, now: Moment::now(), formats, inputs: Vec::new(), interpreter: None }
    }

    /// The same set, which knows the digests of the files that were read. Leave them out where nobody may find the source again.
    pub fn with_inputs(mut self, inputs: Vec<FileDigest>) -> Self {
        self.inputs = inputs;
        self
    }

    /// The same set in the name of whoever has read the result and answers for it.
    pub fn with_interpreter(mut self, interpreter: Interpreter) -> Self {
        self.interpreter = Some(interpreter);
        self
    }

    /// The identifier for a role in this set, such as `seg/series` or `tracking/3`: the same for every file that asks.
    pub fn uid(&self, role: &str) -> String {
        self.uids.uid(role)
    }

    /// SOP Instance UID of the file of a format, for whoever refers to it.
    pub fn instance_uid(&self, format: &str) -> String {
        self.uid(&format!("{format}/instance"))
    }

    /// Series Instance UID of the file of a format.
    pub fn series_uid(&self, format: &str) -> String {
        self.uid(&format!("{format}/series"))
    }

    /// Tracking UID of a segment: in every file that speaks of it.
    pub fn tracking_uid(&self, segment: &Segment) -> String {
        self.uid(&format!("tracking/{}", segment.number))
    }

    /// Whether a file of this format is part of the set.
    pub fn holds(&self, format: &str) -> bool {
        self.formats.iter().any(|f| f == format)
    }

    /// The files that were read; none when nobody digested them.
    pub fn inputs(&self) -> &[FileDigest] {
        &self.inputs
    }

    /// Who answers for the result; nobody, until someone has read it.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        self.interpreter.as_ref()
    }

    /// When the set was made.
    pub fn now(&self) -> &Moment {
        &self.now
    }
}
