//! Everything that crosses a process as JSON: HTTP bodies, WebSocket messages, what edges
//! ask each other, `endpoints.json`.
//!
//! These types say how things are spelled; what they mean is in `domain`. Field names are the
//! product's promise to pages and scripts: the snapshots in this crate's tests guard them.

pub mod endpoints;
pub mod event;
pub mod http;
mod limits;
pub mod peer;
pub mod problem;
pub mod reading;
pub mod websocket;
