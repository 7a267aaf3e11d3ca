//! An event as attributes: the same in the log and in an audit record.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::event::{Event, Logged, What};
use domain::live::EndReason;
use domain::{ChannelId, EdgeId, SessionId};

use crate::Error;
use crate::item::{Attributes, PK, Reader, SK, Writer, moment, text, texts};
use crate::schema::Table;

const CHANNEL: &str = "CH#";
const ID: &str = "id";
const AT: &str = "at";
const TYPE: &str = "type";
const SESSION_ID: &str = "sessionId";
const EDGE_ID: &str = "edgeId";
const FROM_EDGE_ID: &str = "fromEdgeId";
const IP_ADDRESS: &str = "ipAddress";
const ENCODER: &str = "encoder";
const GRACE_UNTIL: &str = "graceUntil";
const REASON: &str = "reason";
const DETAIL: &str = "detail";
const OVERLAP_UNTIL: &str = "overlapUntil";
const DISCONNECT_LIVE: &str = "disconnectLive";
const UNTIL: &str = "until";
const SETTINGS: &str = "settings";

/// The item of this key.
pub(crate) fn write(key: Attributes, event: &Event) -> Attributes {
    let item = Writer::new(key)
        .set(ID, text(event.id.as_str()))
        .set(AT, moment(event.at))
        .set(TYPE, text(word(&event.what)));
    with_details(item, &event.what).finish()
}

/// What is kept of the kind of an event.
const fn word(what: &What) -> &'static str {
    match what {
        What::WentLive { .. } => "went_live",
        What::SignalLost { .. } => "signal_lost",
        What::Moved { .. } => "moved",
        What::Resumed { .. } => "resumed",
        What::Ended { .. } => "ended",
        What::Refused { .. } => "refused",
        What::KeyGenerated => "key_generated",
        What::KeyReset { .. } => "key_reset",
        What::KeyRevealed => "key_revealed",
        What::KeyReported => "key_reported",
        What::Held { .. } => "held",
        What::HoldLifted => "hold_lifted",
        What::SettingsChanged { .. } => "settings_changed",
    }
}

fn with_details(item: Writer, what: &What) -> Writer {
    match what {
        What::WentLive {
            session_id,
            edge_id,
            ip_address,
        }
        | What::Resumed {
            session_id,
            edge_id,
            ip_address,
        } => item
            .set(SESSION_ID, text(session_id.as_str()))
            .set_some(EDGE_ID, edge_id.as_ref().map(|id| text(id.as_str())))
            .set_some(IP_ADDRESS, ip_address.as_ref().map(text)),
        What::SignalLost {
            session_id,
            edge_id,
            grace_until,
        } => item
            .set(SESSION_ID, text(session_id.as_str()))
            .set_some(EDGE_ID, edge_id.as_ref().map(|id| text(id.as_str())))
            .set_some(GRACE_UNTIL, grace_until.map(moment)),
        What::Moved {
            session_id,
            edge_id,
            from_edge_id,
        } => item
            .set(SESSION_ID, text(session_id.as_str()))
            .set(EDGE_ID, text(edge_id.as_str()))
            .set(FROM_EDGE_ID, text(from_edge_id.as_str())),
        What::Ended { session_id, reason } => item
            .set(SESSION_ID, text(session_id.as_str()))
            .set_some(REASON, reason.map(|reason| text(reason.as_str()))),
        What::Refused {
            reason,
            detail,
            ip_address,
            encoder,
        } => item
            .set(REASON, text(reason))
            .set(DETAIL, text(detail))
            .set(IP_ADDRESS, text(ip_address))
            .set_some(ENCODER, encoder.as_ref().map(text)),
        What::KeyReset {
            overlap_until,
            disconnect_live,
        } => item
            .set_some(OVERLAP_UNTIL, overlap_until.map(moment))
            .set(DISCONNECT_LIVE, AttributeValue::Bool(*disconnect_live)),
        What::Held { until } => item.set(UNTIL, moment(*until)),
        What::SettingsChanged { settings } => item.set(SETTINGS, texts(settings)),
        What::KeyGenerated | What::KeyRevealed | What::KeyReported | What::HoldLifted => item,
    }
}

/// Reads an event and its place in the log.
pub(crate) fn read(table: Table, attributes: &Attributes) -> Result<Logged, Error> {
    Ok(Logged {
        number: Reader::new(table, attributes).number(SK)?,
        event: read_event(table, attributes)?,
    })
}

/// Reads an event, whatever its key sorts by.
pub(crate) fn read_event(table: Table, attributes: &Attributes) -> Result<Event, Error> {
    let reader = Reader::new(table, attributes);
    Ok(Event {
        channel_id: reader.after(PK, CHANNEL, ChannelId::parse)?,
        id: reader.text(ID)?.to_owned(),
        at: reader.moment(AT)?,
        what: read_what(reader)?,
    })
}

fn read_what(reader: Reader<'_>) -> Result<What, Error> {
    let session_id = || reader.parsed(SESSION_ID, SessionId::parse);
    let edge_id = || reader.some_parsed(EDGE_ID, EdgeId::parse);
    let ip_address = || Ok::<_, Error>(reader.some_text(IP_ADDRESS)?.map(str::to_owned));
    Ok(match reader.text(TYPE)? {
        "went_live" => What::WentLive {
            session_id: session_id()?,
            edge_id: edge_id()?,
            ip_address: ip_address()?,
        },
        "signal_lost" => What::SignalLost {
            session_id: session_id()?,
            edge_id: edge_id()?,
            grace_until: reader.some_moment(GRACE_UNTIL)?,
        },
        "moved" => What::Moved {
            session_id: session_id()?,
            edge_id: reader.parsed(EDGE_ID, EdgeId::parse)?,
            from_edge_id: reader.parsed(FROM_EDGE_ID, EdgeId::parse)?,
        },
        "resumed" => What::Resumed {
            session_id: session_id()?,
            edge_id: edge_id()?,
            ip_address: ip_address()?,
        },
        "ended" => What::Ended {
            session_id: session_id()?,
            reason: reader.some_parsed(REASON, |word| EndReason::parse(word).ok_or(()))?,
        },
        "refused" => What::Refused {
            reason: reader.text(REASON)?.to_owned(),
            detail: reader.text(DETAIL)?.to_owned(),
            ip_address: reader.text(IP_ADDRESS)?.to_owned(),
            encoder: reader.some_text(ENCODER)?.map(str::to_owned),
        },
        "key_generated" => What::KeyGenerated,
        "key_reset" => What::KeyReset {
            overlap_until: reader.some_moment(OVERLAP_UNTIL)?,
            disconnect_live: reader.boolean(DISCONNECT_LIVE)?,
        },
        "key_revealed" => What::KeyRevealed,
        "key_reported" => What::KeyReported,
        "held" => What::Held {
            until: reader.moment(UNTIL)?,
        },
        "hold_lifted" => What::HoldLifted,
        "settings_changed" => What::SettingsChanged {
            settings: reader
                .texts(SETTINGS)?
                .into_iter()
                .map(str::to_owned)
                .collect(),
        },
        _ => return Err(reader.corrupt(TYPE)),
    })
}
