//! The `sessions` table: the audit log, one whole record for each broadcast.
//!
//! `CH#id / <session id>`: ids sort by the time a session began. A record is written again at every
//! change; a writer of a lower generation never overwrites one of a higher. It does not expire.

use domain::live::EndReason;
use domain::session::{MeanBitrate, Resolution, Session};
use domain::{ChannelId, EdgeId, SessionId, Timestamp};

use crate::call::Outcome;
use crate::change::Change;
use crate::cursor::List;
use crate::item::{
    Attributes, PK, Reader, SK, Writer, channel_partition, composite_key, moment, number, text,
    texts,
};
use crate::schema::Table;
use crate::{Error, Page, Store};

const CHANNEL: &str = "CH#";
const GENERATION: &str = "gen";
const IP_ADDRESS: &str = "ipAddress";
const ENCODER: &str = "encoder";
const STARTED_AT: &str = "startedAt";
const ENDED_AT: &str = "endedAt";
const MEDIA_BYTES: &str = "mediaBytes";
const MEDIA_MILLIS: &str = "mediaMillis";
const RESOLUTION: &str = "resolution";
const FPS: &str = "fps";
const EDGE_IDS: &str = "edgeIds";
const REASON: &str = "reason";

/// How a session ended, for a record that its edge left open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionEnd {
    /// The session.
    pub id: SessionId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// The generation it ended in.
    pub generation: u64,
    /// When.
    pub ended_at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

impl Store {
    /// Writes a whole record. False where a later generation wrote it already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_session(&self, session: &Session) -> Result<bool, Error> {
        let condition =
            Change::new().when_absent_or_at_most(GENERATION, number(session.generation));
        let outcome = self
            .put(Table::Sessions, write(session), &condition)
            .await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    /// Ends a record that its edge left open, and changes nothing else of it: what the edge writes
    /// at the same moment stays. False where it has its end, or a later generation's writer.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn end_session(&self, session: &SessionEnd) -> Result<bool, Error> {
        let generation = number(session.generation);
        let change = Change::new()
            .set(GENERATION, generation.clone())
            .set(ENDED_AT, moment(session.ended_at))
            .set(REASON, text(session.reason.as_str()))
            .when_present(PK)
            .when_absent(ENDED_AT)
            .when_absent_or_at_most(GENERATION, generation);
        let key = key(&session.channel_id, &session.id);
        let outcome = self.update(Table::Sessions, key, &change).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    /// One record; None where there is none. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn session(
        &self,
        channel_id: &ChannelId,
        session_id: &SessionId,
    ) -> Result<Option<Session>, Error> {
        let found = self
            .get(Table::Sessions, key(channel_id, session_id))
            .await?;
        found.as_ref().map(read).transpose()
    }

    /// A channel's records, newest first. Strongly consistent. `limit` is held between 1 and
    /// [`crate::MAX_PAGE`].
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn sessions(
        &self,
        channel_id: &ChannelId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Session>, Error> {
        let list = List {
            table: Table::Sessions,
            partition: channel_partition(channel_id),
            sort_prefix: "",
            newest_first: true,
        };
        let page = self.page(&list, limit, cursor).await?;
        Ok(Page {
            items: page.items.iter().map(read).collect::<Result<_, _>>()?,
            cursor: page.cursor,
        })
    }
}

fn key(channel_id: &ChannelId, session_id: &SessionId) -> Attributes {
    composite_key(channel_partition(channel_id), session_id.as_str())
}

fn write(session: &Session) -> Attributes {
    // A rate that is no number (nothing was counted) is none.
    let fps = session.fps.filter(|fps| fps.is_finite());
    Writer::new(key(&session.channel_id, &session.id))
        .set(GENERATION, number(session.generation))
        .set(IP_ADDRESS, text(&session.ip_address))
        .set_some(ENCODER, session.encoder.as_ref().map(text))
        .set(STARTED_AT, moment(session.started_at))
        .set_some(ENDED_AT, session.ended_at.map(moment))
        .set(MEDIA_BYTES, number(session.mean.media_bytes))
        .set(MEDIA_MILLIS, number(session.mean.millis))
        .set_some(
            RESOLUTION,
            session.resolution.map(|seen| text(seen.to_string())),
        )
        .set_some(
            FPS,
            fps.map(|fps| aws_sdk_dynamodb::types::AttributeValue::N(fps.to_string())),
        )
        .set(EDGE_IDS, texts(&session.edge_ids))
        .set_some(REASON, session.reason.map(|reason| text(reason.as_str())))
        .finish()
}

fn read(attributes: &Attributes) -> Result<Session, Error> {
    let reader = Reader::new(Table::Sessions, attributes);
    let edge_ids = reader.texts(EDGE_IDS)?.into_iter().map(EdgeId::parse);
    Ok(Session {
        id: reader.parsed(SK, SessionId::parse)?,
        channel_id: reader.after(PK, CHANNEL, ChannelId::parse)?,
        generation: reader.number(GENERATION)?,
        ip_address: reader.text(IP_ADDRESS)?.to_owned(),
        encoder: reader.some_text(ENCODER)?.map(str::to_owned),
        started_at: reader.moment(STARTED_AT)?,
        ended_at: reader.some_moment(ENDED_AT)?,
        mean: MeanBitrate {
            media_bytes: reader.number(MEDIA_BYTES)?,
            millis: reader.number(MEDIA_MILLIS)?,
        },
        resolution: reader.some_parsed(RESOLUTION, |text| Resolution::parse(text).ok_or(()))?,
        fps: reader.some_number(FPS)?,
        edge_ids: edge_ids
            .collect::<Result<_, _>>()
            .map_err(|_| reader.corrupt(EDGE_IDS))?,
        reason: reader.some_parsed(REASON, |word| EndReason::parse(word).ok_or(()))?,
    })
}
