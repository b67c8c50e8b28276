//! One file a command.

pub mod bench;
pub mod convert;
pub mod demo;
pub mod devices;
pub mod graph;
pub mod inspect;
pub mod models;
pub mod plan;
pub mod replay;
pub mod run;
pub mod tune;
pub mod verify;
