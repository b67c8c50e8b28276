//! Bounds that every size read from a file meets before it meets an allocator.

/// Upper bounds on what reading may allocate or walk. The defaults take every clinical scan we know of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one input file, and of one member of an archive once inflated.
    pub file_bytes: u64,
    /// Bytes of all members of one archive once inflated.
    pub archive_bytes: u64,
    /// Files of one folder or archive, and frames of one file.
    pub files: usize,
    /// Depth of folders, and of nested sequences in one DICOM file.
    pub nesting: usize,
    /// Data elements of one DICOM file, all sequences included.
    pub elements: usize,
    /// Bytes of the decoded frame of one image.
    pub frame_bytes: u64,
    /// Bytes of one volume as `f32`.
    pub volume_bytes: u64,
    /// Inflated bytes for each deflated byte.
    pub inflation: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 4 << 30,
            archive_bytes: 16 << 30,
            files: 100_000,
            nesting: 64,
            elements: 1_000_000,
            frame_bytes: 1 << 30,
            volume_bytes: 8 << 30,
            inflation: 1_100,
        }
    }
}
