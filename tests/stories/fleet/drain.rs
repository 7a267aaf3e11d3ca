//! An edge is told to end while others are up.

use anyhow::Result;
use domain::EdgeId;
use harness::fleet::{Crowd, Options};
use harness::reconnecting::{Event, Habit};
use harness::{Fleet, HANG};

use crate::tell;

const PUBLISHERS: usize = 6;

#[tokio::test]
async fn publishers_of_a_drained_edge_go_on_elsewhere_in_their_session() -> Result<()> {
    let mut fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |_| 0).await?;
    let drained = fleet.edge(0).id()?.clone();
    let since = fleet.drain(0).await?;
    tell("back after a drain", crowd.back(since, HANG).await?);
    crowd.never_offline()?;
    for member in &crowd.members {
        let lost = member.encoder.since(since, |event| *event == Event::Lost);
        assert_eq!(lost.len(), 1, "{:#?}", member.encoder.history());
        let status = member.channel.owner.status(&member.channel.id).await?;
        assert!(is_another(status.edge_id.as_ref(), &drained), "{status:?}");
    }
    crowd.one_session_each().await?;
    crowd.leave().await?;
    fleet.stop().await
}

fn is_another(edge: Option<&EdgeId>, drained: &EdgeId) -> bool {
    edge.is_some_and(|edge| edge != drained)
}
