//! Which backend runs a model, and why.

use std::str::FromStr;
use std::sync::Arc;

use netra_core::{Error, Result};
use netra_cpu::CpuBackend;
use netra_graph::Backend;

/// Where to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The best hardware graphics adapter, else the CPU.
    #[default]
    Auto,
    /// The CPU, on all its cores.
    Cpu,
    /// The best graphics adapter, a software one if there is no other; never the CPU backend instead.
    Gpu,
    /// The graphics adapter of this index in [`adapters`].
    Adapter(usize),
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `wgpu` or `wgpu:N`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "wgpu" => Ok(Device::Gpu),
            _ => text
                .strip_prefix("wgpu:")
                .and_then(|n| n.parse().ok())
                .map(Device::Adapter)
                .ok_or_else(|| Error::invalid(format!("no backend '{text}'; there are auto, cpu, wgpu and wgpu:N"))),
        }
    }
}

/// A graphics adapter of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// What [`Device::Adapter`] takes.
    pub index: usize,
    /// Name, API and driver.
    pub description: String,
    /// Whether it is a software rasteriser, which `auto` never picks.
    pub software: bool,
    /// Largest storage binding in bytes: no part of a tensor may be larger.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Storage buffers that one kernel may use.
    pub max_storage_buffers: u32,
    /// What it can do beyond the least that every adapter can: `f16`, `f64`, `subgroups`, `timestamps`,
    /// `cooperative-matrix`.
    pub features: Vec<&'static str>,
}

/// A backend that was chosen, and the reason in words.
pub struct Chosen {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Why it was chosen.
    pub why: String,
}

impl Device {
    /// Brings the backend up. `Auto` falls back to the CPU and says so; the others fail instead.
    pub fn open(self) -> Result<Chosen> {
        self.open_with(None)
    }

    /// As [`open`](Self::open); the CPU backend, if it comes to that, gets so many threads instead of one for each core.
    pub fn open_with(self, threads: Option<usize>) -> Result<Chosen> {
        match self {
            Device::Cpu => cpu("as asked", threads),
            Device::Auto => match gpu::hardware() {
                Ok(backend) => Ok(Chosen { backend, why: "a hardware graphics adapter is present".into() }),
                Err(why_not) => cpu(&why_not, threads),
            },
            Device::Gpu => asked(gpu::open(None)?),
            Device::Adapter(index) => asked(gpu::open(Some(index))?),
        }
    }
}

fn asked(backend: Arc<dyn Backend>) -> Result<Chosen> {
    let software = if backend.device().software { ", a software adapter" } else { "" };
    Ok(Chosen { backend, why: format!("as asked{software}") })
}

fn cpu(why: &str, threads: Option<usize>) -> Result<Chosen> {
    let backend = CpuBackend::new(threads).map_err(netra_package::from_graph)?;
    Ok(Chosen { backend: Arc::new(backend), why: why.into() })
}

/// Every graphics adapter of this machine; empty without one, and in a build without the `wgpu` feature.
pub fn adapters() -> Vec<Adapter> {
    gpu::adapters()
}

#[cfg(feature = "wgpu")]
mod gpu {
    use std::sync::Arc;

    use netra_core::Result;
    use netra_graph::Backend;
    use netra_wgpu::{AdapterSelector, WgpuBackend};

    use super::Adapter;

    /// The best hardware adapter, or why there is none to use, in a few words where there simply is none.
    pub fn hardware() -> std::result::Result<Arc<dyn Backend>, String> {
        let all = netra_wgpu::adapters();
        match WgpuBackend::open_among(AdapterSelector::Auto, &all) {
            Ok(backend) => Ok(Arc::new(backend)),
            Err(error) if all.iter().any(|adapter| !adapter.software) => Err(error.to_string()),
            Err(_) if all.is_empty() => Err("no graphics adapter is present".into()),
            Err(_) => Err("only software graphics adapters are present, and those run when asked for".into()),
        }
    }

    /// The adapter of this index, or the best of any kind.
    pub fn open(index: Option<usize>) -> Result<Arc<dyn Backend>> {
        let selector = index.map_or(AdapterSelector::Any, AdapterSelector::Index);
        let backend = WgpuBackend::open(selector).map_err(netra_package::from_graph)?;
        Ok(Arc::new(backend))
    }

    pub fn adapters() -> Vec<Adapter> {
        let describe = |a: netra_wgpu::AdapterInfo| Adapter {
            index: a.index,
            description: format!("{} ({}, {})", a.name, a.api, a.driver),
            software: a.software,
            max_binding_bytes: a.limits.max_binding_bytes,
            max_buffer_bytes: a.limits.max_buffer_bytes,
            max_storage_buffers: a.limits.max_storage_buffers,
            features: a.features,
        };
        netra_wgpu::adapters().into_iter().map(describe).collect()
    }
}

#[cfg(not(feature = "wgpu"))]
mod gpu {
    use std::sync::Arc;

    use netra_core::{Error, ErrorKind, Result};
    use netra_graph::Backend;

    use super::Adapter;

    const ABSENT: &str = "this build has no GPU backend (cargo feature 'wgpu')";

    pub fn hardware() -> std::result::Result<Arc<dyn Backend>, String> {
        Err(ABSENT.into())
    }

    pub fn open(_: Option<usize>) -> Result<Arc<dyn Backend>> {
        Err(Error::new(ErrorKind::Backend, ABSENT))
    }

    pub fn adapters() -> Vec<Adapter> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_backends() {
        assert_eq!("auto".parse::<Device>().unwrap(), Device::Auto);
        assert_eq!("wgpu:3".parse::<Device>().unwrap(), Device::Adapter(3));
        assert!("wgpu:x".parse::<Device>().is_err());
        assert!("cuda".parse::<Device>().unwrap_err().to_string().contains("wgpu:N"));
    }

    #[test]
    fn the_cpu_is_always_there() {
        let chosen = Device::Cpu.open().unwrap();
        assert_eq!(chosen.backend.name(), "cpu");
        assert!(!Device::Auto.open().unwrap().backend.device().software, "auto never picks a software adapter");
    }
}
