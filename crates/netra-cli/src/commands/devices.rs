//! `netra devices`: the graphics adapters of this machine.

use std::process::ExitCode;

use serde::Serialize;

use crate::terminal::{Terminal, bytes};

#[derive(Serialize)]
struct Row {
    backend: String,
    description: String,
    software: bool,
    max_binding_bytes: Option<u64>,
}

/// Runs the command.
pub fn run(terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let cpu = netra::Device::Cpu.open()?.backend.device().name.clone();
    let mut rows = vec![Row { backend: "cpu".into(), description: cpu, software: false, max_binding_bytes: None }];
    rows.extend(netra::adapters().into_iter().map(|a| Row {
        backend: format!("wgpu:{}", a.index),
        description: a.description,
        software: a.software,
        max_binding_bytes: Some(a.max_binding_bytes),
    }));
    for row in &rows {
        let limit = row.max_binding_bytes.map(|b| format!(", largest binding {}", bytes(b))).unwrap_or_default();
        let software = if row.software { ", software: not used by auto" } else { "" };
        terminal.line(&format!("{:<8} {}{limit}{software}", row.backend, row.description));
    }
    terminal.document(&rows)?;
    Ok(ExitCode::SUCCESS)
}
