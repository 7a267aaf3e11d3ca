//! What whole-system stories stand on: the real programs, real encoders, and the dashboard's side.
//!
//! A story starts a [`Stack`] (the real `stream-sync` binary on free ports), publishes with
//! [`Ffmpeg`] (a real encoder) or a [`Publisher`] (a scripted one that says which refusal code
//! came), watches through [`Api`] and [`Dashboard`], and ends with [`Stack::stop`], which also
//! looks for leaked stream keys in everything that the programs wrote.
//!
//! Stories about faults start a [`Fleet`]: several edges in processes of their own, which can be
//! stopped and killed, each behind a line of its own to the store, which can be cut ([`FaultProxy`]);
//! encoders that come back by themselves ([`ReconnectingPublisher`]) and dashboards that forget
//! nothing ([`DashboardWatch`]) tell what became of it.
//!
//! Invariants:
//! - Nothing sleeps: every wait is for a condition and has a deadline ([`wait::until`]).
//! - Only processes started here are ever signalled, by their id.
//! - Programs listen on port 0 and write into directories that vanish with the story.
//!
//! Absent on purpose: anything that reaches into the system's insides. A story sees what an owner,
//! an encoder or an operator sees.

pub mod admin;
pub mod alone;
pub mod api;
pub mod canary;
pub mod dashboard;
pub mod dump;
mod edge;
pub mod encoders;
pub mod fault_proxy;
pub mod ffmpeg;
pub mod fleet;
pub mod functions;
pub mod hostile;
pub mod journal;
pub mod load_balancer;
pub mod policy;
pub mod process;
pub mod programs;
pub mod publisher;
pub mod reconnecting;
pub mod redis;
pub mod repository;
pub mod servers;
pub mod serving;
pub mod stack;
pub mod wait;
pub mod watch;

pub use alone::Alone;
pub use api::Api;
pub use canary::Canary;
pub use dashboard::Dashboard;
pub use fault_proxy::{FaultProxy, Faults};
pub use ffmpeg::Ffmpeg;
pub use fleet::Fleet;
pub use functions::Functions;
pub use hostile::{Bystanders, Stranger};
pub use load_balancer::LoadBalancer;
pub use policy::Policy;
pub use process::Process;
pub use publisher::Publisher;
pub use reconnecting::ReconnectingPublisher;
pub use redis::Redis;
pub use servers::Servers;
pub use stack::{Options, Stack};
pub use watch::DashboardWatch;

use std::time::Duration;

/// How long anything that has no promised bound of its own may take on a busy machine.
pub const HANG: Duration = Duration::from_secs(15);
