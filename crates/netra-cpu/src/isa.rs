//! Which instructions the kernels use.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
#[cfg(target_arch = "aarch64")]
use crate::simd::{Guaranteed, Neon};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::{Guaranteed, Simd128};
use crate::simd::{Portable, SimdOp};

/// An instruction set that the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Plain Rust: what the compiler makes of it with what the target guarantees (SSE2 on x86-64).
    Portable,
    /// 256-bit vectors and fused multiply-add.
    Avx2,
    /// 512-bit vectors and 32 registers.
    Avx512,
    /// aarch64: 128-bit vectors, fused multiply-add and 32 registers.
    Neon,
    /// WebAssembly: 128-bit vectors without fused multiply-add. Chosen when the module is compiled.
    Simd128,
}

impl InstructionSet {
    /// The sets that this processor has, weakest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)] // Nothing is added on other targets.
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f") {
                    sets.push(Self::Avx512);
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            sets.push(Self::Neon);
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        sets.push(Self::Simd128);
        sets
    }
}

impl std::fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2+FMA",
            Self::Avx512 => "AVX-512",
            Self::Neon => "NEON",
            Self::Simd128 => "WASM SIMD128",
        })
    }
}

/// An [`InstructionSet`] that this processor is known to have: made by [`Isa::detect`] and [`Isa::new`] only.
#[derive(Clone, Copy, Debug)]
pub struct Isa(InstructionSet);

impl Isa {
    /// The strongest set.
    pub fn detect() -> Self {
        Self(InstructionSet::available().last().copied().unwrap_or(InstructionSet::Portable))
    }

    /// `set`, when the processor has it.
    pub fn new(set: InstructionSet) -> Option<Self> {
        InstructionSet::available().contains(&set).then_some(Self(set))
    }

    /// The set.
    pub fn set(self) -> InstructionSet {
        self.0
    }

    /// Float32 lanes of a vector.
    pub fn lanes(self) -> usize {
        match self.0 {
            InstructionSet::Portable | InstructionSet::Neon | InstructionSet::Simd128 => 4,
            InstructionSet::Avx2 => 8,
            InstructionSet::Avx512 => 16,
        }
    }

    /// Runs `op`, compiled for this instruction set.
    pub fn dispatch<O: SimdOp>(self, op: O) -> O::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2<O: SimdOp>(op: O) -> O::Output {
            // SAFETY: the caller of this function has the features it enables.
            op.run(unsafe { Avx2::assume() })
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512<O: SimdOp>(op: O) -> O::Output {
            // SAFETY: the caller of this function has the features it enables.
            op.run(unsafe { Avx512::assume() })
        }
        match self.0 {
            // SAFETY: an `Isa` holds a set that `available` detected: AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { avx2(op) },
            // SAFETY: an `Isa` holds a set that `available` detected: AVX-512 F, and AVX2 and FMA with it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { avx512(op) },
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => op.run(Neon::HERE),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            InstructionSet::Simd128 => op.run(Simd128::HERE),
            // The sets of other targets do not occur.
            _ => op.run(Portable),
        }
    }
}

/// Bytes of a core's second-level cache, or a small one of today where the processor does not tell.
pub fn second_level_cache() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| caches().find(|&(level, _)| level == 2).map_or(1 << 20, |(_, bytes)| bytes))
}

/// Level and bytes of the caches that hold data: the deterministic cache parameters of Intel's leaf 4, which AMD repeats in
/// leaf 0x8000001D.
#[cfg(target_arch = "x86_64")]
fn caches() -> impl Iterator<Item = (u32, usize)> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let known = |leaf: u32| __cpuid(leaf & 0x8000_0000).eax >= leaf && __cpuid_count(leaf, 0).eax & 31 != 0;
    let leaf = [4, 0x8000_001D].into_iter().find(|&leaf| known(leaf));
    let entries = leaf.into_iter().flat_map(|leaf| (0..8).map(move |i| __cpuid_count(leaf, i)));
    entries.take_while(|r| r.eax & 31 != 0).filter(|r| r.eax & 31 != 2).map(|r| {
        let field = |from: u32, bits: u32| (r.ebx >> from & ((1 << bits) - 1)) as usize + 1;
        (r.eax >> 5 & 7, field(0, 12) * field(12, 10) * field(22, 10) * (r.ecx as usize + 1))
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn caches() -> impl Iterator<Item = (u32, usize)> {
    std::iter::empty()
}

/// The processor's own name, where it tells.
pub fn processor_name() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
            let bytes: Vec<u8> = (0x8000_0002..=0x8000_0004)
                .map(__cpuid)
                .flat_map(|r| [r.eax, r.ebx, r.ecx, r.edx])
                .flat_map(u32::to_le_bytes)
                .take_while(|&b| b != 0)
                .collect();
            let name = String::from_utf8_lossy(&bytes).trim().to_string();
            if !name.is_empty() {
                return name;
            }
        }
    }
    std::env::consts::ARCH.to_string()
}
