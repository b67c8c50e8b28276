//! Intel's Advanced Matrix Extensions: products of tiles of 16 rows of 64 bytes, a thousand multiply-adds in sixteen cycles.
//!
//! The compiler knows these instructions, but its intrinsics are not stable; what stands here is assembly. Instruction Set
//! Extensions Programming Reference, chapter 3; the Linux kernel's Documentation/arch/x86/xstate.rst for the permission.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

use crate::dot::Operands;

/// Pixels and output channels of a register tile.
pub const SIDE: usize = 16;
/// Bytes of a row of a tile, and of the elements of one pixel that a product takes at once.
pub const ROW: usize = 64;
/// Bytes of a tile.
pub const TILE: usize = SIDE * ROW;
/// Pixels, and output channels, that [`block`] does at once.
pub const BLOCK: usize = 2 * SIDE;

/// The promise that this process may use tiles of bfloat16: made by [`Amx::detect`] only.
#[derive(Clone, Copy, Debug)]
pub struct Amx(());

impl Amx {
    /// Asks the processor, and the system for permission; once.
    pub fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| has_instructions() && permitted()).then_some(Self(()))
    }

    /// Shapes this thread's tiles, for as long as the result lives.
    pub fn tiles(self) -> Tiles {
        // Palette 1; from byte 16 on the bytes a row, and from byte 48 on the rows, of each of eight tiles.
        let mut shapes = [0u8; 64];
        shapes[0] = 1;
        for tile in 0..8 {
            shapes[16 + 2 * tile] = ROW as u8;
            shapes[48 + tile] = SIDE as u8;
        }
        // SAFETY: an `Amx` exists only where the processor has the instruction and the system permits it; it reads 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) shapes.as_ptr(), options(nostack, preserves_flags, readonly)) };
        Tiles(std::marker::PhantomData)
    }
}

/// Tiles of one thread, in use. They go back to the processor when this is dropped.
pub struct Tiles(std::marker::PhantomData<*const ()>);

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: made by `Amx::tiles` only, where the processor has the instruction.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}

fn has_instructions() -> bool {
    // Leaf 7: bit 22 of EDX is AMX-BF16, bit 24 the tiles themselves. Packing needs AVX-512 with bfloat16.
    let tiles = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (1 << 22 | 1 << 24) == (1 << 22 | 1 << 24);
    tiles && is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw")
}

/// Linux gives a process the tiles' 8 KiB of state only when it asks: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA).
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XTILEDATA: usize = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: a system call that takes two numbers, touches no memory of ours, and changes what it names alone.
    unsafe {
        asm!("syscall", inout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XTILEDATA,
            out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Fills a tile with rows that are `step` bytes apart.
macro_rules! load {
    ($tile:literal, $from:expr, $step:expr) => {
        asm!(concat!("tileloadd ", $tile, ", [{0} + {1}*1]"), in(reg) $from, in(reg) $step,
            options(nostack, preserves_flags, readonly))
    };
}

/// Writes a tile's rows, `step` bytes apart.
macro_rules! store {
    ($tile:literal, $to:expr, $step:expr) => {
        asm!(concat!("tilestored [{0} + {1}*1], ", $tile), in(reg) $to, in(reg) $step, options(nostack, preserves_flags))
    };
}

/// Adds the products of a tile of pixels and one of weights.
macro_rules! multiply {
    ($sums:literal, $pixels:literal, $weights:literal) => {
        asm!(concat!("tdpbf16ps ", $sums, ", ", $pixels, ", ", $weights), options(nostack, preserves_flags, nomem))
    };
}

/// `sums[p][f] = bias[f] + sum over the elements k of all runs of x[p][k] w[k][f]` for `16 P` pixels and `16 F` output
/// channels of bfloat16.
///
/// # Safety
/// The tiles are of this thread. `x` is readable for [`ROW`] bytes at each offset from each of `16 P` pixels, `weights` for
/// two tiles an offset, `bias` for `16 F` elements; `sums` is writable for `16 P` pixels.
pub unsafe fn block<const P: usize, const F: usize>(_: &Tiles, o: &Operands<'_>) {
    // Tiles 0 to 3 hold the sums, of the first and the next pixels by the first and the next output channels; 4 and 5 hold
    // pixels, 6 and 7 weights.
    let (next_pixels, next_channels) = (o.x.wrapping_add(SIDE * o.pixel), o.bias.wrapping_add(SIDE));
    // SAFETY: what is read and written is in the caller's promise; a row distance of 0 reads the same 64 bytes for every row.
    // The compiler itself uses no tiles, so that they keep their values between these instructions.
    unsafe {
        load!("tmm0", o.bias, 0usize);
        if F == 2 {
            load!("tmm1", next_channels, 0usize);
        }
        if P == 2 {
            load!("tmm2", o.bias, 0usize);
        }
        if P == 2 && F == 2 {
            load!("tmm3", next_channels, 0usize);
        }
        let mut weights = o.weights;
        for &offset in o.offsets {
            load!("tmm4", o.x.wrapping_add(offset), o.pixel);
            load!("tmm6", weights, ROW);
            multiply!("tmm0", "tmm4", "tmm6");
            if F == 2 {
                load!("tmm7", weights.add(TILE), ROW);
                multiply!("tmm1", "tmm4", "tmm7");
            }
            if P == 2 {
                load!("tmm5", next_pixels.wrapping_add(offset), o.pixel);
                multiply!("tmm2", "tmm5", "tmm6");
            }
            if P == 2 && F == 2 {
                multiply!("tmm3", "tmm5", "tmm7");
            }
            weights = weights.add(2 * TILE);
        }
        let (next_sums, step) = (o.sums.wrapping_add(SIDE * BLOCK), BLOCK * size_of::<f32>());
        store!("tmm0", o.sums, step);
        if F == 2 {
            store!("tmm1", o.sums.add(SIDE), step);
        }
        if P == 2 {
            store!("tmm2", next_sums, step);
        }
        if P == 2 && F == 2 {
            store!("tmm3", next_sums.add(SIDE), step);
        }
    }
}
