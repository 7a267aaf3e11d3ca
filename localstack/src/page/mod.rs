//! The dashboard: its files, and `/config.json` that tells it where the API is.
//!
//! The page itself is static. Its place always answers: with the page, with "is being built", or with
//! what is missing to build it. Only `/` falls back to the index; any other name that is no file of
//! the page is 404, so that a mistyped API path is not answered with HTML and 200.

mod build;
mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{self, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::gateway::{WEBSOCKET_PATH, event};
use crate::identity::Identity;

/// What there is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Not built yet, or from older sources.
    Building,
    /// Built.
    Ready,
    /// Cannot be built here, and why.
    Unavailable(String),
}

/// The dashboard's folder and whether it is built.
#[derive(Clone, Debug)]
pub(crate) struct Page(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Option<PathBuf>,
    status: watch::Sender<Status>,
    identity: Identity,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    api_base: String,
    websocket_url: String,
    login: &'static str,
    issuer: &'a str,
    client_id: &'a str,
}

impl Page {
    /// Looks for the dashboard: where this program was compiled, then in and beside the current
    /// directory, then beside the program.
    pub(crate) fn find(identity: Identity) -> Self {
        let folder = candidates().find(|folder| folder.join("package.json").is_file());
        Self::at(folder, identity)
    }

    fn at(folder: Option<PathBuf>, identity: Identity) -> Self {
        let status = match &folder {
            None => Status::Unavailable("The folder of the dashboard is not here.".into()),
            Some(folder) if build::is_fresh(folder) => Status::Ready,
            Some(_) => Status::Building,
        };
        Self(Arc::new(Inner {
            folder,
            status: watch::Sender::new(status),
            identity,
        }))
    }

    /// What there is to show now.
    pub(crate) fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// Builds the page where that is due. Ends early on `shutdown`.
    pub(crate) async fn build(self, shutdown: CancellationToken) {
        let Some(folder) = self.0.folder.as_deref() else {
            return;
        };
        if self.status() == Status::Ready {
            return;
        }
        let built = shutdown.run_until_cancelled(build::run(folder)).await;
        let status = match built {
            None => return,
            Some(Ok(())) => Status::Ready,
            Some(Err(error)) => {
                tracing::warn!(%error, "the dashboard cannot be built; all else works");
                // An older one is better than none.
                match files::index(folder).is_file() {
                    true => Status::Ready,
                    false => Status::Unavailable(error.to_string()),
                }
            }
        };
        self.0.status.send_replace(status);
    }

    /// Waits until it is known whether there is a page.
    pub(crate) async fn settled(&self) -> Status {
        let mut status = self.0.status.subscribe();
        match status.wait_for(|status| *status != Status::Building).await {
            Ok(status) => status.clone(),
            // The sender is in `self`.
            Err(_closed) => self.status(),
        }
    }

    /// `/config.json`, and everything that no other route answers.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/config.json", get(config))
            .fallback(answer)
            .with_state(self.clone())
    }
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let current = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    [
        compiled.map(Path::to_owned),
        current.clone(),
        current
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_owned),
        beside.map(Path::to_owned),
    ]
    .into_iter()
    .flatten()
    .map(|folder| folder.join("dashboard"))
}

