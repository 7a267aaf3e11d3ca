//! x
mod change_stream;
mod database;
mod endpoints;
mod gateway;
mod login;
mod options;
mod schedule;
mod state;
fn main() {
    drop(options::Options::from_command_line());
}
