//! A player of a live playlist: it loads each segment once the playlist names it, and plays what it has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluicegate_testkit::LiveOrigin;
use sluicegate_testkit::http::Client;
use url::Url;

/// How many segments before the last one a player begins at.
const BEHIND: usize = 3;
/// Between two loads of a playlist that has nothing new.
const RELOAD: Duration = Duration::from_millis(500);

/// The result of a play.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) segments: usize,
    /// The longest that a playlist or a segment took.
    pub(crate) slowest: Duration,
    /// The least that was left to play when a segment came; zero if it came too late.
    pub(crate) least_buffer: Option<Duration>,
    /// How often there was nothing left to play.
    pub(crate) stalls: usize,
}

/// Plays a media playlist until all is over.
pub(crate) fn play(mut client: Client, playlist: &str, is_over: &AtomicBool) -> Played {
    let base = Url::parse("http://gateway.test").unwrap().join(playlist).unwrap();
    let mut played = Played::default();
    let mut loaded: Vec<String> = Vec::new();
    // When what was loaded has been played.
    let mut ends: Option<Instant> = None;
    let mut get = |played: &mut Played, target: &str| {
        let began = Instant::now();
        let answer = client.get(target.as_bytes(), &[]).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        played.slowest = played.slowest.max(began.elapsed());
        answer
    };
    while !is_over.load(Ordering::SeqCst) {
        let text = get(&mut played, playlist).text();
        let named: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let begin = if loaded.is_empty() { named.len().saturating_sub(BEHIND) } else { 0 };
        let new: Vec<_> =
            named.into_iter().skip(begin).filter(|uri| !loaded.contains(uri)).collect();
        if new.is_empty() {
            sleep(RELOAD);
        }
        for uri in new {
            let url = base.join(&uri).unwrap();
            let answer = get(&mut played, &url[url::Position::BeforePath..]);
            assert!(!answer.body.is_empty());
            let now = Instant::now();
            let left = ends.map(|ends| ends.saturating_duration_since(now));
            if let Some(left) = left {
                played.least_buffer =
                    Some(played.least_buffer.map_or(left, |least| least.min(left)));
                played.stalls += usize::from(left.is_zero());
            }
            ends = Some(ends.unwrap_or(now).max(now) + LiveOrigin::TARGET_DURATION);
            played.segments += 1;
            loaded.push(uri);
        }
    }
    played
}
