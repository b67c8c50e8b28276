//! `netra devices`: the graphics adapters of this machine.

use std::process::ExitCode;

use serde::Serialize;

use crate::terminal::{Terminal, bytes};

#[derive(Serialize)]
struct Row {
    backend: String,
    description: String,
    software: bool,
    /// Of graphics adapters.
    #[serde(flatten)]
    limits: Option<Limits>,
}

#[derive(Serialize)]
struct Limits {
    max_binding_bytes: u64,
    max_buffer_bytes: u64,
    max_storage_buffers: u32,
    features: Vec<&'static str>,
}

/// Runs the command.
pub fn run(terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let cpu = netra::Device::Cpu.open()?.backend.device().name.clone();
    let mut rows = vec![Row { backend: "cpu".into(), description: cpu, software: false, limits: None }];
    rows.extend(netra::adapters().into_iter().map(|a| Row {
        backend: format!("wgpu:{}", a.index),
        description: a.description,
        software: a.software,
        limits: Some(Limits {
            max_binding_bytes: a.max_binding_bytes,
            max_buffer_bytes: a.max_buffer_bytes,
            max_storage_buffers: a.max_storage_buffers,
            features: a.features,
        }),
    }));
    for row in &rows {
        let software = if row.software { ", software: not used by auto" } else { "" };
        terminal.line(&format!("{:<8} {}{software}", row.backend, row.description));
        if let Some(l) = &row.limits {
            let features = if l.features.is_empty() { "none".to_owned() } else { l.features.join(", ") };
            let (binding, buffer) = (bytes(l.max_binding_bytes), bytes(l.max_buffer_bytes));
            terminal.line(&format!(
                "         largest binding {binding}, largest buffer {buffer}, {} storage buffers a kernel; features: {features}",
                l.max_storage_buffers
            ));
        }
    }
    terminal.document(&rows)?;
    Ok(ExitCode::SUCCESS)
}
