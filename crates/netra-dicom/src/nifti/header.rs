//! The NIfTI-1 (348 bytes) and NIfTI-2 (540 bytes) headers.

use netra_core::{Affine, Error, Geometry, Result, Warning};

use crate::code::{Code, warning};

/// Where voxels start at the latest: header extensions (texts, a DICOM header) are far smaller.
const LAST_START: f64 = (64 << 20) as f64;
/// Bytes of the longer header.
pub(super) const LONGEST: usize = 540;

/// Stored data types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl DataType {
    fn of_code(code: i16) -> Result<Self> {
        Ok(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1024 => Self::I64,
            1280 => Self::U64,
            32 | 1792 | 2048 => return Err(Error::unsupported("NIfTI complex voxels")),
            128 | 2304 => return Err(Error::unsupported("NIfTI colour voxels")),
            1536 => return Err(Error::unsupported("NIfTI float128 voxels")),
            1 => return Err(Error::unsupported("NIfTI single-bit voxels")),
            other => return Err(Error::malformed(format!("NIfTI data type {other}"))),
        })
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// What the voxels need.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub geometry: Geometry,
    pub data_type: DataType,
    /// Where the voxels start.
    pub offset: u64,
    scale: Option<(f64, f64)>,
    big: bool,
}

/// Whether `head` starts a single-file NIfTI, or a header whose voxels lie in a second file.
pub(super) fn is_nifti_header(head: &[u8]) -> bool {
    let version_1 = head.get(344..348).is_some_and(|magic| magic == b"n+1\0" || magic == b"ni1\0");
    let version_2 = head.get(4..8).is_some_and(|magic| magic == b"n+2\0" || magic == b"ni2\0");
    let size = head.get(..4).unwrap_or_default();
    (version_1 && (size == 348i32.to_le_bytes() || size == 348i32.to_be_bytes()))
        || (version_2 && (size == 540i32.to_le_bytes() || size == 540i32.to_be_bytes()))
}

/// Fields of either version at their offsets.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
    second: bool,
}

impl Fields<'_> {
    /// `N` bytes in little-endian order; zeros beyond the end, which no offset in this file reaches.
    fn raw<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut raw: [u8; N] = self.bytes.get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N]);
        if self.big {
            raw.reverse();
        }
        raw
    }

    /// Element `i` of a field of 16-bit integers in version 1 and 64-bit ones in version 2.
    fn integer(&self, first: usize, second: usize, i: usize) -> i64 {
        if self.second {
            i64::from_le_bytes(self.raw(second + 8 * i))
        } else {
            i16::from_le_bytes(self.raw(first + 2 * i)).into()
        }
    }

    /// Element `i` of a field of `f32` in version 1 and `f64` in version 2.
    fn float(&self, first: usize, second: usize, i: usize) -> f64 {
        if self.second {
            f64::from_le_bytes(self.raw(second + 8 * i))
        } else {
            f32::from_le_bytes(self.raw(first + 4 * i)).into()
        }
    }

    /// A code of 16 bits in version 1 and 32 bits in version 2.
    fn code(&self, first: usize, second: usize) -> i32 {
        if self.second { i32::from_le_bytes(self.raw(second)) } else { i16::from_le_bytes(self.raw(first)).into() }
    }
}

impl Header {
    pub fn read(head: &[u8]) -> Result<(Self, Vec<Warning>)> {
        let second = head.get(4..7).is_some_and(|magic| magic == b"n+2" || magic == b"ni2");
        if second && head.len() < LONGEST {
            return Err(Error::malformed("the file ends inside its NIfTI-2 header"));
        }
        let big = head.first() == Some(&0);
        let fields = Fields { bytes: head, big, second };
        let magic = if second { 4 } else { 344 };
        if head.get(magic + 1) == Some(&b'i') {
            return Err(Error::unsupported("NIfTI voxels in a second file (.hdr and .img)"));
        }
        let shape = shape(&fields)?;
        let mut warnings = Vec::new();
        let affine = lps(ras(&fields, &mut warnings)?);
        let geometry = Geometry::new(shape, affine)?;
        let offset = if second { fields.integer(0, 168, 0) as f64 } else { fields.float(108, 0, 0) };
        let least = if second { 540.0 } else { 348.0 };
        if !offset.is_finite() || offset < least || offset > LAST_START {
            return Err(Error::malformed(format!("the voxels are said to start at byte {offset}")));
        }
        let (slope, inter) = (fields.float(112, 176, 0), fields.float(116, 184, 0));
        // A slope of 0 says that there is no scale.
        let scale = (slope.is_finite() && inter.is_finite() && slope != 0.0 && (slope, inter) != (1.0, 0.0))
            .then_some((slope, inter));
        let code = i16::from_le_bytes(fields.raw(if second { 12 } else { 70 }));
        let data_type = DataType::of_code(code)?;
        Ok((Self { geometry, data_type, offset: offset as u64, scale, big }, warnings))
    }

