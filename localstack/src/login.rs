//! The development login: `POST /dev/token` hands a token for any user to whoever asks.
//!
//! It stands in for an identity provider, so that API and page go through the very checks that they
//! go through on AWS: tokens are signed (ES256) with a key of this stack, whose public half is at
//! `/dev/jwks.json`. It exists only on an address that nobody else reaches (`options`), and only where
//! no other identity provider is named (`identity`).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::http::{DevToken, DevTokenRequest};
use contract::problem::{CONTENT_TYPE, Code, Problem};
use domain::{Timestamp, UserId};
use http::StatusCode;
use http::header;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use crate::state;

/// How long a token is good for: a day's work without another login.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Whom tokens are for.
pub(crate) const AUDIENCE: &str = "stream-sync-local";

/// Where the keys are that verify tokens.
pub(crate) const JWKS_PATH: &str = "/dev/jwks.json";

const KEY_FILE: &str = "login-key.pkcs8";

/// Signs tokens. Cheap to clone; its `Debug` is silent.
#[derive(Clone)]
pub(crate) struct Login(Arc<Inner>);

struct Inner {
    issuer: String,
    key: EncodingKey,
    key_id: String,
    jwks: JwkSet,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a UserId,
    iat: u64,
    exp: u64,
}

impl Login {
    /// Signs as `issuer`, with the key that `state` keeps.
    ///
    /// # Errors
    /// The key cannot be kept, or what was kept is none.
    pub(crate) fn open(state: &state::State, issuer: String) -> anyhow::Result<Self> {
        let pkcs8 = state.secret(KEY_FILE, new_key)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .context("the login key that was kept is not one; remove it to have a new one")?;
        // An uncompressed point: one byte of form, then x and y of 32 bytes each.
        let point = pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|coordinates| coordinates.split_at_checked(32))
            .context("the login key has no public point")?;
        let key_id = URL_SAFE_NO_PAD.encode(&x[..8]);
        let jwks = serde_json::from_value(json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]}))?;
        Ok(Self(Arc::new(Inner {
            issuer,
            key: EncodingKey::from_ec_der(&pkcs8),
            key_id,
            jwks,
        })))
    }

    /// Who signs.
    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What checks the tokens.
    pub(crate) fn jwks(&self) -> JwkSet {
        self.0.jwks.clone()
    }

    /// A token for this user.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(crate) fn token(&self, user: &UserId, now: Timestamp) -> anyhow::Result<String> {
        let claims = Claims {
            iss: &self.0.issuer,
            aud: AUDIENCE,
            sub: user,
            iat: now.millis() / 1000,
            exp: (now + TOKEN_LIFETIME).millis() / 1000,
        };
        let header = Header {
            kid: Some(self.0.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        Ok(jsonwebtoken::encode(&header, &claims, &self.0.key)?)
    }

    /// `/dev/token` and `/dev/jwks.json`.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/dev/token", post(token))
            .route(JWKS_PATH, get(jwks))
            .with_state(self.clone())
    }
}

fn new_key() -> anyhow::Result<Vec<u8>> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .context("cannot make a login key")?;
    Ok(key.as_ref().to_vec())
}

/// `application/json` is asked for: with it a browser sends a stranger's page's request only after a
/// question that nobody here answers.
async fn token(
    State(login): State<Login>,
    request: Result<Json<DevTokenRequest>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let user = match request {
        Ok(Json(request)) => request.user_id,
        // Not in the rejection's own words: they quote what was sent.
        Err(rejected) => {
            let detail = "send {\"userId\": \"...\"} as Content-Type: application/json";
            return problem(rejected.status(), detail.into());
        }
    };
    match login.token(&user, crate::gateway::now()) {
        Ok(token) => {
            let no_store = [(header::CACHE_CONTROL, "no-store")];
            (no_store, Json(DevToken { token })).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot sign a token");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "no token could be signed".into(),
            )
        }
    }
}

fn problem(status: StatusCode, detail: String) -> Response {
    let code = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::MalformedBody,
    };
    let problem = Problem::new(code, detail);
    let status = StatusCode::from_u16(code.status()).unwrap_or(status);
    (
        status,
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        Json(problem),
    )
        .into_response()
}

async fn jwks(State(login): State<Login>) -> Json<JwkSet> {
    Json(login.jwks())
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    fn login() -> Login {
        let state = state::State::open(None).unwrap();
        Login::open(&state, "http://127.0.0.1:8080".into()).unwrap()
    }

    async fn ask(login: &Login, content_type: &str, body: &'static str) -> (u16, Value) {
        let request = Request::post("/dev/token")
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        let response = login.routes().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_token_is_what_the_published_key_verifies() {
        let login = login();
        let (status, body) = ask(&login, "application/json", r#"{"userId":"demo"}"#).await;
        assert_eq!(status, 200);
        let token = body["token"].as_str().unwrap();
        let jwks = login.jwks();
        let key = jwks
            .find(&decode_header(token).unwrap().kid.unwrap())
            .unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&["http://127.0.0.1:8080"]);
        let claims =
            decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        assert_eq!(claims.claims["sub"], "demo");
    }

    #[tokio::test]
    async fn a_request_that_names_no_user_gets_no_token() {
        let login = login();
        for (content_type, body, status) in [
            ("application/json", "{}", 400),
            ("application/json", r#"{"userId":"a/b"}"#, 400),
            ("application/json", r#"{"a-canary":"a-canary"}"#, 400),
            ("application/json", "{", 400),
            ("text/plain", r#"{"userId":"demo"}"#, 415),
        ] {
            let (answered, problem) = ask(&login, content_type, body).await;
            assert_eq!(answered, status, "{body}");
            assert_eq!(problem["status"], status);
            assert!(!problem.to_string().contains("canary"), "{problem}");
        }
    }

    #[test]
    fn a_key_that_was_kept_signs_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let published = || {
            let state = state::State::open(Some(directory.path())).unwrap();
            Login::open(&state, "http://127.0.0.1".into())
                .unwrap()
                .jwks()
        };
        assert_eq!(published(), published());
    }
}