/// Under the name that the browser used, so that page, API and WebSocket are of one origin.
async fn config(State(page): State<Page>, headers: HeaderMap) -> Response {
    let host = event::header(&headers, HOST);
    let config = Config {
        api_base: format!("http://{host}"),
        websocket_url: format!("ws://{host}{WEBSOCKET_PATH}"),
        login: page.0.identity.way(),
        issuer: page.0.identity.issuer(),
        client_id: page.0.identity.audience(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(config)).into_response()
}

async fn answer(State(page): State<Page>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path();
    let mut response = match (page.status(), page.0.folder.as_deref()) {
        (Status::Ready, Some(folder)) => files::answer(folder, path).await,
        (_, _) if path != "/" => StatusCode::NOT_FOUND.into_response(),
        (Status::Building, _) => placeholder(
            "is being built",
            "This takes a moment. The page appears by itself.",
            true,
        ),
        (Status::Unavailable(why), _) => placeholder("is not here", &why, false),
        (Status::Ready, None) => StatusCode::NOT_FOUND.into_response(),
    };
    protect(&mut response, event::header(request.headers(), HOST));
    response
}

/// What stands in the page's place. The words are ours or a tool's: nothing in them is markup.
fn placeholder(what: &str, why: &str, again: bool) -> Response {
    let refresh = if again {
        "<meta http-equiv=\"refresh\" content=\"2\">"
    } else {
        ""
    };
    let why = why.replace('&', "&amp;").replace('<', "&lt;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">{refresh}<title>stream-sync</title>\
         <h1>The dashboard {what}</h1><p>{why}</p>\
         <p>Everything else works: RTMP, the API under <code>/v1</code>, the WebSocket.</p></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, html).into_response()
}

/// A page that holds a stream key loads and contacts nothing but its own origin, and is in nobody's
/// frame. The WebSocket's origin is named because not every browser counts it as the same.
fn protect(response: &mut Response, host: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;
    use crate::login::Login;
    use crate::options::Provider;
    use crate::state::State as Kept;

    fn login() -> Identity {
        let kept = Kept::open(None).unwrap();
        Identity::Development(Login::open(&kept, "http://127.0.0.1:8080".into()).unwrap())
    }

    /// A dashboard that was built.
    fn built() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package.json"), "{}").unwrap();
        std::fs::create_dir_all(folder.path().join("dist/assets")).unwrap();
        std::fs::write(folder.path().join("dist/index.html"), "<p>page</p>").unwrap();
        std::fs::write(folder.path().join("dist/assets/a-1.js"), "1").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        folder
    }

    async fn ask(page: &Page, method: Method, path: &str) -> (u16, HeaderMap, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost:8080")
            .body(Body::empty())
            .unwrap();
        let response = page.routes().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        (parts.status.as_u16(), parts.headers, body)
    }

    #[tokio::test]
    async fn the_page_is_served_with_a_strict_policy_and_its_assets_for_ever() {
        let folder = built();
        let page = Page::at(Some(folder.path().to_owned()), login());
        assert_eq!(page.status(), Status::Ready);
        let (status, headers, body) = ask(&page, Method::GET, "/").await;
        assert_eq!((status, body.as_str()), (200, "<p>page</p>"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(
            policy.contains("connect-src 'self' ws://localhost:8080;"),
            "{policy}"
        );
        let (status, headers, _) = ask(&page, Method::GET, "/assets/a-1.js").await;
        assert_eq!(status, 200);
        assert_eq!(headers[header::CONTENT_TYPE], "text/javascript");
        assert!(
            headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }

    #[tokio::test]
    async fn nothing_outside_of_the_page_is_served() {
        let folder = built();
        let page = Page::at(Some(folder.path().to_owned()), login());
        for path in [
            "/../secret",
            "/assets/../../secret",
            "/%2e%2e/secret",
            "/assets",
            "/v2/channels",
            "/.git",
            "//secret",
            "/assets%2fa-1.js",
        ] {
            assert_eq!(ask(&page, Method::GET, path).await.0, 404, "{path}");
        }
        assert_eq!(ask(&page, Method::POST, "/").await.0, 405);
    }

    #[tokio::test]
    async fn without_a_page_its_place_says_why() {
        let page = Page::at(None, login());
        let (status, _, body) = ask(&page, Method::GET, "/").await;
        assert_eq!(status, 503);
        assert!(body.contains("not here"), "{body}");
        assert_eq!(ask(&page, Method::GET, "/assets/a-1.js").await.0, 404);
        assert!(matches!(page.settled().await, Status::Unavailable(_)));
    }

    #[tokio::test]
    async fn the_page_is_told_its_own_origin() {
        let page = Page::at(None, login());
        let (status, _, body) = ask(&page, Method::GET, "/config.json").await;
        assert_eq!(status, 200);
        let config: serde_json::Value = serde_json::from_str(&body).unwrap();
        insta::assert_json_snapshot!(config);
    }

    #[tokio::test]
    async fn the_page_is_told_whose_tokens_are_taken() {
        let provider = Identity::Provider(Provider {
            jwks: "https://login.example/jwks.json".parse().unwrap(),
            issuer: "https://login.example".into(),
            audience: "a-client".into(),
        });
        let (_, _, body) = ask(&Page::at(None, provider), Method::GET, "/config.json").await;
        let config: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(config["login"], "oidc");
        assert_eq!(config["issuer"], "https://login.example");
        assert_eq!(config["clientId"], "a-client");
    }
}
