//! Why a post fails.

use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;

/// HTTP status of a connection that is no more.
const GONE: u16 = 410;

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
    pub(crate) fn of(error: &SdkError<PostToConnectionError, HttpResponse>) -> Self {
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                if status == GONE || answer.err().is_gone_exception() {
                    return Self::Gone;
                }
                let code = answer.err().code().unwrap_or("no code");
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
