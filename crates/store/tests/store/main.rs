//! The store's promises, held against an embedded DynamoDB (or the one at `DYNAMODB_URL`) and a real
//! Redis.

mod cache;
mod channels;
mod dashboards;
mod database;
mod edges;
mod events;
mod faults;
mod keys;
mod live;
mod logs;
#[cfg(feature = "elasticache")]
mod lookup;
mod redis_server;
mod requests;
mod stream;
mod streams;
