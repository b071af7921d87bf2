//! What a playback in the browser must have been like.

use std::collections::BTreeSet;

use sluicegate_testkit::browser::{Playback, PlayerError, Request};
use url::Url;

use crate::session_url::SessionUrl;
use crate::setup::CDN_FOLDER;
use crate::streams::{FRAMES, Resource, Stream};

/// A player may leave out a few frames at the ends of segments.
const MIN_FRAMES: u64 = FRAMES - 10;

/// The stream was played to the end after one entry, and nothing was refused.
pub(crate) fn assert_played(stream: &Stream, entry_link: &str, played: &Playback) {
    let redirects = assert_played_by_redirects(stream, entry_link, played);
    assert!(redirects.is_empty(), "{}: {redirects:#?}", stream.name);
}

/// The same with redirects after the entry's, which come back.
pub(crate) fn assert_played_by_redirects<'p>(
    stream: &Stream,
    entry_link: &str,
    played: &'p Playback,
) -> Vec<&'p Request> {
    let name = stream.name;
    let requests = played.requests.len();
    eprintln!(
        "{name}: {} frames ({} dropped), {requests} requests, statuses {:?}, errors {:?}",
        played.frames,
        played.dropped_frames,
        played.statuses(),
        played.errors
    );
    assert!(played.ended && !played.timed_out, "{name} was not played to the end: {played:#?}");
    assert!(played.frames >= MIN_FRAMES, "{name}: {played:#?}");
    // A busy machine may stall the picture for a moment, but no answer may displease the player.
    let is_bad = |error: &&PlayerError| error.fatal || error.kind == "networkError";
    let bad: Vec<_> = played.errors.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{name}: {bad:#?}");

    let redirects = played.requests_other_than(&[200, 204, 206]);
    let refused = redirects.iter().find(|request| request.status != Some(302));
    assert!(refused.is_none(), "{name}: {refused:#?}");
    let (entries, redirects): (Vec<_>, Vec<_>) =
        redirects.into_iter().partition(|request| request.url == entry_link);
    assert_eq!(entries.len(), 1, "{name}: {entries:#?}");

    let implied = stream.implied();
    let seen: BTreeSet<_> = played.requests.iter().filter_map(resource).collect();
    let missed: Vec<_> = implied.difference(&seen).collect();
    assert!(missed.is_empty(), "{name} was never asked for {missed:#?}");
    // The entry comes on top of all that the playlists name.
    assert!(requests > implied.len(), "{name}: {requests} requests, {} implied", implied.len());
    redirects
}

/// All GETs of URLs that begin so, each URL once.
pub(crate) fn urls_at(played: &Playback, start: &str) -> Vec<String> {
    let asked = played.requests.iter().filter(|request| request.method == "GET");
    let urls: BTreeSet<_> = asked.map(|request| &request.url).collect();
    urls.into_iter().filter(|url| url.starts_with(start)).cloned().collect()
}

/// What a request was for; nothing for an entry.
pub(crate) fn resource(request: &Request) -> Option<Resource> {
    let path = match SessionUrl::parse(&request.url) {
        Some(url) => url.path,
        None => {
            let url = Url::parse(&request.url).unwrap();
            format!("/{}", url.path().strip_prefix(CDN_FOLDER)?)
        }
    };
    Some(Resource { path, range: request.range_header.clone() })
}
