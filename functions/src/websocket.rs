//! Events of the WebSocket API, from JSON to `service::websocket` and back.
//!
//! The answer is a status code only: API Gateway looks at it for `$connect` and sends the page
//! nothing of it.

use contract::websocket::ClientMessage;
use domain::Timestamp;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use serde_json::{Value, json};

use crate::chain::Chain;
use crate::service::Error as ServiceError;
use crate::service::websocket::{self as service, Refused};
use crate::{Error, Websocket};

type Event = ApiGatewayWebsocketProxyRequest;

pub(crate) async fn answer(
    websocket: &Websocket,
    event: Value,
    now: Timestamp,
) -> Result<Value, Error> {
    const NAME: &str = "a WebSocket API";
    let event: Event = serde_json::from_value(event).map_err(|_| Error::MalformedEvent(NAME))?;
    let context = &event.request_context;
    let connection_id = context.connection_id.as_deref();
    let connection_id = connection_id.ok_or(Error::MalformedEvent(NAME))?;
    let status = match context.route_key.as_deref() {
        Some("$connect") => connect(websocket, connection_id, &event, now).await,
        Some("$disconnect") => finished(service::disconnect(websocket, connection_id).await),
        // The other routes only say what `action` was; the body says it as well.
        _ => message(websocket, connection_id, &event, now).await,
    };
    Ok(json!({ "statusCode": status.as_u16() }))
}

async fn connect(
    websocket: &Websocket,
    connection_id: &str,
    event: &Event,
    now: Timestamp,
) -> StatusCode {
    let origin = event.headers.get(http::header::ORIGIN);
    let origin = origin.or_else(|| event.multi_value_headers.get(http::header::ORIGIN));
    // An origin that is not text is none that is allowed.
    let origin = origin.map(|value| value.to_str().unwrap_or_default());
    let ticket = event.query_string_parameters.first("ticket");
    match service::connect(websocket, connection_id, origin, ticket, now).await {
        Ok(()) => StatusCode::OK,
        Err(Refused::Failed(error)) => finished(Err(error)),
        Err(refused) => {
            let status = match refused {
                Refused::Origin => StatusCode::FORBIDDEN,
                Refused::Ticket | Refused::Failed(_) => StatusCode::UNAUTHORIZED,
                Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
            };
            tracing::info!(connection_id, reason = %refused, "dashboard refused");
            status
        }
    }
}

async fn message(
    websocket: &Websocket,
    connection_id: &str,
    event: &Event,
    now: Timestamp,
) -> StatusCode {
    let body = event.body.as_deref().unwrap_or_default();
    finished(match serde_json::from_str(body) {
        Ok(ClientMessage::Hello) => service::hello(websocket, connection_id, now).await,
        Ok(ClientMessage::Ping) => service::ping(websocket, connection_id, now).await,
        Err(_) => service::unknown(websocket, connection_id, now).await,
    })
}

fn finished(result: Result<(), ServiceError>) -> StatusCode {
    match result {
        Ok(()) => StatusCode::OK,
        Err(error @ ServiceError::Unavailable(_)) => {
            tracing::warn!(error = %Chain(&error), "store unavailable");
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(error) => {
            tracing::error!(error = %Chain(&error), "event of a WebSocket failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
