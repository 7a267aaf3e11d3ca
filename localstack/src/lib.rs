//! What of the local stack other programs of one machine use too: its database, and its Lambda.
//!
//! Absent on purpose: everything else. The stack is a program; whoever wants one starts it.

pub mod database;
pub mod lambda;
