//! What happened to a channel, for its owner to read back: one event for each thing, told once.
//!
//! An event's id names what it tells of, so that the same thing told twice is one event. Its number
//! is given when it is appended to the channel's log, and says nothing but the order of arrival:
//! what happened is dated by `at`.

use crate::live::{EndReason, Item, State};
use crate::{ChannelId, EdgeId, SessionId, Timestamp};

/// Something that happened to a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The channel.
    pub channel_id: ChannelId,
    /// Names what it tells of, within the channel.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What it was.
    pub what: What,
}

/// An event in its channel's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// Its place, from 1: the numbers of a channel have no gap.
    pub number: u64,
    /// The event.
    pub event: Event,
}

/// What can happen to a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// Media began to flow in a new session.
    WentLive {
        /// The session.
        session_id: SessionId,
        /// The edge that has it.
        edge_id: Option<EdgeId>,
        /// The publisher's address.
        ip_address: Option<String>,
    },
    /// The publisher dropped and may come back.
    SignalLost {
        /// The session.
        session_id: SessionId,
        /// The edge that it was lost on.
        edge_id: Option<EdgeId>,
        /// Until when it may come back.
        grace_until: Option<Timestamp>,
    },
    /// A session that waited was taken up by another edge; no media has come there yet.
    Moved {
        /// The session.
        session_id: SessionId,
        /// The edge that has it now.
        edge_id: EdgeId,
        /// The edge that had it.
        from_edge_id: EdgeId,
    },
    /// Media flows again in a session that waited.
    Resumed {
        /// The session.
        session_id: SessionId,
        /// The edge that has it.
        edge_id: Option<EdgeId>,
        /// The publisher's address.
        ip_address: Option<String>,
    },
    /// The session is over.
    Ended {
        /// The session.
        session_id: SessionId,
        /// Why.
        reason: Option<EndReason>,
    },
    /// An encoder was turned away: the first of its kind, from its address, in a minute.
    Refused {
        /// The refusal's stable code.
        reason: String,
        /// The refusal in plain words.
        detail: String,
        /// Who tried.
        ip_address: String,
        /// With what.
        encoder: Option<String>,
    },
    /// The channel got its first stream key.
    KeyGenerated,
    /// The channel got another stream key.
    KeyReset {
        /// Until when the old one may start publishes; None: it was dead at once.
        overlap_until: Option<Timestamp>,
        /// Whether a running session was to be cut.
        disconnect_live: bool,
    },
    /// The stream key was shown.
    KeyRevealed,
    /// The stream key was reported as leaked, and retired.
    KeyReported,
    /// The channel takes no publisher for a while.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// The channel takes publishers again.
    HoldLifted,
    /// The owner changed settings.
    SettingsChanged {
        /// Which, by the names of the API's fields.
        settings: Vec<String>,
    },
}

impl Event {
    /// What the change of a live item from `before` is told as; None where it shows nothing new.
    ///
    /// STARTING is told only where a session that waits moves to another edge: a publisher that sent
    /// no media has not come back, and one that leaves again has not been lost anew. `written_at`
    /// stands in where the item does not say when it was.
    #[must_use]
    pub fn of_change(before: Option<&Item>, item: &Item, written_at: Timestamp) -> Option<Self> {
        let session_id = item.session_id.clone()?;
        let (at, what) = match item.state {
            State::Starting => {
                let at = item
                    .ended_at
                    .map_or(written_at, |lost| lost.max(written_at));
                (at, moved(before?, item, session_id)?)
            }
            State::Live => {
                let at = item.last_live_at.unwrap_or(written_at);
                (at, flows(before, item, session_id))
            }
            State::Grace => {
                if before.is_some_and(|before| before.state == State::Starting) {
                    return None;
                }
                let what = What::SignalLost {
                    session_id,
                    edge_id: edge_id(item),
                    grace_until: item.grace_until,
                };
                (item.ended_at.unwrap_or(written_at), what)
            }
            State::Offline => {
                if !before.is_none_or(was_shown) {
                    return None;
                }
                let reason = item.reason;
                let what = What::Ended { session_id, reason };
                (item.ended_at.unwrap_or(written_at), what)
            }
        };
        let version = item.version;
        Some(Self {
            channel_id: item.channel_id.clone(),
            id: format!("live.{}.{}", version.generation, version.sequence),
            at,
            what,
        })
    }
}

