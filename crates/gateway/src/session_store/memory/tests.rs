use std::net::IpAddr;

use super::*;

const T: UnixTime = UnixTime(1_000_000);

/// The memory with its rules.
struct Store(Memory, SessionRules);

fn store(rules: SessionRules) -> Store {
    Store(Memory::default(), rules)
}

impl Store {
    fn open(&self, id: SessionId, opened: Opened, now: UnixTime) {
        self.0.open(id, opened, now);
    }

    fn admit(
        &self,
        id: SessionId,
        unknown: impl FnOnce() -> Opened,
        stream: Option<StreamId>,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        self.0.admit(id, unknown, stream, &self.1, now)
    }

    fn find(&self, id: SessionId, now: UnixTime) -> Option<Seen> {
        self.0.find(id, &self.1, now)
    }
}

fn opened(user: Option<&str>, max_streams: Option<u32>) -> Opened {
    Opened {
        route: "vod".to_owned(),
        path: "/a/master.m3u8".to_owned(),
        user: user.map(str::to_owned),
        max_streams,
        ..Opened::unknown(T.saturating_add(3600))
    }
}

fn id(number: u8) -> SessionId {
    SessionId([number; 14])
}

fn player(number: u8) -> Option<StreamId> {
    Some(StreamId::of(Some(IpAddr::from([10, 0, 0, number])), b"player"))
}

fn unknown() -> Opened {
    opened(None, None)
}

#[test]
fn a_revoked_session_is_not_served_again() {
    let store = store(SessionRules::default());
    store.open(id(1), opened(None, None), T);
    assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
    store.0.revoke(id(1), unknown(), T);
    let revoked = Err(NotServed::Ended(Ended::Revoked));
    assert_eq!(store.admit(id(1), unknown, player(1), T), revoked);
    store.open(id(1), opened(None, None), T);
    assert_eq!(store.admit(id(1), unknown, None, T), revoked, "nor by its link");
    store.0.revoke(id(2), unknown(), T);
    assert_eq!(store.admit(id(2), unknown, player(1), T), revoked, "of which nothing was known");
}

#[test]
fn a_revocation_outlives_its_session_as_long_as_its_link_may_live() {
    let store = store(SessionRules::default());
    store.open(id(1), opened(None, None), T);
    let month = T.saturating_add(31 * 86_400);
    store.0.revoke(id(1), Opened::unknown(month), T);
    // The session's own time is over, and others come.
    let later = T.saturating_add(86_400);
    for number in 0..2 * SWEEP_EVERY as u64 {
        let mut long = id(1);
        long.0[1..9].copy_from_slice(&number.to_be_bytes());
        store.open(long, Opened::unknown(month), later);
    }
    store.open(id(1), Opened::unknown(month), later);
    let revoked = Err(NotServed::Ended(Ended::Revoked));
    assert_eq!(store.admit(id(1), unknown, None, later), revoked);
    assert_eq!(store.0.revoked(later), [(id(1), month)]);
}

#[test]
fn where_nothing_limits_streams_not_all_are_remembered() {
    let store = store(SessionRules::default());
    store.open(id(1), unknown(), T);
    for number in 0..=255 {
        assert_eq!(store.admit(id(1), unknown, player(number), T), Ok(()));
    }
    let seen = store.find(id(1), T).unwrap();
    assert_eq!(seen.streams, MOST_REMEMBERED);
    let counted = |number| store.0.counted(id(1), player(number), &store.1);
    assert_eq!((counted(0), counted(255)), (player(0), None));
    // What is limited is counted, whatever it costs.
    let most = MOST_REMEMBERED as u32 + 8;
    store.open(id(2), opened(None, Some(most)), T);
    let playing =
        (0..=255).filter(|number| store.admit(id(2), unknown, player(*number), T).is_ok());
    assert_eq!(playing.count(), most as usize);
}

#[test]
fn an_idle_session_is_over_until_it_begins_again() {
    let store = store(SessionRules { idle_secs: Some(60), ..SessionRules::default() });
    store.open(id(1), opened(None, None), T);
    assert_eq!(store.admit(id(1), unknown, None, T.saturating_add(60)), Ok(()));
    let late = T.saturating_add(121);
    let idle = Err(NotServed::Ended(Ended::Idle));
    assert_eq!(store.admit(id(1), unknown, None, late), idle);
    assert_eq!(store.admit(id(1), unknown, None, late), idle);
    store.open(id(1), opened(None, None), late);
    assert_eq!(store.admit(id(1), unknown, None, late), Ok(()));
}

