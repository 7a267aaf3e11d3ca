//! What the functions promise, told through their one door: a real Lambda event goes in, and the
//! answer is looked at along with what it left in the store, in the cache and at the dashboards.
//!
//! The store runs on an embedded DynamoDB, the dashboards are a small `@connections` server, and
//! tokens are signed here.

mod binaries;
mod channels;
mod credentials;
mod description;
mod events;
mod fanout;
mod holds;
mod problems;
mod reaper;
mod repeats;
mod secrecy;
mod stack;
mod status;
mod strangers;
mod websocket;
