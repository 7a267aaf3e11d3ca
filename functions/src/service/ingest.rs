//! Where an encoder may publish to.
//!
//! Absent on purpose: judging heartbeats. An edge that dies without a word leaves the list when
//! another edge, or the reaper, fences it.

use std::cmp::Ordering;

use contract::http::{Ingest, IngestEndpoint, Ingests};
use domain::edge::Edge;

use super::Error;
use crate::Api;
use crate::chain::Chain;

/// The edges that take publishers: those of this region first, then the least loaded.
pub(crate) async fn endpoints(api: &Api) -> Result<Vec<IngestEndpoint>, Error> {
    let edges = api.store.edges().await?;
    Ok(ordered(edges, &api.settings.region))
}

/// The same list in the shape that OBS reads from Twitch.
pub(crate) async fn ingests(api: &Api) -> Result<Ingests, Error> {
    let template = |url: String| format!("{url}/{{stream_key}}");
    let ingests = endpoints(api).await?.into_iter().map(|endpoint| Ingest {
        name: format!("{}: {}", endpoint.region, endpoint.name),
        url_template: template(endpoint.rtmp_url),
        url_template_secure: endpoint.rtmps_url.map(template),
    });
    Ok(Ingests {
        ingests: ingests.collect(),
    })
}

/// What goes into the encoder's server field.
///
/// Never fails: a key that was just made must reach its owner even when the list cannot be read.
pub(super) async fn url_for(api: &Api, region: &str) -> String {
    let edges = api.store.edges().await.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "edges not read; the default ingest address is shown");
        Vec::new()
    });
    let nearest = ordered(edges, region).into_iter().next();
    nearest.map_or_else(
        || api.settings.default_ingest_url.clone(),
        |endpoint| endpoint.rtmp_url,
    )
}

fn ordered(edges: Vec<Edge>, region: &str) -> Vec<IngestEndpoint> {
    let mut endpoints: Vec<_> = edges
        .into_iter()
        .filter(Edge::takes_publishers)
        .map(endpoint)
        .collect();
    endpoints.sort_by(|one, other| rank(one, other, region));
    endpoints
}

fn rank(one: &IngestEndpoint, other: &IngestEndpoint, region: &str) -> Ordering {
    let elsewhere = |endpoint: &IngestEndpoint| endpoint.region != region;
    elsewhere(one)
        .cmp(&elsewhere(other))
        .then(one.load.total_cmp(&other.load))
        // By name last, so that two reads of the same fleet give the same list.
        .then_with(|| one.name.cmp(&other.name))
}

fn endpoint(edge: Edge) -> IngestEndpoint {
    IngestEndpoint {
        load: f64::from(edge.publishers) / f64::from(edge.capacity.max(1)),
        name: edge.name,
        region: edge.region,
        rtmp_url: edge.rtmp_url,
        rtmps_url: edge.rtmps_url,
    }
}

#[cfg(test)]
mod tests {
    use domain::EdgeId;
    use domain::edge::State;

    use super::*;

    fn edge(name: &str, region: &str, publishers: u32, state: State) -> Edge {
        Edge {
            id: EdgeId::from_random([1; 16]),
            name: name.into(),
            epoch: 1,
            boot_id: "boot".into(),
            heartbeat: 0,
            state,
            swept: false,
            region: region.into(),
            rtmp_url: format!("rtmp://{name}:1935/live"),
            rtmps_url: None,
            peer_address: None,
            publishers,
            capacity: 10,
        }
    }

    #[test]
    fn the_nearest_and_least_loaded_edge_comes_first_and_full_or_draining_ones_are_left_out() {
        let edges = vec![
            edge("far-idle", "eu-west-1", 0, State::Up),
            edge("near-busy", "us-east-1", 5, State::Up),
            edge("near-full", "us-east-1", 10, State::Up),
            edge("near-draining", "us-east-1", 0, State::Draining),
            edge("near-dead", "us-east-1", 0, State::Fenced),
            edge("near-free", "us-east-1", 1, State::Up),
        ];
        let endpoints = ordered(edges, "us-east-1");
        let names: Vec<_> = endpoints.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["near-free", "near-busy", "far-idle"]);
        assert!((endpoints[1].load - 0.5).abs() < f64::EPSILON);
    }
}
