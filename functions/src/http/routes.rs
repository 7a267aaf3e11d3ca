//! The routes of the API: where each handler is, its name in programs, what it does, and the
//! problems that its service comes upon. What it reads and answers is in its signature.

use std::sync::Arc;

use contract::problem::Code::{
    ChannelIsLive, Conflict, InvalidValue, NoStreamKey, NotFound, StreamKeyExists,
    StreamKeyRetired, TooManyChannels, TooManyRequests,
};

use super::router::{Routes, operation};
use super::{document, handlers};
use crate::Api;

pub(super) fn routes(api: &Arc<Api>) -> Routes {
    Routes::default()
        .group("channels", channels)
        .group("stream keys", stream_keys)
        .group("holds", holds)
        .group("what happens", what_happens)
        .group("dashboards", dashboards)
        // What is above needs a token, what is below does not.
        .need_a_token(api)
        .group("for everybody", for_everybody)
}

fn channels(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/channels",
            handlers::list_channels,
            operation("listChannels", "The caller's channels."),
        )
        .post(
            "/v1/channels",
            handlers::create_channel,
            operation("createChannel", "Makes a channel.")
                // Where it is repeated, and what it made is gone.
                .may_refuse(&[NotFound])
                .may_refuse(&[InvalidValue, TooManyChannels, Conflict]),
        )
        .get(
            "/v1/channels/{id}",
            handlers::read_channel,
            operation("readChannel", "A channel, and whether it is live."),
        )
        .patch(
            "/v1/channels/{id}",
            handlers::update_channel,
            operation("updateChannel", "Changes a channel's settings.")
                .may_refuse(&[InvalidValue, Conflict]),
        )
        .delete(
            "/v1/channels/{id}",
            handlers::delete_channel,
            operation("deleteChannel", "Removes a channel and its keys.")
                .may_refuse(&[ChannelIsLive, Conflict]),
        )
}

fn stream_keys(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/channels/{id}/stream-key",
            handlers::masked_stream_key,
            operation("maskedStreamKey", "Which stream key there is, without it.")
                .may_refuse(&[NoStreamKey]),
        )
        .post(
            "/v1/channels/{id}/stream-key",
            handlers::generate_stream_key,
            operation("generateStreamKey", "Makes the channel's first stream key.").may_refuse(&[
                StreamKeyExists,
                StreamKeyRetired,
                Conflict,
            ]),
        )
        .post(
            "/v1/channels/{id}/stream-key/reset",
            handlers::reset_stream_key,
            operation("resetStreamKey", "Puts a new stream key in place.").may_refuse(&[
                InvalidValue,
                NoStreamKey,
                StreamKeyRetired,
                Conflict,
            ]),
        )
        .post(
            "/v1/channels/{id}/stream-key/reveal",
            handlers::reveal_stream_key,
            operation(
                "revealStreamKey",
                "The stream key itself; it goes on record.",
            )
            .may_refuse(&[NoStreamKey, StreamKeyRetired, Conflict]),
        )
}

fn holds(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/channels/{id}/disconnect",
            handlers::disconnect,
            operation(
                "disconnect",
                "Ends what is live, and lets nobody in for a while.",
            )
            .may_refuse(&[InvalidValue, Conflict]),
        )
        .delete(
            "/v1/channels/{id}/hold",
            handlers::lift_hold,
            operation("liftHold", "Lets publishers in again.").may_refuse(&[Conflict]),
        )
}

fn what_happens(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/channels/{id}/status",
            handlers::status,
            operation(
                "channelStatus",
                "The channel's status, and the last sample.",
            ),
        )
        .get(
            "/v1/channels/{id}/sessions",
            handlers::sessions,
            operation("listSessions", "The channel's broadcasts, newest first."),
        )
        .get(
            "/v1/channels/{id}/events",
            handlers::events,
            operation(
                "listEvents",
                "The channel's event log, newest first or onwards.",
            ),
        )
}

fn dashboards(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/ingest-endpoints",
            handlers::ingest_endpoints,
            operation(
                "listIngestEndpoints",
                "Where to publish to, the nearest first.",
            ),
        )
        .post(
            "/v1/websocket-tickets",
            handlers::websocket_ticket,
            operation(
                "createWebsocketTicket",
                "A ticket for one WebSocket connection.",
            ),
        )
}

fn for_everybody(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/health",
            handlers::health,
            operation("health", "Says that the function runs."),
        )
        .get(
            "/v1/openapi.json",
            document::description,
            operation("description", "This description."),
        )
        .post(
            "/v1/key-reports",
            handlers::report_key,
            operation("reportKey", "Ends a stream key that was found somewhere.")
                .may_refuse(&[TooManyRequests]),
        )
        .get(
            "/ingests",
            handlers::ingests,
            operation(
                "ingests",
                "Where to publish to, as OBS reads it from Twitch.",
            ),
        )
}
