//! Who says who a caller is: this stack's own development login, or an identity provider elsewhere.
//!
//! With a provider nothing under `/dev` exists and nobody here can sign a token, so there is no demo
//! user either: its channel would be one that nobody can sign in for.

use axum::Router;
use axum::routing::any;
use functions::Authenticator;
use http::StatusCode;

use crate::gateway::now;
use crate::login::{AUDIENCE, Login};
use crate::options::{Options, Provider};
use crate::state::State;

/// Who says who a caller is. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// This stack: for one machine.
    Development(Login),
    /// Somebody else.
    Provider(Provider),
}

impl Identity {
    /// The provider of the options, or the development login with the key that `state` keeps.
    ///
    /// # Errors
    /// The key cannot be kept, or what was kept is none.
    pub(crate) fn open(options: &Options, state: &State, url: &str) -> anyhow::Result<Self> {
        Ok(match options.provider() {
            Some(provider) => Self::Provider(provider),
            None => Self::Development(Login::open(state, url.to_owned())?),
        })
    }

    /// The `iss` of tokens.
    pub(crate) fn issuer(&self) -> &str {
        match self {
            Self::Development(login) => login.issuer(),
            Self::Provider(provider) => &provider.issuer,
        }
    }

    /// Whom tokens are for.
    pub(crate) fn audience(&self) -> &str {
        match self {
            Self::Development(_) => AUDIENCE,
            Self::Provider(provider) => &provider.audience,
        }
    }

    /// How the page lets people sign in.
    pub(crate) const fn way(&self) -> &'static str {
        match self {
            Self::Development(_) => "dev",
            Self::Provider(_) => "oidc",
        }
    }

    /// Where the keys are, for other processes; `own` is where this stack shows its own.
    pub(crate) fn jwks_url<'a>(&'a self, own: &'a str) -> &'a str {
        match self {
            Self::Development(_) => own,
            Self::Provider(provider) => provider.jwks.as_str(),
        }
    }

    /// What checks tokens in this process. A provider that does not answer now is logged and asked
    /// again when a token comes: streams need no sign-in, and are not to wait for one.
    ///
    /// # Errors
    /// The provider's address cannot be used.
    pub(crate) async fn authenticator(&self) -> anyhow::Result<Authenticator> {
        let (issuer, audience) = (self.issuer(), self.audience());
        match self {
            Self::Development(login) => {
                Ok(Authenticator::from_jwks(login.jwks(), issuer, audience))
            }
            Self::Provider(provider) => {
                let url = provider.jwks.as_str();
                let authenticator = Authenticator::from_url(url, issuer, audience)?;
                authenticator.prepare(now()).await;
                Ok(authenticator)
            }
        }
    }

    /// What this stack answers as an identity provider.
    pub(crate) fn routes(&self) -> Router {
        match self {
            Self::Development(login) => login.routes(),
            // Said here, because the page's place would answer some methods otherwise.
            Self::Provider(_) => Router::new().route("/dev/{*path}", any(not_here)),
        }
    }
}

async fn not_here() -> StatusCode {
    StatusCode::NOT_FOUND
}
