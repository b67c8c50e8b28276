//! The `netra` binary. Only here does anything print, read the environment or exit.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod commands;
mod exit;
mod network;
mod progress;
mod receipts;
mod resolve;
mod terminal;
mod tuning;
mod ungated;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = terminal::Terminal::new(cli.json, cli.quiet);
    let outcome = match &cli.command {
        Command::Run(args) => commands::run::run(args, &terminal),
        Command::Replay(args) => commands::replay::run(args, &terminal),
        Command::Demo(args) => commands::demo::run(args, &terminal),
        Command::Inspect(args) => commands::inspect::run(args, &terminal),
        Command::Convert(args) => commands::convert::run(args, &terminal),
        Command::Verify(args) => commands::verify::run(args, &terminal),
        Command::Models(args) => commands::models::run(args, &terminal),
        Command::Plan(args) => commands::plan::run(args, &terminal),
        Command::Graph(args) => commands::graph::run(args, &terminal),
        Command::Bench(args) => commands::bench::run(args, &terminal),
        Command::Tune(args) => commands::tune::run(args, &terminal),
        Command::Devices => commands::devices::run(&terminal),
    };
    outcome.unwrap_or_else(|error| {
        terminal.error(&format!("{error:#}"));
        exit::of_error(&error)
    })
}
