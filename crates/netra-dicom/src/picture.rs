//! PNG, JPEG and TIFF pictures through the `image` crate, under its limits.

use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use ndarray::Array3;
use netra_core::{Error, Image, IntensityUnit, Limits, Result, Warning};

use crate::code::{Code, warning};
use crate::source::Source;

/// Pictures up to this many decoded bytes may be all but empty in the file.
const SMALL: u64 = 16 << 20;

/// A picture whose header was read; the pixels stay in the file.
#[derive(Clone, Debug)]
pub struct PictureFile {
    source: Source,
    format: ImageFormat,
    size: [usize; 2],
    colour: ColorType,
    warnings: Vec<Warning>,
}

/// Whether `head` starts a PNG, JPEG or TIFF.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    format_of(head).is_some()
}

fn format_of(head: &[u8]) -> Option<ImageFormat> {
    image::guess_format(head).ok().filter(|f| matches!(f, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Tiff))
}

impl PictureFile {
    pub(crate) fn open(source: &Source, limits: &Limits) -> Result<Self> {
        let bytes = bytes(source, limits)?;
        let format = format_of(&bytes).ok_or_else(|| Error::unsupported("not a PNG, JPEG or TIFF"))?;
        with_decoder(&bytes, format, limits, |mut decoder| {
            let (columns, rows) = decoder.dimensions();
            let colour = decoder.color_type();
            let mut warnings = Vec::new();
            if colour.has_alpha() {
                warnings.push(warning(Code::AlphaComposited, "transparent pixels were laid over black"));
            }
            if decoder.orientation().is_ok_and(|o| o != Orientation::NoTransforms) {
                warnings.push(warning(Code::OrientationApplied, "the picture was turned as its EXIF orientation says"));
            }
            let size = [rows as usize, columns as usize];
            Ok(Self { source: source.clone(), format, size, colour, warnings })
        })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Where the file lies.
    pub fn path(&self) -> std::path::PathBuf {
        self.source.path()
    }

    /// Rows and columns as stored, before any EXIF orientation.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// `PNG`, `JPEG` or `TIFF`.
    pub fn format(&self) -> &'static str {
        match self.format {
            ImageFormat::Png => "PNG",
            ImageFormat::Jpeg => "JPEG",
            _ => "TIFF",
        }
    }

    /// Channels and bits, for example `Rgb8`.
    pub fn colour(&self) -> String {
        format!("{:?}", self.colour)
    }

    /// What reading had to tolerate.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Has its file go by `alias`, with the suffix of its format.
    pub(crate) fn hide(&mut self, alias: &str) {
        let suffix = self.format().to_lowercase();
        self.source.hide(|| format!("{alias}.{suffix}"));
    }

    pub(crate) fn stem(&self) -> String {
        self.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The picture: one channel of stored values (0 to 255 or 0 to 65535), or red, green, blue, 0 to 255.
    pub(crate) fn image(&self, limits: &Limits) -> Result<Image> {
        let place = |e: Error| e.at(self.path().display());
        let bytes = bytes(&self.source, limits).map_err(place)?;
        let picture = with_decoder(&bytes, self.format, limits, |mut decoder| {
            let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
            picture.apply_orientation(orientation);
            Ok(picture)
        });
        convert(&picture.map_err(place)?).map_err(place)
    }
}

fn bytes(source: &Source, limits: &Limits) -> Result<Vec<u8>> {
    let mut stream = source.open(limits)?;
    let size = stream.remaining().unwrap_or(0);
    if size > limits.frame_bytes {
        return Err(Error::limit(format!("a picture file of {size} bytes, the limit is {}", limits.frame_bytes)));
    }
    stream.bytes(size)
}

fn failed(e: image::ImageError) -> Error {
    let error = match &e {
        image::ImageError::Limits(_) => Error::limit("the picture is over the limits"),
        image::ImageError::Unsupported(_) => Error::unsupported(e.to_string()),
        _ => Error::malformed("the picture is damaged"),
    };
    error.with_source(e)
}

/// Hands a decoder to `f` once the size it would decode to is known to be in bounds. A panic inside is a damaged picture.
fn with_decoder<T>(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
    f: impl FnOnce(Box<dyn ImageDecoder + '_>) -> Result<T>,
) -> Result<T> {
    let bytes = if format == ImageFormat::Png { without_profile(bytes) } else { Cow::Borrowed(bytes) };
    let run = || {
        let mut reader = ImageReader::with_format(Cursor::new(&*bytes), format);
        let mut bounds = image::Limits::default();
        bounds.max_alloc = Some(limits.frame_bytes);
        reader.limits(bounds);
        let decoder = reader.into_decoder().map_err(failed)?;
        let size = decoder.total_bytes();
        let likely = SMALL.max((bytes.len() as u64).saturating_mul(limits.inflation));
        if size > limits.frame_bytes.min(likely) {
            return Err(Error::limit(format!("{} bytes are said to decode to {size}", bytes.len())));
        }
        f(Box::new(decoder))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Error::malformed("the decoder failed on this picture")))
}

/// A PNG without its colour profiles, which nothing here uses, and which decoders inflate to whatever size they have.
fn without_profile(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut kept = Cow::Borrowed(bytes);
    // Behind the signature: length, kind, data, checksum.
    let mut at = 8;
    while let Some([l0, l1, l2, l3, kind @ ..]) = kept.get(at..at + 8) {
        let end = at.saturating_add(12).saturating_add(u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize);
        match kind {
            b"IDAT" => break,
            b"iCCP" if end <= kept.len() => drop(kept.to_mut().drain(at..end)),
            _ => at = end,
        }
    }
    kept
}

fn convert(picture: &DynamicImage) -> Result<Image> {
    let colour = picture.color();
    let (rows, columns) = (picture.height() as usize, picture.width() as usize);
    let wide = colour.bits_per_pixel() / u16::from(colour.channel_count()) > 8;
    let channels = if colour.has_color() { 3 } else { 1 };
    let mut planes = Vec::with_capacity(channels * rows * columns);
    // Alpha 65535 leaves a value as it is; other formats are widened exactly (8 bits times 257).
    let rgba = |p: &image::Rgba<u16>, c: usize| f32::from(p.0[c]) * (f32::from(p.0[3]) / 65535.0);
    let deep = match picture {
        DynamicImage::ImageLuma8(grey) => {
            planes.extend(grey.pixels().map(|p| f32::from(p.0[0])));
            None
        }
        DynamicImage::ImageLuma16(grey) => {
            planes.extend(grey.pixels().map(|p| f32::from(p.0[0])));
            None
        }
        DynamicImage::ImageRgb8(colour) => {
            for c in 0..3 {
                planes.extend(colour.pixels().map(|p| f32::from(p.0[c])));
            }
            None
        }
        other => Some(other.to_rgba16()),
    };
    if let Some(deep) = deep {
        let scale = if wide && channels == 1 { 1.0 } else { 1.0 / 257.0 };
        for c in 0..channels {
            planes.extend(deep.pixels().map(|p| rgba(p, c) * scale));
        }
    }
    let pixels = Array3::from_shape_vec((channels, rows, columns), planes)
        .map_err(|e| Error::malformed("pixels of the wrong number").with_source(e))?;
    if wide && channels == 1 {
        Image::new(pixels, IntensityUnit::Arbitrary, [0.0, 65535.0])
    } else {
        Image::new(pixels, IntensityUnit::Display, [0.0, 255.0])
    }
}
