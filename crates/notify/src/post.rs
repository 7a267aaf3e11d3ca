//! Why a post, or the closing of a connection, fails.

use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};

/// HTTP status of a connection that is no more.
const GONE: u16 = 410;

/// Code of a connection that is no more.
const GONE_CODE: &str = "GoneException";

/// Why one message did not reach one connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is no more.
    #[error("the connection is gone")]
    Gone,
    /// The message is over [`contract::websocket::MAX_MESSAGE_BYTES`], or cannot be written.
    #[error("the message is too large")]
    TooLarge,
    /// The gateway was slow, away, or refused; with its code, or what happened on the way.
    #[error("the gateway did not take the message: {0}")]
    Failed(String),
}

impl Error {
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let code = answer.err().code().unwrap_or("no code");
                if status == GONE || code == GONE_CODE {
                    return Self::Gone;
                }
                Self::Failed(format!("{code} (status {status})"))
            }
            SdkError::TimeoutError(_) => Self::Failed("timed out".into()),
            SdkError::DispatchFailure(_) => Self::Failed("not sent".into()),
            // An answer of 410 with a body that is no error of the service's form.
            SdkError::ResponseError(answer) if answer.raw().status().as_u16() == GONE => Self::Gone,
            _ => Self::Failed("no answer that can be read".into()),
        }
    }
}
