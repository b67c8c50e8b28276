//! What multiplies the packed pixels: the processor's tiles, or its vectors.

use super::amx::{self, Amx, Tiles};
use super::pack::QUAD;
use crate::dot::{self, FILTERS, Format, LANE, Operands, Order, SIDE};

/// A block kernel, with the numbers that it multiplies.
#[derive(Clone, Copy)]
pub enum Kernel {
    /// AMX, which multiplies bfloat16.
    Amx(Amx, dot::Bf16),
    /// AVX-512.
    Dot(Format),
}

impl Kernel {
    /// The numbers.
    pub fn format(self) -> Format {
        match self {
            Self::Amx(_, bf16) => Format::Bf16(bf16),
            Self::Dot(format) => format,
        }
    }

    /// Most pixels of a block.
    pub fn pixels(self) -> usize {
        match self {
            Self::Amx(..) => amx::BLOCK,
            Self::Dot(_) => dot::PIXELS,
        }
    }

    /// Bytes of a packed pixel: whole rows of a tile, or whole quads.
    pub fn pixel(self, channels: usize) -> usize {
        let part = if let Self::Amx(..) = self { amx::ROW } else { QUAD };
        (channels * self.format().bytes()).next_multiple_of(part)
    }

    /// Runs of lanes a tap, and the lanes of each.
    pub fn runs(self, channels: usize) -> (usize, usize) {
        match self {
            Self::Amx(..) => (self.pixel(channels) / amx::ROW, amx::ROW / LANE),
            Self::Dot(format) => (1, channels.div_ceil(format.count())),
        }
    }

    /// How the weights lie.
    pub fn order(self) -> Order {
        if let Self::Amx(..) = self { Order::Tiles } else { Order::Lanes }
    }

    /// Half cycles of a block of `pixels` times `filters`, over so many runs of so many lanes. None of nothing.
    pub fn cost(self, pixels: usize, filters: usize, runs: usize, steps: usize) -> usize {
        match self {
            // Sixteen cycles a product; a block reads two tiles of weights from the second-level cache, at half its speed.
            Self::Amx(..) => pixels.div_ceil(SIDE) * filters.div_ceil(SIDE) * runs * (32 + 8),
            Self::Dot(_) => dot::cost(pixels, filters, runs, steps),
        }
    }

    /// Takes the tiles for this thread, where they are needed.
    pub fn start(self) -> Started {
        match self {
            Self::Amx(amx, _) => Started::Amx(amx.tiles()),
            Self::Dot(format) => Started::Dot(format),
        }
    }
}

/// A block kernel on one thread.
pub enum Started {
    /// With its tiles.
    Amx(Tiles),
    /// Nothing to take.
    Dot(Format),
}

impl Started {
    /// Computes sums of `pixels` times the first `filters` of a block. AMX does whole tiles of pixels.
    ///
    /// # Safety
    /// Every pointer of `o` reaches what its field says, for a whole block of output channels and these pixels: with AMX
    /// rounded up to whole tiles.
    pub unsafe fn block(&self, pixels: usize, filters: usize, o: &Operands<'_>) {
        // SAFETY: the tiles are this thread's, and the rest is the caller's promise.
        unsafe {
            match self {
                Self::Dot(format) => dot::block(*format, pixels, filters, o),
                Self::Amx(tiles) => match (pixels > SIDE, filters > SIDE) {
                    (true, true) => amx::block::<2, 2>(tiles, o),
                    (true, false) => amx::block::<2, 1>(tiles, o),
                    (false, true) => amx::block::<1, 2>(tiles, o),
                    (false, false) => amx::block::<1, 1>(tiles, o),
                },
            }
        }
    }
}

// One block of output channels is the same for both.
const _: () = assert!(amx::BLOCK == FILTERS && amx::SIDE == SIDE && amx::TILE == SIDE * amx::ROW);
