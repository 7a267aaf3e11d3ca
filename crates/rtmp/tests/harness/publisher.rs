//! An encoder made of `rml_rtmp`'s client: an implementation that is not ours, on the other side.

use super::{Driver, Media};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult, PublishRequestType,
};
use rtmp::Error;

pub(crate) struct Publisher {
    pub(crate) client: ClientSession,
    pub(crate) heard: Vec<ClientSessionEvent>,
    pub(crate) driver: Driver,
    written: usize,
}

impl Publisher {
    /// Shakes hands.
    pub(crate) fn new(media: Media) -> Self {
        let mut driver = Driver::new(media);
        let mut handshake = Handshake::new(PeerType::Client);
        let greeting = handshake.generate_outbound_p0_and_p1().unwrap();
        driver.feed(&greeting).unwrap();
        let answer = std::mem::take(&mut driver.output);
        match handshake.process_bytes(&answer).unwrap() {
            HandshakeProcessResult::Completed { response_bytes, .. } => {
                driver.feed(&response_bytes).unwrap();
            }
            HandshakeProcessResult::InProgress { .. } => panic!("S0 S1 S2 were not understood"),
        }
        let mut config = ClientSessionConfig::new();
        config.tc_url = Some("rtmp://localhost/live".to_owned());
        let (client, results) = ClientSession::new(config).unwrap();
        let mut publisher = Self {
            client,
            heard: Vec::new(),
            driver,
            written: 0,
        };
        publisher.exchange(results).unwrap();
        publisher
    }

    /// Sends what the client says and lets it hear the answers until both are silent.
    pub(crate) fn exchange(&mut self, results: Vec<ClientSessionResult>) -> Result<(), Error> {
        let mut pending = results;
        loop {
            for result in pending.drain(..) {
                match result {
                    ClientSessionResult::OutboundResponse(packet) => {
                        self.driver.feed(&packet.bytes)?;
                    }
                    ClientSessionResult::RaisedEvent(event) => self.heard.push(event),
                    ClientSessionResult::UnhandleableMessageReceived(_) => {}
                }
            }
            let answer = self.driver.output[self.written..].to_vec();
            if answer.is_empty() {
                return Ok(());
            }
            self.written = self.driver.output.len();
            pending = self.client.handle_input(&answer).unwrap();
        }
    }

    /// Writes what the session says without having been fed.
    pub(crate) fn flush(&mut self) {
        self.driver.output.extend(self.driver.session.take_output());
        self.exchange(Vec::new()).unwrap();
    }

    pub(crate) fn connect(&mut self, app: &str) {
        let request = self.client.request_connection(app.to_owned()).unwrap();
        self.exchange(vec![request]).unwrap();
    }

    pub(crate) fn publish(&mut self, name: &str) {
        let kind = PublishRequestType::Live;
        let request = self
            .client
            .request_publishing(name.to_owned(), kind)
            .unwrap();
        self.exchange(vec![request]).unwrap();
    }
}
