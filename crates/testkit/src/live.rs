//! A live origin: a stream of the fixtures without end, as plain HLS, as Low-Latency HLS, and as DASH.
//!
//! | path | what |
//! | --- | --- |
//! | `/plain/master.m3u8` | media playlists of whole segments, for reloads by time |
//! | `/ll/master.m3u8` | parts, blocking reloads, preload hints, rendition reports, delta updates |
//! | `/dash/timeline.mpd`, `/dash/number.mpd` | `$Time$` with a SegmentTimeline, `$Number$` with @duration |
//! | `/dash/patch.mpd` | the timeline with a PatchLocation: `patch.mpp` |
//! | `/dash/{360p,180p,audio}/` | `init.mp4`, `t{time}.m4s`, `n{number}.m4s` |
//! | `/{plain,ll}/{360p,180p,audio}/` | `index.m3u8`, `init.mp4`, `seg-{msn}.m4s`, `part-{msn}.{part}.m4s` |
//!
//! All show the same media: segments of 2 s in 5 parts, one timeline without discontinuities, with
//! the wall clock in EXT-X-PROGRAM-DATE-TIME or availabilityStartTime. What the origin is asked for
//! before it is there is held until it is, as RFC 8216bis section 6.2.5.2 demands; what is too far
//! ahead is 400 for a playlist and 404 for media. Media stays there after it has left the manifests.
//!
//! A patch leads from the MPD with `known` segments to the current one and is held until they
//! differ. It is 404 for an MPD whose segments have all left the window: the MPD is then to be
//! loaded as a whole (ISO/IEC 23009-1 clause 5.15).

mod fragments;
mod mpd;
mod playlist;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use self::fragments::{Fragments, PARTS_PER_SEGMENT};
use self::playlist::{Report, Snapshot, place_of};
use crate::fixtures;
use crate::server::Server;

/// The stream of the fixtures lasts so long; then it begins again.
const ROUND: Duration = Duration::from_secs(8);

/// How many segments after the last one may be asked for (RFC 8216bis section 6.2.5.2).
const MAX_SEGMENTS_AHEAD: u64 = 2;

/// The folder of a rendition, and the folder of `fixtures/streams/subdirs` that it comes from.
const RENDITIONS: [(&str, &str); 3] = [("360p", "360p"), ("180p", "180p"), ("audio", "audio/en")];

/// A running live origin.
#[derive(Debug)]
pub struct LiveOrigin {
    server: Server,
    live: Arc<Live>,
}

/// A request to the origin. Times are those of [`LiveOrigin::now`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Path and query as they came.
    pub target: String,
    /// When it came.
    pub arrived: Duration,
    /// The answer; none as long as the request is held, or when its client has left.
    pub answer: Option<Answered>,
}

/// An answer of the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// When it was made.
    pub at: Duration,
    /// Its status.
    pub status: u16,
    /// The text of a playlist, an MPD or a patch.
    pub playlist: Option<String>,
}

#[derive(Debug)]
struct Live {
    renditions: Vec<(&'static str, Fragments)>,
    started: Instant,
    /// The wall clock at the beginning of the stream.
    epoch: SystemTime,
    /// How much of the stream there was at the start.
    history: Duration,
    asked: Mutex<Vec<Asked>>,
}

/// Why there is no answer with a body.
#[derive(Debug)]
struct Refusal(StatusCode);

impl LiveOrigin {
    /// Seconds between two segments.
    pub const TARGET_DURATION: Duration = playlist::TARGET_DURATION;

    /// Starts an origin that has been live for half a minute.
    ///
    /// # Panics
    /// When ffmpeg is not installed.
    #[must_use]
    pub fn start() -> Self {
        Self::start_after(Duration::from_secs(30))
    }

    /// Starts an origin that has been live for so long.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_after(history: Duration) -> Self {
        let cut = |(name, folder)| {
            let playlist = fixtures::streams().join("subdirs").join(folder).join("index.m3u8");
            (name, Fragments::cut(&playlist, ROUND))
        };
        let live = Arc::new(Live {
            renditions: RENDITIONS.map(cut).into(),
            started: Instant::now(),
            epoch: SystemTime::now() - history,
            history,
            asked: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&live));
        Self { server: Server::start(router), live }
    }

    /// The address of its port.
    #[must_use]
    pub const fn addr(&self) -> std::net::SocketAddr {
        self.server.addr()
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// How long the origin has run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.live.started.elapsed()
    }

