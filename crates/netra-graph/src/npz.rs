//! NumPy archives (`.npz`): golden cases, inputs and outputs of `netra graph run`.
//!
//! The array format is NumPy's NEP 1 (`.npy`, versions 1 to 3); an archive is a zip of such arrays. Reading is lazy
//! and bounded: an array is inflated only when asked for, and never beyond what its header and the limit allow.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;
use std::sync::Mutex;

use half::f16;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::tensor::element_count;
use crate::{Data, Error, ErrorKind, Result, Tensor};

/// Most bytes of one array, inflated.
const MAX_ARRAY_BYTES: u64 = 4 << 30;
/// Most bytes of an array's header.
const MAX_HEADER_BYTES: usize = 64 << 10;

trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

/// An open archive.
pub struct Npz {
    archive: Mutex<ZipArchive<Box<dyn Source>>>,
    names: Vec<String>,
}

impl Npz {
    /// Opens an archive file.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |e: std::io::Error| Error::new(ErrorKind::Io, e.to_string()).with_source(e);
        let file = File::open(path).map_err(|e| io(e).at(path.display()))?;
        Self::from_source(Box::new(BufReader::new(file))).map_err(|e| e.at(path.display()))
    }

    /// Opens an archive in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::from_source(Box::new(Cursor::new(bytes)))
    }

    fn from_source(source: Box<dyn Source>) -> Result<Self> {
        let archive = ZipArchive::new(source).map_err(not_an_archive)?;
        let names = archive
            .file_names()
            .map(|n| n.map(|n| n.strip_suffix(".npy").unwrap_or(&n).to_owned()).map_err(not_an_archive))
            .collect::<Result<_>>()?;
        Ok(Self { archive: Mutex::new(archive), names })
    }

    /// Names of the arrays, without `.npy`, in the archive's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads one array. float16 becomes float32, 16-bit integers become int32; text and objects are refused.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let place = format!("array '{name}'");
        let mut archive = self.archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = archive
            .index_for_name(&format!("{name}.npy"))
            .or_else(|| archive.index_for_name(name))
            .ok_or_else(|| Error::invalid(format!("no such array; there are {:?}", self.names)).at(&place))?;
        let mut entry = archive.by_index(index).map_err(|e| not_an_archive(e).at(&place))?;
        read_npy(&mut entry).map_err(|e| e.at(place))
    }
}

fn not_an_archive(e: zip::result::ZipError) -> Error {
    Error::malformed(format!("not a readable zip archive: {e}")).with_source(e)
}

fn truncated(e: std::io::Error) -> Error {
    Error::malformed("the array ends early").with_source(e)
}

fn read_npy(source: &mut dyn Read) -> Result<Tensor> {
    let mut fixed = [0u8; 8];
    source.read_exact(&mut fixed).map_err(truncated)?;
    if &fixed[..6] != b"\x93NUMPY" {
        return Err(Error::malformed("no NumPy array"));
    }
    let mut length = [0u8; 4];
    let size = if fixed[6] == 1 { 2 } else { 4 };
    source.read_exact(&mut length[..size]).map_err(truncated)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(Error::new(ErrorKind::Limit, format!("an array header of {length} bytes")));
    }
    let mut header = vec![0; length];
    source.read_exact(&mut header).map_err(truncated)?;
    let (descr, shape) = parse_header(&String::from_utf8_lossy(&header))?;
    let count = element_count(&shape).ok_or_else(|| Error::malformed(format!("shape {shape:?} overflows")))?;
    let mut elements = Elements { source, count };
    let data = match descr.as_str() {
        "<f4" => Data::F32(elements.read(f32::from_le_bytes)?),
        "<f2" => Data::F32(elements.read(|b| f16::from_le_bytes(b).to_f32())?),
        "<f8" => Data::F64(elements.read(f64::from_le_bytes)?),
        "<i8" => Data::I64(elements.read(i64::from_le_bytes)?),
        "<i4" => Data::I32(elements.read(i32::from_le_bytes)?),
        "<u8" => Data::U64(elements.read(u64::from_le_bytes)?),
        "<u4" => Data::U32(elements.read(u32::from_le_bytes)?),
        "<i2" => Data::I16(elements.read(i16::from_le_bytes)?),
        "<u2" => Data::U16(elements.read(u16::from_le_bytes)?),
        "|u1" => Data::U8(elements.read(|[b]| b)?),
        "|i1" => Data::I8(elements.read(i8::from_le_bytes)?),
        "|b1" => Data::Bool(elements.read(|[b]| b != 0)?),
        other => return Err(Error::unsupported(format!("element type '{other}'"))),
    };
    Tensor::new(shape, data)
}

struct Elements<'a> {
    source: &'a mut dyn Read,
    count: usize,
}

