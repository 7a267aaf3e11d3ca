//! Answers an encoder's commands (RTMP 1.0 §7.2).
//!
//! One `match` over the command's name. What strict and sloppy encoders do is taken as it comes:
//! transaction id 0 is never answered, `deleteStream` may carry the stream's name, AMF3 framing is
//! AMF0 behind one byte. No onBWDone is sent; encoders that get it answer with more questions.

use super::state::{ConnectAnswer, State};
use super::{Phase, connect};
use crate::amf0::{self, Value};
use crate::chunk::Flow;
use crate::event::{Event, PublishRequest, Secret};
use crate::{Error, message};

/// The transaction id of a `connect` that came without one: it is always the first.
const CONNECT_TRANSACTION: f64 = 1.0;

/// A command as the encoder sent it.
struct Command<'a> {
    stream_id: u32,
    transaction: Option<f64>,
    values: Vec<Value<'a>>,
}

impl Command<'_> {
    /// The command object, then the arguments.
    fn argument(&self, index: usize) -> Option<&Value<'_>> {
        self.values.get(index.saturating_add(2))
    }

    /// The transaction to answer, if the encoder waits for one.
    fn answerable(&self) -> Option<f64> {
        self.transaction.filter(|&transaction| transaction != 0.0)
    }
}

impl State {
    pub(super) fn command(
        &mut self,
        header: &message::Header,
        bytes: &[u8],
    ) -> Result<Flow, Error> {
        self.answer_connect()?;
        let values = amf0::read_all(without_amf3_frame(header.kind, bytes), &self.limits)?;
        let Some(Value::Text(name)) = values.first() else {
            return Err(Error::CommandShape);
        };
        let name = *name;
        let command = Command {
            stream_id: header.stream_id,
            transaction: values.get(1).and_then(Value::number),
            values,
        };
        if self.phase == Phase::Connecting && name != b"connect" {
            return Err(Error::NotConnected);
        }
        match name {
            b"connect" => self.connect(&command)?,
            b"createStream" => self.create_stream(&command)?,
            b"publish" => return self.publish(&command),
            b"releaseStream" | b"_checkbw" => self.acknowledge_call(&command)?,
            b"FCPublish" => self.announce(&command)?,
            b"FCUnpublish" => self.withdraw(&command)?,
            b"deleteStream" => self.delete_stream(&command)?,
            b"closeStream" if command.stream_id == self.publishing_stream => self.unpublish()?,
            b"play" | b"play2" => return Err(Error::Play),
            // Everything else is a courtesy nobody waits for.
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn connect(&mut self, command: &Command<'_>) -> Result<(), Error> {
        if self.phase != Phase::Connecting {
            return Err(Error::SecondConnect);
        }
        let info = connect::info(command.argument(0));
        self.check_name(&info.app)?;
        self.check_name(&info.tc_url)?;
        let capabilities = &info.capabilities;
        self.can_reconnect = capabilities.reconnect();
        self.connect_answer = Some(ConnectAnswer {
            transaction: command.transaction.unwrap_or(CONNECT_TRANSACTION),
            enhanced: capabilities.caps_ex != 0
                || !capabilities.four_cc_list.is_empty()
                || !capabilities.video_four_cc_info.is_empty()
                || !capabilities.audio_four_cc_info.is_empty(),
        });
        self.publication.encoder = Some(info.encoder.clone()).filter(|name| !name.is_empty());
        self.publication
            .facts
            .encoder
            .clone_from(&self.publication.encoder);
        self.phase = Phase::Connected;
        self.push(Event::Connected(info))
    }

    fn create_stream(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let limit = self.limits.created_streams;
        if self.created_streams >= limit {
            return Err(Error::CreatedStreams { limit });
        }
        self.created_streams = self.created_streams.saturating_add(1);
        let id = self.created_streams;
        match command.answerable() {
            Some(transaction) => self.write(|writer| writer.stream_created(transaction, id)),
            None => Ok(()),
        }
    }

    fn acknowledge_call(&mut self, command: &Command<'_>) -> Result<(), Error> {
        match command.answerable() {
            Some(transaction) => self.write(|writer| writer.result(transaction)),
            None => Ok(()),
        }
    }

    fn announce(&mut self, command: &Command<'_>) -> Result<(), Error> {
        self.write(|writer| writer.notice("onFCPublish", "NetStream.Publish.Start"))?;
        self.acknowledge_call(command)
    }

    fn withdraw(&mut self, command: &Command<'_>) -> Result<(), Error> {
        self.write(|writer| writer.notice("onFCUnpublish", "NetStream.Unpublish.Success"))?;
        self.acknowledge_call(command)?;
        self.unpublish()
    }

    fn publish(&mut self, command: &Command<'_>) -> Result<Flow, Error> {
        if self.phase != Phase::Connected {
            return Err(Error::SecondPublish);
        }
        let limit = self.limits.created_streams;
        if self.publishes >= limit {
            return Err(Error::CreatedStreams { limit });
        }
        let name = command.argument(1).and_then(Value::text);
        let publish_name = Secret::new(name.unwrap_or_default().into_owned());
        self.check_name(&publish_name)?;
        self.publishes = self.publishes.saturating_add(1);
        self.publishing_stream = command.stream_id;
        self.phase = Phase::PublishPending;
        self.push(Event::PublishRequested(PublishRequest {
            publish_name,
            stream_id: command.stream_id,
        }))?;
        Ok(Flow::Pause)
    }

    fn delete_stream(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let of_another = |id: f64| id != f64::from(self.publishing_stream);
        match command.argument(1).and_then(Value::number) {
            Some(id) if of_another(id) => Ok(()),
            // Without a number it can only mean the one stream there is.
            _ => self.unpublish(),
        }
    }

    fn unpublish(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Publishing {
            return Ok(());
        }
        self.phase = Phase::Connected;
        self.push(Event::Unpublished)
    }
}

/// Commands and data framed for AMF3 are AMF0 behind one zero byte.
pub(super) fn without_amf3_frame(kind: u8, bytes: &[u8]) -> &[u8] {
    match bytes.split_first() {
        Some((0, rest)) if matches!(kind, message::COMMAND_AMF3 | message::DATA_AMF3) => rest,
        _ => bytes,
    }
}