    /// When a part is there, or has been, on the clock of [`Self::now`]; zero for what was there at
    /// the start.
    ///
    /// # Panics
    /// For a rendition that the origin does not have.
    #[must_use]
    pub fn has_part_at(&self, rendition: &str, msn: u64, part: u64) -> Duration {
        let fragments = self.live.rendition(rendition).unwrap();
        self.live.there_at(fragments, msn * PARTS_PER_SEGMENT + part)
    }

    /// All requests up to now, in the order in which they came.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.live.asked.lock().unwrap().clone()
    }

    /// The requests that were answered with a status of 400 or more.
    #[must_use]
    pub fn refused(&self) -> Vec<Asked> {
        let is_refused =
            |asked: &Asked| asked.answer.as_ref().is_some_and(|answer| answer.status >= 400);
        self.asked().into_iter().filter(is_refused).collect()
    }
}

async fn answer(State(live): State<Arc<Live>>, request: Request) -> Response {
    let target = request.uri().to_string();
    let number = {
        let mut asked = live.asked.lock().unwrap();
        asked.push(Asked { target: target.clone(), arrived: live.started.elapsed(), answer: None });
        asked.len() - 1
    };
    let (response, playlist) = match live.answer(&target, request.headers()).await {
        Ok(answer) => answer,
        Err(Refusal(status)) => (status.into_response(), None),
    };
    let status = response.status().as_u16();
    live.asked.lock().unwrap()[number].answer =
        Some(Answered { at: live.started.elapsed(), status, playlist });
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], response).into_response()
}

impl Live {
    async fn answer(
        &self,
        target: &str,
        headers: &HeaderMap,
    ) -> Result<(Response, Option<String>), Refusal> {
        let missing = || Refusal(StatusCode::NOT_FOUND);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (kind, path) = path[1..].split_once('/').ok_or_else(missing)?;
        if kind == "dash" {
            return self.dash(path, query, headers).await;
        }
        if !matches!(kind, "plain" | "ll") {
            return Err(missing());
        }
        if path == "master.m3u8" {
            return Ok(tagged(playlist::multivariant(), headers));
        }
        let (name, file) = path.split_once('/').ok_or_else(missing)?;
        let rendition = self.rendition(name).ok_or_else(missing)?;
        match file {
            "index.m3u8" if kind == "plain" => {
                self.wait_for(rendition, PARTS_PER_SEGMENT - 1).await;
                Ok(tagged(self.snapshot(rendition).plain(), headers))
            }
            "index.m3u8" => {
                let text = self.low_latency(name, rendition, query).await?;
                Ok(tagged(text, headers))
            }
            "init.mp4" => Ok(media(rendition.init.clone())),
            _ => {
                let numbers = file.strip_suffix(".m4s").ok_or_else(missing)?;
                let indices = if let Some(msn) = numbers.strip_prefix("seg-") {
                    let msn: u64 = msn.parse().map_err(|_| missing())?;
                    msn * PARTS_PER_SEGMENT..(msn + 1) * PARTS_PER_SEGMENT
                } else {
                    let place = numbers.strip_prefix("part-").and_then(|text| text.split_once('.'));
                    let (msn, part) = place.ok_or_else(missing)?;
                    let number = |text: &str| text.parse::<u64>().map_err(|_| missing());
                    let index = number(msn)? * PARTS_PER_SEGMENT + number(part)?;
                    index..index + 1
                };
                // The part that a preload hint names is held; nobody has heard of any further one.
                if indices.end > self.count(rendition) + 1 {
                    return Err(missing());
                }
                self.wait_for(rendition, indices.end - 1).await;
                Ok(media(indices.flat_map(|index| rendition.bytes(index)).collect()))
            }
        }
    }

