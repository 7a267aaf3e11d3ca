//! One handler for each route: from parsed parts to a service and back.

use std::sync::Arc;

use ::contract::event::Event;
use axum::extract::State;
use axum::{Extension, Json as Answer};
use contract::http as contract;

use super::answer::{Accepted, Created, CreatedAt, NoContent};
use super::authenticate::Call;
use super::body::{Json, OptionalJson};
use super::event::Now;
use super::extract::{Channel, Idempotency, SourceAddress};
use super::problem::Problem;
use super::query::{EventPaging, Paging};
use crate::Api;
use crate::service::idempotency::Repeatable;
use crate::service::{channel, credential, event, hold, ingest, report, session, status, ticket};

type Services = State<Arc<Api>>;
type Result<T> = std::result::Result<T, Problem>;

/// Says that the function runs; reads nothing, so that it says no more than that.
pub(super) async fn health() -> Answer<contract::Health> {
    Answer(contract::Health {
        status: "ok".into(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

pub(super) async fn create_channel(
    State(api): Services,
    Extension(call): Extension<Call>,
    Idempotency(key): Idempotency,
    Json(request): Json<contract::CreateChannel>,
) -> Result<CreatedAt<contract::Channel>> {
    let repeatable = Repeatable::new(&call.caller, key, "create", "", &request);
    let body = channel::create(&api, &call.caller, &request, &repeatable, call.now).await?;
    let location = format!("/v1/channels/{}", body.id);
    Ok(CreatedAt { location, body })
}

pub(super) async fn list_channels(
    State(api): Services,
    Extension(call): Extension<Call>,
    paging: Paging,
) -> Result<Answer<contract::Page<contract::Channel>>> {
    let cursor = paging.cursor.as_deref();
    let page = channel::list(&api, &call.caller, paging.limit, cursor, call.now).await?;
    Ok(Answer(page))
}

pub(super) async fn read_channel(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<Answer<contract::Channel>> {
    let channel = channel::read(&api, &call.caller, &id, call.now).await?;
    Ok(Answer(channel))
}

pub(super) async fn update_channel(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    Json(request): Json<contract::UpdateChannel>,
) -> Result<Answer<contract::Channel>> {
    let channel = channel::update(&api, &call.caller, &id, &request, call.now).await?;
    Ok(Answer(channel))
}

pub(super) async fn delete_channel(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<NoContent> {
    channel::delete(&api, &call.caller, &id, call.now).await?;
    Ok(NoContent)
}

pub(super) async fn masked_stream_key(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<Answer<contract::MaskedStreamCredential>> {
    let masked = credential::masked_view(&api, &call.caller, &id).await?;
    Ok(Answer(masked))
}

pub(super) async fn generate_stream_key(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    Idempotency(key): Idempotency,
) -> Result<Created<contract::StreamCredential>> {
    let repeatable = Repeatable::new(&call.caller, key, "generate", id.as_str(), &());
    let credential = credential::generate(&api, &call.caller, &id, &repeatable, call.now).await?;
    Ok(Created(credential))
}

pub(super) async fn reset_stream_key(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    Idempotency(key): Idempotency,
    OptionalJson(request): OptionalJson<contract::ResetStreamKey>,
) -> Result<Answer<contract::StreamCredential>> {
    let Call { caller, now } = call;
    let repeatable = Repeatable::new(&caller, key, "reset", id.as_str(), &request);
    let credential = credential::reset(&api, &caller, &id, &request, &repeatable, now).await?;
    Ok(Answer(credential))
}

pub(super) async fn disconnect(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    Idempotency(key): Idempotency,
    OptionalJson(request): OptionalJson<contract::Disconnect>,
) -> Result<Answer<contract::Hold>> {
    let Call { caller, now } = call;
    let repeatable = Repeatable::new(&caller, key, "disconnect", id.as_str(), &request);
    let hold = hold::disconnect(&api, &caller, &id, &request, &repeatable, now).await?;
    Ok(Answer(hold))
}

pub(super) async fn lift_hold(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<NoContent> {
    hold::lift(&api, &call.caller, &id, call.now).await?;
    Ok(NoContent)
}

/// Takes the word of whoever found a key; needs no token.
pub(super) async fn report_key(
    State(api): Services,
    Extension(Now(now)): Extension<Now>,
    SourceAddress(address): SourceAddress,
    Json(request): Json<contract::KeyReport>,
) -> Result<Accepted> {
    report::report(&api, &request.stream_key, &address, now).await?;
    Ok(Accepted)
}

pub(super) async fn reveal_stream_key(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<Answer<contract::StreamCredential>> {
    let credential = credential::reveal(&api, &call.caller, &id, call.now).await?;
    Ok(Answer(credential))
}

pub(super) async fn status(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
) -> Result<Answer<contract::Status>> {
    let status = status::read(&api, &call.caller, &id, call.now).await?;
    Ok(Answer(status))
}

pub(super) async fn sessions(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    paging: Paging,
) -> Result<Answer<contract::Page<contract::Session>>> {
    let cursor = paging.cursor.as_deref();
    let page = session::list(&api, &call.caller, &id, paging.limit, cursor).await?;
    Ok(Answer(page))
}

pub(super) async fn events(
    State(api): Services,
    Extension(call): Extension<Call>,
    Channel(id): Channel,
    paging: EventPaging,
) -> Result<Answer<contract::Page<Event>>> {
    let page = event::list(&api, &call.caller, &id, paging.limit, &paging.part).await?;
    Ok(Answer(page))
}

pub(super) async fn ingest_endpoints(
    State(api): Services,
) -> Result<Answer<contract::Page<contract::IngestEndpoint>>> {
    // All of them are one page: a fleet has few edges, and their order is the point.
    let items = ingest::endpoints(&api).await?;
    let cursor = None;
    Ok(Answer(contract::Page { items, cursor }))
}

pub(super) async fn ingests(State(api): Services) -> Result<Answer<contract::Ingests>> {
    Ok(Answer(ingest::ingests(&api).await?))
}

pub(super) async fn websocket_ticket(
    State(api): Services,
    Extension(call): Extension<Call>,
) -> Result<Created<contract::WebsocketTicket>> {
    let ticket = ticket::give(&api, &call.caller, call.now).await?;
    Ok(Created(ticket))
}
