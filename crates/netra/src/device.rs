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
    /// What [`Device`] reads as this very device: `cpu` or `wgpu:N`. Two cards of one make differ in it.
    pub name: String,
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
            Device::Auto => gpu::hardware().or_else(|why_not| cpu(&why_not, threads)),
            Device::Gpu => gpu::open(None),
            Device::Adapter(index) => gpu::open(Some(index)),
        }
    }
}

fn cpu(why: &str, threads: Option<usize>) -> Result<Chosen> {
    let backend = CpuBackend::new(threads).map_err(netra_package::from_graph)?;
    Ok(Chosen { backend: Arc::new(backend), name: "cpu".into(), why: why.into() })
}

/// One or several devices. A batch is [spread](crate::spread) over several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices(Vec<Member>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    One(Device),
    EveryAdapter,
}

impl From<Device> for Devices {
    fn from(device: Device) -> Self {
        Self(vec![Member::One(device)])
    }
}

impl FromStr for Devices {
    type Err = Error;

    /// `auto`; or, separated by commas, any of `cpu`, `wgpu`, `wgpu:N` and `wgpu:all`, which is every hardware adapter.
    /// What is named twice runs two cases at a time.
    fn from_str(text: &str) -> Result<Self> {
        let member = |name: &str| match name {
            "wgpu:all" => Ok(Member::EveryAdapter),
            "auto" if name != text => Err(Error::invalid("backend 'auto' is one device, and stands alone")),
            _ => name.parse().map(Member::One),
        };
        text.split(',').map(member).collect::<Result<_>>().map(Self)
    }
}

impl Devices {
    /// Brings every device up. Fails when one that was named does not come up; of `wgpu:all` it is enough that one does,
    /// and the first tells of the others.
    pub fn open(&self) -> Result<Vec<Chosen>> {
        let mut open = Vec::new();
        for member in &self.0 {
            match member {
                Member::One(device) => open.push(device.open()?),
                Member::EveryAdapter => open.extend(gpu::every()?),
            }
        }
        Ok(open)
    }
}

/// Every graphics adapter of this machine; empty without one, and in a build without the `wgpu` feature.
pub fn adapters() -> Vec<Adapter> {
    gpu::adapters()
}

#[cfg(feature = "wgpu")]
mod gpu {
    use std::sync::Arc;

    use netra_core::{Error, ErrorKind, Result};
    use netra_graph::Backend;
    use netra_wgpu::{AdapterInfo, AdapterSelector, WgpuBackend};

    use super::{Adapter, Chosen};

    /// The best hardware adapter, or why there is none to use, in a few words where there simply is none.
    pub fn hardware() -> std::result::Result<Chosen, String> {
        let all = netra_wgpu::adapters();
        match choose(AdapterSelector::Auto, &all, "a hardware graphics adapter is present") {
            Err(error) if all.iter().any(|adapter| !adapter.software) => Err(error.to_string()),
            Err(_) => Err(no_hardware(&all).into()),
            Ok(chosen) => Ok(chosen),
        }
    }

    /// The adapter of this index, or the best of any kind.
    pub fn open(index: Option<usize>) -> Result<Chosen> {
        let selector = index.map_or(AdapterSelector::Any, AdapterSelector::Index);
        choose(selector, &netra_wgpu::adapters(), "as asked")
    }

    /// Every hardware adapter that comes up, of the first API that has one: another API would list the same cards again.
    pub fn every() -> Result<Vec<Chosen>> {
        let all = netra_wgpu::adapters();
        let Some(first) = all.iter().find(|adapter| !adapter.software) else {
            return Err(Error::new(ErrorKind::Backend, no_hardware(&all)));
        };
        let (mut open, mut failed) = (Vec::new(), Vec::new());
        for adapter in all.iter().filter(|adapter| !adapter.software && adapter.api == first.api) {
            match choose(AdapterSelector::Index(adapter.index), &all, "one of all") {
                Ok(chosen) => open.push(chosen),
                Err(error) => failed.push(error),
            }
        }
        match open.first_mut() {
            Some(first) => failed.iter().for_each(|error| first.why.push_str(&format!("; {error}"))),
            None => return Err(failed.swap_remove(0)),
        }
        Ok(open)
    }

    fn choose(selector: AdapterSelector, all: &[AdapterInfo], why: &str) -> Result<Chosen> {
        let backend = WgpuBackend::open_among(selector, all).map_err(netra_package::from_graph)?;
        let software = if backend.device().software { ", a software adapter" } else { "" };
        let name = format!("wgpu:{}", backend.adapter().index);
        Ok(Chosen { backend: Arc::new(backend), name, why: format!("{why}{software}") })
    }

    fn no_hardware(all: &[AdapterInfo]) -> &'static str {
        match all {
            [] => "no graphics adapter is present",
            _ => "only software graphics adapters are present, and those run when asked for",
        }
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
    use netra_core::{Error, ErrorKind, Result};

    use super::{Adapter, Chosen};

    const ABSENT: &str = "this build has no GPU backend (cargo feature 'wgpu')";

    pub fn hardware() -> std::result::Result<Chosen, String> {
        Err(ABSENT.into())
    }

    pub fn open(_: Option<usize>) -> Result<Chosen> {
        Err(Error::new(ErrorKind::Backend, ABSENT))
    }

    pub fn every() -> Result<Vec<Chosen>> {
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
    fn names_of_several_backends() {
        let parse = |text: &str| text.parse::<Devices>();
        assert_eq!(parse("auto").unwrap(), Device::Auto.into());
        let several = [Member::One(Device::Adapter(1)), Member::EveryAdapter, Member::One(Device::Cpu)];
        assert_eq!(parse("wgpu:1,wgpu:all,cpu").unwrap(), Devices(several.to_vec()));
        for wrong in ["", "cpu,", "auto,cpu", "cpu,auto", "cpu;cpu", "wgpu:-1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_devices_open_in_their_order() {
        let names = |text: &str| -> Result<Vec<String>> {
            Ok(text.parse::<Devices>()?.open()?.into_iter().map(|chosen| chosen.name).collect())
        };
        assert_eq!(names("cpu,cpu").unwrap(), ["cpu", "cpu"]);
        assert_eq!(names("cpu,wgpu:99").unwrap_err().kind(), netra_core::ErrorKind::Backend);
        match adapters().iter().filter(|adapter| !adapter.software).count() {
            0 => assert!(names("cpu,wgpu:all").unwrap_err().to_string().contains("graphics adapter")),
            cards => assert!(names("cpu,wgpu:all").unwrap().len() <= cards + 1),
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        let chosen = Device::Cpu.open().unwrap();
        assert_eq!(chosen.backend.name(), "cpu");
        assert!(!Device::Auto.open().unwrap().backend.device().software, "auto never picks a software adapter");
    }
}