    async fn dash(
        &self,
        path: &str,
        query: &str,
        headers: &HeaderMap,
    ) -> Result<(Response, Option<String>), Refusal> {
        let missing = || Refusal(StatusCode::NOT_FOUND);
        let kind = match path {
            "timeline.mpd" => Some(mpd::Kind::Timeline),
            "number.mpd" => Some(mpd::Kind::Number),
            "patch.mpd" => Some(mpd::Kind::Patch),
            _ => None,
        };
        if let Some(kind) = kind {
            let text = self.presentation().mpd(kind);
            return Ok(typed(text, "application/dash+xml", headers));
        }
        if path == "patch.mpp" {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let known = pairs.find(|(name, _)| *name == "known").map(|(_, value)| value);
            let known: u64 = known.and_then(|known| known.parse().ok()).ok_or_else(missing)?;
            if !self.presentation().can_patch(known) {
                return Err(missing());
            }
            // Held until there is something new.
            for (_, rendition) in &self.renditions {
                self.wait_for(rendition, (known + 1) * PARTS_PER_SEGMENT - 1).await;
            }
            let text = self.presentation().patch(known);
            return Ok(typed(text, "application/dash-patch+xml", headers));
        }
        let (name, file) = path.split_once('/').ok_or_else(missing)?;
        let rendition = self.rendition(name).ok_or_else(missing)?;
        if file == "init.mp4" {
            return Ok(media(rendition.init.clone()));
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| missing());
        let file = file.strip_suffix(".m4s").ok_or_else(missing)?;
        let segment = match (file.strip_prefix('t'), file.strip_prefix('n')) {
            (Some(ticks), _) => mpd::segment_at(rendition, number(ticks)?).ok_or_else(missing)?,
            (None, Some(segment)) => number(segment)?,
            (None, None) => return Err(missing()),
        };
        // A clock that is a little fast asks a little early.
        if segment > (self.count(rendition) + 1) / PARTS_PER_SEGMENT {
            return Err(missing());
        }
        let indices = segment * PARTS_PER_SEGMENT..(segment + 1) * PARTS_PER_SEGMENT;
        self.wait_for(rendition, indices.end - 1).await;
        Ok(media(indices.flat_map(|index| rendition.bytes(index)).collect()))
    }

    fn presentation(&self) -> mpd::Presentation<'_> {
        let counts = self.renditions.iter().map(|(_, fragments)| self.count(fragments));
        let segments = counts.min().unwrap_or_default() / PARTS_PER_SEGMENT;
        mpd::Presentation { renditions: &self.renditions, segments, epoch: self.epoch }
    }

    async fn low_latency(
        &self,
        name: &str,
        rendition: &Fragments,
        query: &str,
    ) -> Result<String, Refusal> {
        let bad = || Refusal(StatusCode::BAD_REQUEST);
        let directive = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let number = |wanted: &str| {
            directive(wanted).map(|value| value.parse::<u64>().map_err(|_| bad())).transpose()
        };
        let last = match (number("_HLS_msn")?, number("_HLS_part")?) {
            (None, None) => 0,
            (None, Some(_)) => return Err(bad()),
            (Some(msn), part) => {
                let (current, _) = place_of(self.count(rendition).saturating_sub(1));
                if msn > current + MAX_SEGMENTS_AHEAD {
                    return Err(bad());
                }
                // A part after the last one of a segment is the next segment's first.
                let part = part.unwrap_or(PARTS_PER_SEGMENT - 1).min(PARTS_PER_SEGMENT);
                msn * PARTS_PER_SEGMENT + part
            }
        };
        self.wait_for(rendition, last).await;
        let others = self.renditions.iter().filter(|(other, _)| *other != name);
        let reports: Vec<_> = others
            .map(|(other, fragments)| Report {
                uri: format!("../{other}/index.m3u8"),
                count: self.count(fragments),
            })
            .collect();
        let skip = matches!(directive("_HLS_skip"), Some("YES" | "v2"));
        Ok(self.snapshot(rendition).low_latency(&reports, skip))
    }

    fn rendition(&self, name: &str) -> Option<&Fragments> {
        self.renditions.iter().find(|(known, _)| *known == name).map(|(_, fragments)| fragments)
    }

    fn snapshot<'a>(&self, fragments: &'a Fragments) -> Snapshot<'a> {
        Snapshot { fragments, count: self.count(fragments), epoch: self.epoch }
    }

    fn count(&self, fragments: &Fragments) -> u64 {
        fragments.ended_at(self.history + self.started.elapsed())
    }

    fn there_at(&self, fragments: &Fragments, index: u64) -> Duration {
        fragments.start(index + 1).saturating_sub(self.history)
    }

    async fn wait_for(&self, fragments: &Fragments, index: u64) {
        let there = self.started + self.there_at(fragments, index);
        tokio::time::sleep_until(there.into()).await;
    }
}

/// A playlist, or 304 for a client that has it.
fn tagged(text: String, headers: &HeaderMap) -> (Response, Option<String>) {
    typed(text, "application/vnd.apple.mpegurl", headers)
}

fn typed(text: String, content_type: &str, headers: &HeaderMap) -> (Response, Option<String>) {
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&text, &mut hash);
    let etag = format!("\"{:016x}\"", std::hash::Hasher::finish(&hash));
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *etag);
    let described = [
        (header::ETAG, etag),
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if is_known {
        return ((StatusCode::NOT_MODIFIED, described).into_response(), None);
    }
    ((described, text.clone()).into_response(), Some(text))
}

fn media(bytes: Vec<u8>) -> (Response, Option<String>) {
    (([(header::CONTENT_TYPE, "video/mp4")], bytes).into_response(), None)
}
