//! Channels: made with their gate and listing, changed by compare, removed whole.

use std::time::Duration;

use domain::channel::{Channel, Gate};
use domain::limits::parse_networks;
use domain::session::Resolution;
use domain::{ChannelId, Limits, UserId};
use store::Error;

use crate::database::{Database, Fault};
use crate::live::{NOW, channel as channel_id};

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("valid")
}

pub(crate) fn channel(number: u16) -> Channel {
    Channel {
        id: channel_id(number),
        user_id: user("owner"),
        name: "Saturday show".into(),
        grace: Duration::from_millis(2_500),
        limits: Limits::default(),
        region: "local".into(),
        created_at: NOW,
        key_version: 0,
        key_created_at: None,
        key_public_id: None,
        key_hash: None,
        key_retired_at: None,
        previous_key_hash: None,
    }
}

#[tokio::test]
async fn a_new_channel_is_found_listed_and_open() {
    let database = Database::start().await;
    let store = &database.store;
    let new = channel(1);
    store.create_channel(&new).await.expect("made");
    assert_eq!(
        store.channel(&new.id).await.expect("read"),
        Some(new.clone())
    );
    let listed = store.channels_of(&new.user_id, 10, None).await;
    assert_eq!(listed.expect("read").items, std::slice::from_ref(&new));
    assert_eq!(store.gate(&new.id).await.expect("read"), Gate::default());
    let stranger = store.channels_of(&user("stranger"), 10, None).await;
    assert_eq!(stranger.expect("read").items, []);
}

#[tokio::test]
async fn making_a_channel_again_is_fine_and_making_another_of_its_id_is_a_conflict() {
    let database = Database::start().await;
    let store = &database.store;
    store.create_channel(&channel(1)).await.expect("made");
    store.create_channel(&channel(1)).await.expect("repeated");
    let other = Channel {
        user_id: user("stranger"),
        ..channel(1)
    };
    let made = store.create_channel(&other).await;
    assert!(matches!(made, Err(Error::Conflict)), "{made:?}");
    let listed = store.channels_of(&user("stranger"), 10, None).await;
    assert_eq!(listed.expect("read").items, []);
}

#[tokio::test]
async fn pages_of_a_list_are_whole_and_in_order() {
    let database = Database::start().await;
    let store = &database.store;
    for number in 0..7 {
        store.create_channel(&channel(number)).await.expect("made");
    }
    let mut seen: Vec<ChannelId> = Vec::new();
    let mut sizes = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store
            .channels_of(&user("owner"), 3, cursor.as_deref())
            .await
            .expect("read");
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|channel| channel.id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, (0..7).map(channel_id).collect::<Vec<_>>());
    let exact = store.channels_of(&user("owner"), 7, None).await;
    assert_eq!(exact.expect("read").cursor, None, "nothing comes after");
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let database = Database::start().await;
    let store = &database.store;
    for number in 0..2 {
        store.create_channel(&channel(number)).await.expect("made");
    }
    let page = store.channels_of(&user("owner"), 1, None).await;
    let cursor = page.expect("read").cursor.expect("more");
    let stranger = store.channels_of(&user("stranger"), 1, Some(&cursor)).await;
    assert!(matches!(stranger, Err(Error::InvalidCursor)));
    let sessions = store.sessions(&channel_id(0), 1, Some(&cursor)).await;
    assert!(matches!(sessions, Err(Error::InvalidCursor)));
}

#[tokio::test]
async fn settings_that_were_changed_meanwhile_are_not_overwritten() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = channel(1);
    store.create_channel(&seen).await.expect("made");
    let mine = Channel {
        name: "Sunday show".into(),
        ..seen.clone()
    };
    let theirs = Channel {
        grace: Duration::from_secs(30),
        ..seen.clone()
    };
    database.faults.add("TransactWriteItems", Fault::LoseAnswer);
    let changed = store.update_channel(&seen, &mine, NOW).await;
    changed.expect("changed");
    assert_eq!(database.faults.left(), 0);
    let late = store.update_channel(&seen, &theirs, NOW).await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
    assert_eq!(store.channel(&seen.id).await.expect("read"), Some(mine));
    let missing = store.update_channel(&channel(2), &channel(2), NOW).await;
    assert!(matches!(missing, Err(Error::Conflict)), "{missing:?}");
}

fn limited(to: &Channel, limits: Limits) -> Channel {
    Channel {
        limits,
        ..to.clone()
    }
}

fn strict() -> Limits {
    Limits {
        allowed_networks: parse_networks(&["192.0.2.0/24", "2001:db8::/32"]).expect("networks"),
        maximum_bitrate_kbps: Some(6_000),
        maximum_resolution: Resolution::parse("1920x1080"),
    }
}

#[tokio::test]
async fn limits_change_with_the_gate_and_other_settings_without_it() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = channel(1);
    store.create_channel(&seen).await.expect("made");
    let strict = limited(&seen, strict());
    database.faults.add("TransactWriteItems", Fault::LoseAnswer);
    let changed = store.update_channel(&seen, &strict, NOW).await;
    assert_eq!(changed.expect("changed"), Some(1));
    assert_eq!(database.faults.left(), 0);
    assert_eq!(
        store.channel(&seen.id).await.expect("read"),
        Some(strict.clone())
    );
    let gate = store.gate(&seen.id).await.expect("read");
    assert_eq!((gate.auth_version, gate.cut_before), (1, 0));

    let renamed = Channel {
        name: "Sunday show".into(),
        ..strict.clone()
    };
    let changed = store.update_channel(&strict, &renamed, NOW).await;
    assert_eq!(changed.expect("changed"), None);
    let late = store.update_channel(&seen, &seen, NOW).await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
}

#[tokio::test]
async fn limits_that_were_changed_meanwhile_are_not_overwritten() {
    let database = Database::start().await;
    let store = &database.store;
    let seen = limited(&channel(1), strict());
    store.create_channel(&seen).await.expect("made");
    let open = limited(&seen, Limits::default());
    let changed = store.update_channel(&seen, &open, NOW).await;
    assert_eq!(changed.expect("changed"), Some(1));
    let again = store.update_channel(&seen, &open, NOW).await;
    assert_eq!(again.expect("repeated"), Some(1));
    let narrower = Limits {
        maximum_bitrate_kbps: Some(3_000),
        ..strict()
    };
    let late = store
        .update_channel(&seen, &limited(&seen, narrower), NOW)
        .await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
    assert_eq!(store.channel(&seen.id).await.expect("read"), Some(open));
    assert_eq!(store.gate(&seen.id).await.expect("read").auth_version, 1);
}

#[tokio::test]
async fn a_removed_channel_leaves_only_a_gate_that_cuts_its_sessions() {
    let database = Database::start().await;
    let store = &database.store;
    let gone = channel(1);
    store.create_channel(&gone).await.expect("made");
    store.delete_channel(&gone).await.expect("removed");
    assert_eq!(store.channel(&gone.id).await.expect("read"), None);
    let listed = store.channels_of(&gone.user_id, 10, None).await;
    assert_eq!(listed.expect("read").items, []);
    let gate = store.gate(&gone.id).await.expect("read");
    assert!(domain::authorization::is_cut(0, &gate), "{gate:?}");
    let again = store.delete_channel(&gone).await;
    assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
}
