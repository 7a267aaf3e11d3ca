//! x
mod database;
mod gateway;
fn main() {}
