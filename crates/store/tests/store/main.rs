//! The store's promises, held against an embedded DynamoDB (or the one at `DYNAMODB_URL`) and a real
//! Redis.

mod cache;
mod channels;
mod dashboards;
mod database;
mod edges;
mod faults;
mod keys;
mod live;
mod logs;
mod redis_server;
mod stream;