/// Whether a session that is in this item was ever seen as running.
fn was_shown(item: &Item) -> bool {
    match item.state {
        State::Live | State::Grace => true,
        State::Starting => item.grace_until.is_some(),
        State::Offline => false,
    }
}

fn moved(before: &Item, item: &Item, session_id: SessionId) -> Option<What> {
    let waited = before.state == State::Grace && before.session_id.as_ref() == Some(&session_id);
    let (from_edge_id, edge_id) = edge_id(before).zip(edge_id(item))?;
    (waited && from_edge_id != edge_id).then_some(What::Moved {
        session_id,
        edge_id,
        from_edge_id,
    })
}

/// An acquisition keeps the grace of the session that it resumes, and there is none otherwise.
fn flows(before: Option<&Item>, item: &Item, session_id: SessionId) -> What {
    let (edge_id, ip_address) = (edge_id(item), item.client_ip.clone());
    if before.is_some_and(|before| before.grace_until.is_some()) {
        What::Resumed {
            session_id,
            edge_id,
            ip_address,
        }
    } else {
        What::WentLive {
            session_id,
            edge_id,
            ip_address,
        }
    }
}

fn edge_id(item: &Item) -> Option<EdgeId> {
    item.owner.as_ref().map(|owner| owner.edge_id.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::{Claim, Decision, Holder, Write, decide};
    use crate::{AttemptId, ConnectionId, Owner};

    const GRACE: Duration = Duration::from_secs(10);

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_900_000_000_000 + number * 1_000)
    }

    fn owner(edge: u8) -> Owner {
        Owner {
            edge_id: EdgeId::from_random([edge; 16]),
            epoch: 1,
        }
    }

    /// A channel's live item with the events that its changes are told as.
    #[derive(Default)]
    struct Channel {
        item: Option<Item>,
        told: Vec<Event>,
    }

    impl Channel {
        fn write(&mut self, write: &Write, now: Timestamp) -> &mut Self {
            let left = write.apply(self.item.as_ref()).expect("permitted");
            self.told
                .extend(Event::of_change(self.item.as_ref(), &left, now));
            self.item = Some(left);
            self
        }

        fn item(&self) -> Item {
            self.item.clone().expect("there is one")
        }

        fn acquire(&mut self, edge: u8, now: Timestamp) -> &mut Self {
            let claim = Claim {
                channel_id: ChannelId::from_random([1; 16]),
                owner: owner(edge),
                attempt_id: AttemptId::from_random([edge; 16]),
                connection_id: ConnectionId::from_random([edge; 16]),
                session_id: SessionId::new(now, [edge; 10]),
                key_version: 1,
                client_ip: "192.0.2.1".into(),
            };
            match decide(self.item.as_ref(), &claim, Holder::Dead, now) {
                Decision::Acquire(acquire) => self.write(&Write::Acquire(acquire), now),
                other => panic!("{other:?}"),
            }
        }

        fn go_live(&mut self, edge: u8, now: Timestamp) -> &mut Self {
            self.acquire(edge, now);
            let item = self.item();
            let write = Write::GoLive {
                channel_id: item.channel_id,
                owner: owner(edge),
                generation: item.version.generation,
                now,
            };
            self.write(&write, now)
        }

        fn drop_out(&mut self, now: Timestamp) -> &mut Self {
            let write = self.item().dropped(now, GRACE).expect("held");
            self.write(&write, now)
        }

        fn end(&mut self, reason: EndReason, now: Timestamp) -> &mut Self {
            let item = self.item();
            let write = item.end(now, reason).or_else(|| item.offline(now, reason));
            self.write(&write.expect("not over yet"), now)
        }

        fn words(&self) -> Vec<&'static str> {
            let word = |event: &Event| match event.what {
                What::WentLive { .. } => "went live",
                What::SignalLost { .. } => "signal lost",
                What::Moved { .. } => "moved",
                What::Resumed { .. } => "resumed",
                What::Ended { .. } => "ended",
                _ => "nothing of a live item",
            };
            self.told.iter().map(word).collect()
        }
    }

    #[test]
    fn a_broadcast_with_a_break_is_told_as_it_was() {
        let mut channel = Channel::default();
        channel
            .go_live(1, second(0))
            .drop_out(second(5))
            .go_live(1, second(7))
            .end(EndReason::Unpublished, second(9));
        assert_eq!(
            channel.words(),
            ["went live", "signal lost", "resumed", "ended"]
        );
        let at: Vec<_> = channel.told.iter().map(|event| event.at).collect();
        assert_eq!(at, [0, 5, 7, 9].map(second));
        let ids: Vec<_> = channel.told.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["live.1.1", "live.1.2", "live.2.1", "live.2.2"]);
        let sessions = channel.told.iter().map(|event| match &event.what {
            What::WentLive { session_id, .. }
            | What::SignalLost { session_id, .. }
            | What::Resumed { session_id, .. }
            | What::Ended { session_id, .. } => session_id.clone(),
            other => panic!("{other:?}"),
        });
        assert!(
            sessions
                .collect::<Vec<_>>()
                .windows(2)
                .all(|two| two[0] == two[1])
        );
    }

    #[test]
    fn the_next_broadcast_is_no_return() {
        let mut channel = Channel::default();
        channel
            .go_live(1, second(0))
            .drop_out(second(5))
            .end(EndReason::Dropped, second(16))
            .go_live(1, second(20));
        assert_eq!(
            channel.words(),
            ["went live", "signal lost", "ended", "went live"]
        );
    }

    #[test]
    fn a_session_that_another_edge_takes_up_has_moved() {
        let mut channel = Channel::default();
        channel
            .go_live(1, second(0))
            .drop_out(second(5))
            .go_live(2, second(6));
        assert_eq!(
            channel.words(),
            ["went live", "signal lost", "moved", "resumed"]
        );
        let What::Moved {
            edge_id,
            from_edge_id,
            ..
        } = &channel.told[2].what
        else {
            panic!("{:?}", channel.told);
        };
        assert_eq!(
            (from_edge_id, edge_id),
            (&owner(1).edge_id, &owner(2).edge_id)
        );
    }

    #[test]
    fn a_record_of_whole_seconds_does_not_date_a_move_before_the_loss() {
        let mut channel = Channel::default();
        let lost = second(5) + Duration::from_millis(700);
        channel.go_live(1, second(0)).drop_out(lost);
        channel.acquire(2, second(5));
        assert_eq!(channel.words(), ["went live", "signal lost", "moved"]);
        assert_eq!(channel.told[2].at, lost);
    }

    #[test]
    fn a_publisher_that_sends_no_media_is_no_news() {
        let mut channel = Channel::default();
        channel.acquire(1, second(0)).drop_out(second(1));
        assert_eq!(channel.words(), [] as [&str; 0]);
        // Nor is one that comes back and leaves again before any; its session still ends.
        channel
            .go_live(1, second(2))
            .drop_out(second(3))
            .acquire(1, second(4))
            .drop_out(second(5))
            .acquire(1, second(6))
            .end(EndReason::Revoked, second(7));
        assert_eq!(channel.words(), ["went live", "signal lost", "ended"]);
    }

    #[test]
    fn a_change_whose_past_is_not_known_is_told_by_what_it_left() {
        let mut channel = Channel::default();
        channel.go_live(1, second(0)).drop_out(second(1));
        let told = Event::of_change(None, &channel.item(), second(1)).expect("told");
        assert_eq!(Some(&told), channel.told.last());
        channel.end(EndReason::Dropped, second(12));
        let told = Event::of_change(None, &channel.item(), second(12)).expect("told");
        assert_eq!(Some(&told), channel.told.last());
    }
}
