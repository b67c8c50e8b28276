//! Graphics adapters: listing them, choosing one, and bringing it up without a panic.

use std::sync::{Mutex, PoisonError};

use burn_wgpu::graphics::AutoGraphicsApi;
use burn_wgpu::{RuntimeOptions, WgpuBackend as Api, WgpuDevice, WgpuInitError, try_init_setup, wgpu};
use cubecl::wgpu::WgpuDeviceKind;
use netra_graph::{Error, ErrorKind, Result};

/// Which adapter to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterSelector {
    /// The best hardware adapter: discrete, then integrated, then virtual. Never a software one.
    Auto,
    /// The adapter of this index in [`adapters`].
    Index(usize),
    /// As `Auto`, but a software adapter (llvmpipe, WARP, SwiftShader) will do when there is no hardware.
    Any,
}

/// Limits that decide what fits on an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterLimits {
    /// Largest storage binding in bytes: no part of a tensor may be larger.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Storage buffers that one kernel may use.
    pub max_storage_buffers: u32,
}

/// An adapter of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Position in [`adapters`]: what [`AdapterSelector::Index`] takes.
    pub index: usize,
    /// The adapter's own name.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub api: &'static str,
    /// Driver and its version, as the driver states them.
    pub driver: String,
    /// Whether it is a software rasteriser.
    pub software: bool,
    /// Its limits.
    pub limits: AdapterLimits,
    /// What it can do beyond the least that every adapter can: `f16`, `f64`, `subgroups`, `timestamps`,
    /// `cooperative-matrix`.
    pub features: Vec<&'static str>,
    device: WgpuDevice,
    rank: u8,
}

impl AdapterInfo {
    #[cfg(test)]
    pub(crate) fn device(&self) -> &WgpuDevice {
        &self.device
    }
}

/// APIs in the order of preference.
const APIS: [(wgpu::Backend, Api, &str); 4] = [
    (wgpu::Backend::Vulkan, Api::Vulkan, "vulkan"),
    (wgpu::Backend::Metal, Api::Metal, "metal"),
    (wgpu::Backend::Dx12, Api::Dx12, "dx12"),
    (wgpu::Backend::Gl, Api::Gl, "gl"),
];

/// Features that kernels may use one day, or tools ask for.
const FEATURES: [(wgpu::Features, &str); 5] = [
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SHADER_F64, "f64"),
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
    (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative-matrix"),
];

/// Vulkan loaders crash when instances come and go on several threads at once.
static INSTANCES: Mutex<()> = Mutex::new(());

/// Every adapter of this machine, by API (Vulkan, Metal, DirectX 12, and OpenGL when those have none). A card that two
/// APIs reach is listed twice. Empty when there is none.
pub fn adapters() -> Vec<AdapterInfo> {
    let _guard = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = Vec::new();
    for (backend, api, api_name) in APIS {
        // OpenGL only where there is nothing else: it would list the same cards again, with fewer features.
        if api_name == "gl" && !found.is_empty() {
            break;
        }
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: backend.into(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        // cubecl names an adapter by its kind and its position among those of that kind.
        let mut of_kind = [0usize; 5];
        for adapter in netra_graph::block_on(instance.enumerate_adapters(backend.into())) {
            let (info, limits) = (adapter.get_info(), adapter.limits());
            let features = adapter.features();
            let (slot, rank) = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => (0, 0),
                wgpu::DeviceType::IntegratedGpu => (1, 1),
                wgpu::DeviceType::VirtualGpu => (2, 2),
                wgpu::DeviceType::Other => (3, 3),
                wgpu::DeviceType::Cpu => (4, 4),
            };
            let nth = of_kind[slot];
            of_kind[slot] += 1;
            let kind = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => WgpuDeviceKind::DiscreteGpu(nth),
                wgpu::DeviceType::IntegratedGpu => WgpuDeviceKind::IntegratedGpu(nth),
                wgpu::DeviceType::VirtualGpu => WgpuDeviceKind::VirtualGpu(nth),
                wgpu::DeviceType::Other => WgpuDeviceKind::Other(nth),
                // Only the first software adapter of an API can be addressed.
                wgpu::DeviceType::Cpu if nth > 0 => continue,
                wgpu::DeviceType::Cpu => WgpuDeviceKind::Cpu,
            };
            found.push(AdapterInfo {
                index: found.len(),
                software: info.device_type == wgpu::DeviceType::Cpu || software_name(&info.name),
                name: info.name,
                api: api_name,
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                limits: AdapterLimits {
                    max_binding_bytes: limits.max_storage_buffer_binding_size,
                    max_buffer_bytes: limits.max_buffer_size,
                    max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
                },
                features: FEATURES.iter().filter(|(bit, _)| features.contains(*bit)).map(|(_, name)| *name).collect(),
                device: WgpuDevice::new(kind).on(api),
                rank,
            });
        }
    }
    found
}

/// Some drivers report a rasteriser as `Other` or as a virtual GPU.
fn software_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "basic render driver"].iter().any(|n| name.contains(n))
}

/// Chooses an adapter among `all` and brings it up. An adapter that is already up is shared.
pub(crate) fn open(selector: AdapterSelector, all: &[AdapterInfo]) -> Result<(AdapterInfo, WgpuDevice)> {
    let chosen = match selector {
        AdapterSelector::Index(index) => all.iter().find(|a| a.index == index),
        AdapterSelector::Auto => all.iter().filter(|a| !a.software).min_by_key(|a| (a.rank, a.index)),
        AdapterSelector::Any => all.iter().min_by_key(|a| (a.software, a.rank, a.index)),
    };
    let Some(info) = chosen.cloned() else { return Err(none_found(selector, all)) };
    let options = RuntimeOptions::try_default().map_err(|e| failed(&info, e))?;
    let _guard = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    match try_init_setup::<AutoGraphicsApi>(&info.device, options) {
        // `Registration`: an earlier call brought it up, and its client serves everybody.
        Ok(_) | Err(WgpuInitError::Registration { .. }) => {
            let device = info.device.clone();
            Ok((info, device))
        }
        Err(error) => Err(failed(&info, error)),
    }
}

fn failed(info: &AdapterInfo, error: WgpuInitError) -> Error {
    let text = format!(
        "graphics adapter {} ({}, {}) did not come up: {error}; use another adapter or the cpu backend",
        info.index, info.name, info.api
    );
    Error::new(ErrorKind::Backend, text).with_source(error)
}

fn none_found(selector: AdapterSelector, all: &[AdapterInfo]) -> Error {
    let wanted = match selector {
        AdapterSelector::Auto => "a hardware graphics adapter".to_owned(),
        AdapterSelector::Index(index) => format!("graphics adapter {index}"),
        AdapterSelector::Any => "a graphics adapter, software ones included".to_owned(),
    };
    let present: Vec<_> = all.iter().map(|a| format!("{}: {} ({})", a.index, a.name, a.api)).collect();
    let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
    Error::new(
        ErrorKind::Backend,
        format!(
            "looked for {wanted} through Vulkan, Metal, DirectX 12 and OpenGL; present: {present}. Install the \
             vendor's graphics driver (on Debian: libvulkan1 and mesa-vulkan-drivers, which also bring the software \
             adapter llvmpipe), or use the cpu backend"
        ),
    )
}
