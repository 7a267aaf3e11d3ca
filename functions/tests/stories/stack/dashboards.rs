//! The `@connections` API: takes what is posted, or says that a connection is gone.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use super::url_of;

/// What was posted, in order, with the connection it was posted to.
#[derive(Clone, Default)]
struct Posts(Arc<Mutex<Vec<(String, Value)>>>);

pub(crate) struct Dashboards {
    pub(super) url: String,
    posts: Posts,
}

impl Dashboards {
    pub(super) async fn start() -> Self {
        let posts = Posts::default();
        let router = Router::new()
            .route("/@connections/{id}", post(take))
            .with_state(posts.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = url_of(&listener);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts }
    }

    /// What was posted to a connection since the last look.
    pub(crate) fn messages(&self, id: &str) -> Vec<Value> {
        let mut posts = self.posts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mine, others) = posts.drain(..).partition(|(to, _)| to == id);
        *posts = others;
        let mine: Vec<(String, Value)> = mine;
        mine.into_iter().map(|(_, message)| message).collect()
    }
}

async fn take(State(posts): State<Posts>, Path(id): Path<String>, message: String) -> StatusCode {
    let message = serde_json::from_str(&message).expect("JSON");
    let mut posts = posts.0.lock().unwrap_or_else(PoisonError::into_inner);
    posts.push((id, message));
    StatusCode::OK
}