impl Elements<'_> {
    /// Reads `count` elements of `N` bytes in pieces, so that a lying header allocates no more than there is to read.
    fn read<T, const N: usize>(&mut self, convert: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let bytes = (self.count as u64).checked_mul(N as u64);
        if bytes.is_none_or(|bytes| bytes > MAX_ARRAY_BYTES || isize::try_from(bytes).is_err()) {
            return Err(Error::new(ErrorKind::Limit, format!("an array of {} elements", self.count)));
        }
        let mut out = Vec::new();
        let mut buffer = vec![0u8; (64 << 10) / N * N];
        while out.len() < self.count {
            let take = (self.count - out.len()).min(buffer.len() / N) * N;
            self.source.read_exact(&mut buffer[..take]).map_err(truncated)?;
            out.reserve(take / N);
            out.extend(buffer[..take].as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)));
        }
        Ok(out)
    }
}

/// The `descr` and `shape` of the Python dictionary literal in an array header.
fn parse_header(header: &str) -> Result<(String, Vec<usize>)> {
    let after = |key: &str| {
        let at = header.find(&format!("'{key}'"))? + key.len() + 2;
        Some(header[at..].trim_start().strip_prefix(':')?.trim_start())
    };
    let parse = || {
        let descr = after("descr")?.strip_prefix('\'')?.split('\'').next()?.to_owned();
        let fortran = after("fortran_order")?.starts_with("True");
        let inside = after("shape")?.strip_prefix('(')?.split(')').next()?;
        let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape = sizes.map(|s| s.parse().ok()).collect::<Option<Vec<usize>>>()?;
        Some((descr, fortran, shape))
    };
    let (descr, fortran, shape) = parse().ok_or_else(|| Error::malformed("an array header that is no dictionary"))?;
    if fortran && shape.len() > 1 {
        return Err(Error::unsupported("column-major (Fortran) order"));
    }
    Ok((descr, shape))
}

/// Writes tensors as a compressed archive, in the order given.
pub fn write<'a>(out: impl Write + Seek, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
    let mut zip = ZipWriter::new(out);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
    for (name, tensor) in tensors {
        zip.start_file(format!("{name}.npy"), options).map_err(unwritable)?;
        write_npy(&mut zip, tensor).map_err(|e| Error::new(ErrorKind::Io, e.to_string()).with_source(e))?;
    }
    zip.finish().map_err(unwritable)?;
    Ok(())
}

fn unwritable(e: zip::result::ZipError) -> Error {
    Error::new(ErrorKind::Io, e.to_string()).with_source(e)
}

fn write_npy(out: &mut dyn Write, tensor: &Tensor) -> std::io::Result<()> {
    let descr = match tensor.data() {
        Data::F32(_) => "<f4",
        Data::F64(_) => "<f8",
        Data::I8(_) => "|i1",
        Data::U8(_) => "|u1",
        Data::I16(_) => "<i2",
        Data::U16(_) => "<u2",
        Data::I32(_) => "<i4",
        Data::U32(_) => "<u4",
        Data::I64(_) => "<i8",
        Data::U64(_) => "<u8",
        Data::Bool(_) => "|b1",
    };
    let sizes: String = tensor.shape().iter().map(|s| format!("{s},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Version 1.0: 10 bytes before the header, the whole padded to a multiple of 64 and ended by a line feed.
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut out = std::io::BufWriter::new(out);
    match tensor.data() {
        Data::F32(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::F64(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::I8(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::U8(v) => out.write_all(v)?,
        Data::I16(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::U16(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::I32(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::U32(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::I64(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::U64(v) => v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        Data::Bool(v) => v.iter().try_for_each(|&x| out.write_all(&[x.into()]))?,
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let tensors = [
            ("image", Tensor::new([2, 3], Data::F32(vec![0.0, -1.5, 2.0, f32::MAX, 1e-30, 7.0])).unwrap()),
            ("labels", Tensor::new([4], Data::U8(vec![0, 1, 2, 255])).unwrap()),
            ("scalar", Tensor::new([], Data::I64(vec![-9])).unwrap()),
            ("empty", Tensor::new([0, 5], Data::Bool(vec![])).unwrap()),
        ];
        let mut bytes = Cursor::new(Vec::new());
        write(&mut bytes, tensors.iter().map(|(n, t)| (*n, t))).unwrap();
        let npz = Npz::from_bytes(bytes.into_inner()).unwrap();
        assert_eq!(npz.names(), ["image", "labels", "scalar", "empty"]);
        for (name, tensor) in &tensors {
            assert_eq!(&npz.tensor(name).unwrap(), tensor);
        }
        assert_eq!(npz.tensor("nothing").unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_header_that_lies_about_its_size_fails_without_allocating_it() {
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (500000000,), }\n";
        npy.extend((header.len() as u16).to_le_bytes());
        npy.extend(header.as_bytes());
        npy.extend([0; 16]);
        assert_eq!(read_npy(&mut npy.as_slice()).unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn headers_that_are_no_dictionary_are_malformed() {
        for header in ["", "{}", "{'descr': 3}", "{'descr': '<f4', 'fortran_order': False, 'shape': (a,)}"] {
            assert_eq!(parse_header(header).unwrap_err().kind(), ErrorKind::Malformed, "{header}");
        }
    }
}
