//! Files of a package, their digests, and golden cases.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One file of the package besides the manifest itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path inside the package.
    pub path: RelativePath,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// Whether the package works without it (golden cases of published models). When present it is verified all the
    /// same.
    #[serde(default)]
    pub optional: bool,
}

/// A recorded input with the output that the original framework gave for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// A name for reports.
    pub name: String,
    /// The `.npz` file, listed among the files.
    pub file: RelativePath,
    /// Array that is the network's input, as it enters the network.
    pub input: String,
    /// Array that is the network's output, before any postprocessing.
    pub output: String,
    /// The recorded output holds every Nth pixel along each spatial axis, the first included. All 1 when left out.
    #[serde(default)]
    pub stride: Vec<usize>,
    /// The recorded output holds this one channel only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<usize>,
    /// Greatest absolute difference, as a share of the recorded output's range (greatest minus least value).
    pub tolerance: f64,
    /// Array `(batch, spatial axes)` of the index of the greatest channel at every pixel. When left out, agreement is
    /// computed over the recorded outputs, if they hold all channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argmax: Option<String>,
    /// Least share of pixels whose decision must agree: the greatest channel, or for a single recorded channel the side
    /// of the threshold of `AsDiscrete`. Left out where the network decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// What a run of reduced precision (bfloat16, bytes) must keep; [`Reduced::default`] when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<Reduced>,
}

/// The bounds of a golden case in reduced precision: the model may run that way only where they hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reduced {
    /// As [`Golden::tolerance`].
    pub tolerance: f64,
    /// As [`Golden::agreement`], where the case records a decision.
    pub agreement: f64,
}

impl Default for Reduced {
    /// Two hundredths of the range, and a decision in a thousand.
    fn default() -> Self {
        Self { tolerance: 0.02, agreement: 0.999 }
    }
}

/// A path that stays inside its package: relative, `/` between parts, each part made of ASCII letters, digits, `.`, `_`
/// and `-`, none of them beginning with a dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

impl RelativePath {
    /// The text, `/` between parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path with this system's separators.
    pub fn to_path(&self) -> PathBuf {
        self.0.split('/').collect()
    }
}

impl TryFrom<String> for RelativePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let sound = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if text.len() > 200 || !text.split('/').all(sound) {
            return Err(format!("`{text}` is no plain path inside the package"));
        }
        Ok(Self(text))
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Starts a digest that is fed piece by piece.
    pub fn hasher() -> Hasher {
        Hasher(<sha2::Sha256 as sha2::Digest>::new())
    }
}

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// The digest of everything fed.
    pub fn finish(self) -> Sha256 {
        Sha256(sha2::Digest::finalize(self.0).into())
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: Option<Vec<u8>> = text
            .bytes()
            .map(|b| match b {
                b'0'..=b'9' => Some(b - b'0'),
                b'a'..=b'f' => Some(b - b'a' + 10),
                _ => None,
            })
            .collect();
        match digits {
            Some(digits) if digits.len() == 64 => {
                let mut bytes = [0; 32];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = pair.iter().fold(0, |value, digit| (value << 4) | digit);
                }
                Ok(Self(bytes))
            }
            _ => Err("a SHA-256 digest is 64 lower-case hexadecimal digits".to_owned()),
        }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The digest of a data set, or the plain statement that nobody recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DataDigest {
    /// SHA-256, over what the entry's note says.
    Known(Sha256),
    /// Written `unknown`.
    Unknown,
}

impl TryFrom<String> for DataDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "unknown" {
            return Ok(DataDigest::Unknown);
        }
        text.parse().map(DataDigest::Known).map_err(|e| format!("{e}, or `unknown`"))
    }
}

impl From<DataDigest> for String {
    fn from(digest: DataDigest) -> Self {
        match digest {
            DataDigest::Known(sha256) => sha256.to_string(),
            DataDigest::Unknown => "unknown".to_owned(),
        }
    }
}
