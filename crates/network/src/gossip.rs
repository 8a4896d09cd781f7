//! Gossip: one topic, messages that sign themselves, and how peers are scored.
//!
//! Invariant: nothing is passed on before the rules said so; a message is known by all
//! its bytes, so a copy with a spoilt signature never shuts out the good one; a quiet
//! network is not a faulty one (P3 and P3b are off).
//! Not here: what is valid (`baraza-protocol`).
//! Spec: docs/PROTOCOL.md, section 7.5.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, Message,
    MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, TopicScoreParams,
    ValidationMode, WhitelistSubscriptionFilter,
};

/// Topic of public records.
pub(crate) const TOPIC: &str = "/baraza/1/public";

/// Most bytes of a gossip frame (64 KiB); our own messages are smaller.
const FRAME_BYTES_MAX: usize = 64 * 1_024;

/// Most topics a peer may subscribe to, at a time and in one message.
const TOPICS_MAX: usize = 8;

/// Most frames that wait for one peer (5 MiB of the largest messages).
const PEER_QUEUE_MAX: usize = 256;

/// Time for which the id of a message is remembered.
const DUPLICATE_TIME: Duration = Duration::from_secs(600);

/// Heartbeats for which a message waits for its verdict: 20 s, a full queue at 20 ms each.
const HISTORY_HEARTBEATS: usize = 20;

/// Gossip that takes part in [`TOPIC`] only.
pub(crate) type Gossip =
    Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Builds gossip, subscribed to [`TOPIC`].
///
/// # Errors
///
/// In words, when libp2p finds the parameters contradictory.
pub(crate) fn build() -> Result<Gossip, String> {
    let topic = IdentTopic::new(TOPIC);
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| {
            MessageId::from(blake3::hash(&message.data).as_bytes().to_vec())
        })
        .max_transmit_size(FRAME_BYTES_MAX)
        .connection_handler_queue_len(PEER_QUEUE_MAX)
        .duplicate_cache_time(DUPLICATE_TIME)
        .history_length(HISTORY_HEARTBEATS)
        .flood_publish(true)
        // Two neighbours are a whole mesh in a network of three.
        .mesh_n(6)
        .mesh_n_low(2)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: TOPICS_MAX,
        max_subscriptions_per_request: TOPICS_MAX,
    };
    let mut gossip =
        Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.with_peer_score(score(&topic), thresholds())?;
    gossip.subscribe(&topic).map_err(|error| error.to_string())?;
    Ok(gossip)
}

/// How behaviour becomes a number. One message that breaks the rules costs 20, two cost
/// 80, three 180: beyond the last threshold, where nothing of the peer is heard any more.
fn score(topic: &IdentTopic) -> PeerScoreParams {
    let topic_score = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: 0.99,
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.99,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), topic_score)]),
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: -5.0,
        ip_colocation_factor_threshold: 8.0,
        // Many nodes on one machine are a trial or a test, not an attack.
        ip_colocation_factor_whitelist: HashSet::from([
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]),
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 3.0,
        behaviour_penalty_decay: 0.9,
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -40.0,
        publish_threshold: -80.0,
        graylist_threshold: -160.0,
        // No score is high enough: peers are not exchanged by gossip.
        accept_px_threshold: f64::MAX,
        opportunistic_graft_threshold: 5.0,
    }
}
