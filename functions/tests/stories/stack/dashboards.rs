//! The `@connections` API: takes what is posted, and closes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use super::url_of;

/// What was posted, in order, with the connection it was posted to, and what was closed.
#[derive(Clone, Default)]
struct Posts {
    messages: Arc<Mutex<Vec<(String, Value)>>>,
    closed: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Dashboards {
    pub(super) url: String,
    posts: Posts,
}

impl Dashboards {
    pub(super) async fn start() -> Self {
        let posts = Posts::default();
        let router = Router::new()
            .route("/@connections/{id}", post(take).delete(close))
            .with_state(posts.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = url_of(&listener);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts }
    }

    /// What was posted to a connection since the last look.
    pub(crate) fn messages(&self, id: &str) -> Vec<Value> {
        let mut posts = lock(&self.posts.messages);
        let (mine, others) = posts.drain(..).partition(|(to, _)| to == id);
        *posts = others;
        let mine: Vec<(String, Value)> = mine;
        mine.into_iter().map(|(_, message)| message).collect()
    }

    /// Every connection that was closed, in order.
    pub(crate) fn closed(&self) -> Vec<String> {
        lock(&self.posts.closed).clone()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn close(State(posts): State<Posts>, Path(id): Path<String>) -> StatusCode {
    lock(&posts.closed).push(id);
    StatusCode::NO_CONTENT
}

async fn take(State(posts): State<Posts>, Path(id): Path<String>, message: String) -> StatusCode {
    let message = serde_json::from_str(&message).expect("JSON");
    lock(&posts.messages).push((id, message));
    StatusCode::OK
}