#[test]
fn streams_count_while_they_are_seen() {
    let store = store(SessionRules { max_streams: Some(5), ..SessionRules::default() });
    store.open(id(1), opened(None, Some(2)), T);
    assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
    assert_eq!(store.admit(id(1), unknown, player(2), T), Ok(()));
    let refused = Err(NotServed::TooManyStreams);
    assert_eq!(store.admit(id(1), unknown, player(3), T), refused);
    assert_eq!(store.admit(id(1), unknown, None, T), Ok(()), "HEAD plays nothing");
    // The first goes on, the second is gone.
    let later = T.saturating_add(31);
    assert_eq!(store.admit(id(1), unknown, player(1), T.saturating_add(20)), Ok(()));
    assert_eq!(store.admit(id(1), unknown, player(3), later), Ok(()));
    assert_eq!(store.admit(id(1), unknown, player(2), later), refused);
    assert_eq!(store.find(id(1), later).unwrap().streams, 2);
}

#[test]
fn a_users_streams_count_over_all_sessions() {
    let rules = SessionRules { max_streams_per_user: Some(1), ..SessionRules::default() };
    let store = store(rules);
    for number in [1, 2] {
        store.open(id(number), opened(Some("alice"), None), T);
    }
    store.open(id(3), opened(Some("bob"), None), T);
    assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
    assert_eq!(store.admit(id(2), unknown, player(1), T), Err(NotServed::TooManyOfUser));
    assert_eq!(store.admit(id(3), unknown, player(1), T), Ok(()));
    let later = T.saturating_add(31);
    assert_eq!(store.admit(id(2), unknown, player(1), later), Ok(()));
}

#[test]
fn the_list_has_pages_and_forgets_what_is_over() {
    let store = store(SessionRules::default());
    for number in 0..10 {
        let user = if number % 2 == 0 { "alice" } else { "bob" };
        store.open(id(number), opened(Some(user), None), T);
    }
    let is_alices = |seen: &Seen| seen.opened.user.as_deref() == Some("alice");
    let ids = |after, limit, now| {
        let found = store.0.list(is_alices, after, limit, &store.1, now);
        found.iter().map(|seen| seen.id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2, T), [0, 2]);
    assert_eq!(ids(Some(id(2)), 100, T), [4, 6, 8]);
    let over = T.saturating_add(3601);
    assert_eq!(ids(None, 100, over), [0_u8; 0]);
    for number in 0..2 * SWEEP_EVERY as u64 {
        let mut long = id(1);
        long.0[1..9].copy_from_slice(&number.to_be_bytes());
        store.open(long, Opened { expires: over, ..unknown() }, over);
    }
    assert!(store.find(id(1), over).is_none(), "it was swept away");
}

#[test]
fn a_page_of_sessions_copies_no_more_than_it_needs() {
    const ALL: u64 = 4000;
    const PAGE: usize = 10;
    let Store(memory, rules) = store(SessionRules::default());
    let id_of = |number: u64| {
        let mut id = [0; 14];
        id[..8].copy_from_slice(&number.to_be_bytes());
        SessionId(id)
    };
    for number in 0..ALL {
        let user = if number % 2 == 0 { "even" } else { "odd" };
        memory.open(id_of(number), opened(Some(user), None), T);
    }
    let copied = std::cell::Cell::new(0);
    let wanted = |seen: &Seen| {
        copied.set(copied.get() + 1);
        seen.opened.user.as_deref() == Some("even")
    };
    let (mut after, mut listed) = (None, Vec::new());
    for _ in 0..3 {
        copied.set(0);
        let page = memory.list(wanted, after, PAGE, &rules, T);
        assert_eq!(page.len(), PAGE);
        // By chance, some are copied that others on the page push out.
        assert!(copied.get() < ALL / 4, "{} of {ALL}", copied.get());
        after = page.last().map(|seen| seen.id);
        listed.extend(page.into_iter().map(|seen| seen.id));
    }
    let first: Vec<_> = (0..60).step_by(2).map(id_of).collect();
    assert_eq!(listed, first, "in order, none twice and none left out");
    assert!(memory.list(wanted, Some(id_of(ALL - 1)), PAGE, &rules, T).is_empty());
    assert!(memory.list(wanted, None, 0, &rules, T).is_empty());
}
