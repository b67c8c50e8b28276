//! From the packets of a tile to its pixels (ITU-T T.800 Annexes E and G).

use std::borrow::Cow;

use netra_core::{Error, Result};

use super::block::{Coded, Decoder};
use super::codestream::{Codestream, Component, Tile};
use super::coding::{Coding, Part};
use super::packet::Packets;
use super::progression::packets;
use super::tile::{Resolution, TileComponent};
use super::wavelet::{Sample, joined};

/// Bits of the style of code-blocks that Part 1 knows.
const STYLES: u8 = 0x3F;

/// The samples of a component of a tile, row by row, without the shift of unsigned ones.
pub(super) enum Plane {
    Whole(Vec<i32>),
    Real(Vec<f32>),
}

/// Whether this decoder knows all that a codestream makes use of.
pub(super) fn known(stream: &Codestream) -> bool {
    let codings = stream.tiles.iter().filter_map(|tile| tile.coding.as_deref()).chain([&stream.coding]);
    let part = |part: &Part| {
        let Part { style, quantisation, shift, .. } = part;
        let [across, down] = style.block;
        let fits = across <= 10 && down <= 10 && across + down <= 12;
        let exact = style.transform == 1 && quantisation.kind == 0;
        let rounded = style.transform == 0 && [1, 2].contains(&quantisation.kind);
        style.modes & !STYLES == 0 && fits && (exact || rounded) && *shift <= 31
    };
    let coding = |coding: &Coding| coding.colour <= 1 && coding.parts.iter().all(part);
    !stream.extended && stream.components.iter().all(|c| c.full && c.bits <= 31) && codings.into_iter().all(coding)
}

/// Decodes the components of a tile; `room` bounds its precincts and code-blocks.
pub(super) fn decode(stream: &Codestream, tile: &Tile, mut room: u64) -> Result<Vec<Plane>> {
    let coding = tile.coding.as_deref().unwrap_or(&stream.coding);
    let bytes = match &tile.parts[..] {
        [part] => Cow::Borrowed(*part),
        parts => Cow::Owned(parts.concat()),
    };
    let parts = coding.parts.iter().zip(&stream.components);
    let components = parts.map(|(part, component)| TileComponent::new(tile.area, part, component.bits, &mut room));
    let mut components = components.collect::<Result<Vec<_>>>()?;
    let apart: Vec<u8> = tile.packed.iter().flat_map(|(_, headers)| headers.iter().copied()).collect();
    let headers = (!tile.packed.is_empty()).then_some((&apart[..], 0));
    let mut reader = Packets { bytes: &bytes, at: 0, headers };
    packets(coding, &mut components, |component, place| {
        let style = coding.parts[place.component].style.modes;
        reader.read(&mut component.resolutions[place.resolution], place.precinct, style)
    })?;
    let mut decoder = Decoder::default();
    let planes = components.into_iter().zip(&coding.parts).map(|(component, part)| match part.style.transform {
        1 => samples(component, part, &bytes, &mut decoder).map(Plane::Whole),
        _ => samples(component, part, &bytes, &mut decoder).map(Plane::Real),
    });
    let mut planes = planes.collect::<Result<Vec<_>>>()?;
    if coding.colour == 1 {
        colours(&mut planes)?;
    }
    Ok(planes)
}

/// The samples of a component: its bands, joined level by level.
fn samples<S: Sample>(component: TileComponent, part: &Part, bytes: &[u8], decoder: &mut Decoder) -> Result<Vec<S>> {
    let mut low = Vec::new();
    for resolution in component.resolutions {
        let mut bands = (0..resolution.bands.len()).map(|i| coefficients(&resolution, i, part, bytes, decoder));
        low = match (bands.next(), bands.next(), bands.next()) {
            (Some(across), Some(down), Some(both)) => joined(resolution.area, &low, [&across?, &down?, &both?]),
            (Some(lowest), ..) => lowest?,
            _ => low,
        };
    }
    Ok(low)
}

/// The coefficients of a band, row by row.
fn coefficients<S: Sample>(
    resolution: &Resolution,
    index: usize,
    part: &Part,
    bytes: &[u8],
    decoder: &mut Decoder,
) -> Result<Vec<S>> {
    let band = &resolution.bands[index];
    let width = band.area.width();
    let mut values = vec![S::default(); width * band.area.height()];
    let blocks = resolution.precincts.iter().flat_map(|precinct| &precinct.parts[index].blocks);
    for block in blocks.filter(|block| block.passes > 0) {
        if block.planes > 31 {
            return Err(Error::unsupported(format!("{} bit-planes", block.planes)));
        }
        let coded = Coded {
            width: block.area.width(),
            height: block.area.height(),
            planes: block.planes,
            style: part.style.modes,
            orientation: band.orientation,
        };
        let field = decoder.decode(coded, &block.chunks, bytes)?;
        let shift = u32::from(part.shift);
        // Coefficients of a region of interest stand above all others (H.1).
        let lowered = |twice: u32| if shift > 0 && u64::from(twice >> 1) >> shift > 0 { twice >> shift } else { twice };
        let start = (block.area.y0 - band.area.y0) as usize * width + (block.area.x0 - band.area.x0) as usize;
        for (row, out) in field.rows().zip(values[start..].chunks_mut(width)) {
            for (value, (magnitude, negative)) in out.iter_mut().zip(row) {
                *value = S::new(lowered(magnitude), negative, band.step);
            }
        }
    }
    Ok(values)
}

/// Undoes the transform of the first three components (Annex G).
fn colours(planes: &mut [Plane]) -> Result<()> {
    match planes {
        [Plane::Whole(y), Plane::Whole(u), Plane::Whole(v), ..] => {
            for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
                let green = y.wrapping_sub(u.wrapping_add(*v) >> 2);
                (*y, *u, *v) = (v.wrapping_add(green), green, u.wrapping_add(green));
            }
        }
        [Plane::Real(y), Plane::Real(u), Plane::Real(v), ..] => {
            for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
                let (blue, red) = (*u, *v);
                (*y, *u, *v) = (*y + 1.402 * red, *y - 0.344_136_3 * blue - 0.714_136_3 * red, *y + 1.772 * blue);
            }
        }
        _ => return Err(Error::unsupported("a JPEG 2000 colour transform of unlike components")),
    }
    Ok(())
}

impl Plane {
    /// Row `y` of `width` samples, as the component's range has them.
    pub(super) fn row(&self, y: usize, width: usize, component: Component, out: &mut [i32]) {
        let half = 1i32 << (component.bits - 1);
        let highest = half.wrapping_sub(1);
        let (shift, low, high) = match component.signed {
            true => (0, half.wrapping_neg(), highest),
            false => (half, 0, half.wrapping_add(highest)),
        };
        let place = y * width..(y + 1) * width;
        match self {
            Self::Whole(values) => {
                for (out, &value) in out.iter_mut().zip(&values[place]) {
                    *out = value.saturating_add(shift).clamp(low, high);
                }
            }
            Self::Real(values) => {
                for (out, &value) in out.iter_mut().zip(&values[place]) {
                    let value = (value + shift as f32).clamp(low as f32, high as f32) - low as f32;
                    *out = low.saturating_add((value + 0.5) as i32).min(high);
                }
            }
        }
    }
}