    /// Appends the voxels in `bytes` to `out`.
    pub fn decode(&self, bytes: &[u8], out: &mut Vec<f32>) {
        macro_rules! voxels {
            ($t:ty) => {{
                let read = if self.big { <$t>::from_be_bytes } else { <$t>::from_le_bytes };
                let values = bytes.as_chunks::<{ size_of::<$t>() }>().0.iter().map(|b| read(*b));
                match self.scale {
                    Some((slope, inter)) => out.extend(values.map(|v| (v as f64 * slope + inter) as f32)),
                    None => out.extend(values.map(|v| v as f32)),
                }
            }};
        }
        match self.data_type {
            DataType::U8 => voxels!(u8),
            DataType::I8 => voxels!(i8),
            DataType::U16 => voxels!(u16),
            DataType::I16 => voxels!(i16),
            DataType::U32 => voxels!(u32),
            DataType::I32 => voxels!(i32),
            DataType::U64 => voxels!(u64),
            DataType::I64 => voxels!(i64),
            DataType::F32 => voxels!(f32),
            DataType::F64 => voxels!(f64),
        }
    }
}

/// `(slice, row, column)` from `dim`; more than three axes longer than 1 are refused.
fn shape(fields: &Fields<'_>) -> Result<[usize; 3]> {
    let dim = |i: usize| fields.integer(40, 16, i);
    let axes = dim(0);
    if !(1..=7).contains(&axes) {
        return Err(Error::malformed(format!("a NIfTI of {axes} axes")));
    }
    let lengths: Vec<i64> = (1..=axes as usize).map(dim).collect();
    if let Some(wrong) = lengths.iter().find(|n| **n < 1) {
        return Err(Error::malformed(format!("a NIfTI axis of length {wrong}")));
    }
    if lengths.iter().skip(3).any(|n| *n > 1) {
        let text: Vec<String> = lengths.iter().map(i64::to_string).collect();
        return Err(Error::unsupported(format!("a {axes}-D NIfTI ({})", text.join(" x "))));
    }
    let length = |i: usize| lengths.get(i).map_or(Ok(1), |&n| usize::try_from(n));
    let too_long = |e| Error::limit("a NIfTI axis is too long").with_source(e);
    Ok([length(2).map_err(too_long)?, length(1).map_err(too_long)?, length(0).map_err(too_long)?])
}

/// Rows x, y, z of the map from `(i, j, k, 1)` to RAS mm: sform, else qform, else the voxel sizes alone.
fn ras(fields: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<[[f64; 4]; 3]> {
    let mut rows = if fields.code(254, 348) > 0 {
        std::array::from_fn(|r| std::array::from_fn(|c| fields.float(280 + 16 * r, 400 + 32 * r, c)))
    } else if fields.code(252, 344) > 0 {
        quaternion(fields)
    } else {
        warnings
            .push(warning(Code::OrientationMissing, "neither sform nor qform is set: axes are taken as RAS, origin 0"));
        let size = |i: usize| fields.float(76, 104, i + 1).abs();
        std::array::from_fn(|r| std::array::from_fn(|c| if r == c { size(r) } else { 0.0 }))
    };
    let units = if fields.second { i32::from_le_bytes(fields.raw(500)) } else { fields.raw::<1>(123)[0].into() };
    let to_mm = match units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    if to_mm != 1.0 {
        warnings.push(warning(Code::UnitsConverted, format!("lengths were multiplied by {to_mm} to give millimetres")));
        rows.iter_mut().flatten().for_each(|v| *v *= to_mm);
    }
    if rows.iter().flatten().all(|v| v.is_finite()) {
        Ok(rows)
    } else {
        Err(Error::malformed("the affine is not finite"))
    }
}

/// Method 2 of nifti1.h: a rotation as quaternion, voxel sizes and an offset.
fn quaternion(fields: &Fields<'_>) -> [[f64; 4]; 3] {
    let [b, c, d] = [0, 1, 2].map(|i| fields.float(256, 352, i));
    let offset = [0, 1, 2].map(|i| fields.float(268, 376, i));
    let size = [1, 2, 3].map(|i| fields.float(76, 104, i));
    let squares = b * b + c * c + d * d;
    let (a, b, c, d) = if squares > 1.0 {
        let length = squares.sqrt();
        (0.0, b / length, c / length, d / length)
    } else {
        ((1.0 - squares).sqrt(), b, c, d)
    };
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    // pixdim[0] below 0 mirrors the third axis.
    let mirror = if fields.float(76, 104, 0) < 0.0 { -1.0 } else { 1.0 };
    let step = [size[0], size[1], size[2] * mirror];
    std::array::from_fn(|r| {
        let row = rotation[r];
        [row[0] * step[0], row[1] * step[1], row[2] * step[2], offset[r]]
    })
}

/// Our affine: index order (k, j, i), and x and y turned from RAS to LPS.
fn lps(ras: [[f64; 4]; 3]) -> Affine {
    let sign = [-1.0, -1.0, 1.0];
    let column = |c: usize| std::array::from_fn(|r| sign[r] * ras[r][c]);
    Affine::from_steps(column(2), column(1), column(0), column(3))
}
