//! The trace that a request belongs to (W3C Trace Context): what came with it goes on to origins,
//! with the request's id as the parent.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    /// The request.
    span: u64,
    /// What it came from.
    parent: Option<u64>,
    /// Whether somebody records it.
    flags: u8,
}

/// What a request is called: hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 16]);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Of the flags: it is recorded.
const SAMPLED: u8 = 1;

/// Something that was done for a trace.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace.
    pub trace_id: u128,
    /// This span of it.
    pub id: u64,
    /// The span that it was done for.
    pub parent: Option<u64>,
    /// What it is.
    pub kind: SpanKind,
    /// The method, and the route or the origin.
    pub name: String,
    /// When it began.
    pub began: SystemTime,
    /// How long it took, to the head of the answer.
    pub took: Duration,
    /// By OpenTelemetry's names. No token, no query.
    pub attributes: Vec<(&'static str, String)>,
    /// Whether it failed for a fault of the gateway's or an origin's.
    pub has_failed: bool,
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A request that was answered.
    Server,
    /// A request to an origin.
    Client,
}

/// Takes what was done for traces.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Whether a trace is recorded. `asked` is what came with its request, if anything did.
    fn wants(&self, trace_id: u128, asked: Option<bool>) -> bool;

    /// Takes a span, without waiting.
    fn record(&self, span: Span);
}

static RECORDER: OnceLock<Box<dyn Recorder>> = OnceLock::new();

/// Records the traces of this process from now on. Only the first recorder counts.
pub fn record_traces(recorder: Box<dyn Recorder>) {
    let _ = RECORDER.set(recorder);
}

/// A request to an origin, as a part of the trace of the request that is served.
#[derive(Debug)]
pub(crate) struct Outgoing {
    trace: Trace,
    began: SystemTime,
}

task_local! {
    static CURRENT: Trace;
}

impl Trace {
    /// Goes on with the trace that a request came with, if that is well-formed, or else begins one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(parse);
        let (id, parent, flags) = match sent {
            Some((id, parent, flags)) => (id, Some(parent), flags),
            // Nobody asked for a record of a new one.
            None => ((u128::from(unique()) << 64) | u128::from(unique()), None, 0),
        };
        let flags = match RECORDER.get() {
            None => flags,
            Some(recorder) => {
                let is_wanted = recorder.wants(id, sent.map(|_| flags & SAMPLED != 0));
                (flags & !SAMPLED) | u8::from(is_wanted)
            }
        };
        Self { id, span: unique(), parent, flags }
    }

    /// Records what was done, if this trace is recorded.
    pub(crate) fn record(&self, fill: impl FnOnce() -> Span) {
        if let Some(recorder) = RECORDER.get().filter(|_| self.flags & SAMPLED != 0) {
            recorder.record(Span {
                trace_id: self.id,
                id: self.span,
                parent: self.parent,
                ..fill()
            });
        }
    }

    /// The request's id: 16 of them.
    pub(crate) fn request_id(&self) -> RequestId {
        let mut digits = [0; 16];
        for (at, digit) in digits.iter_mut().enumerate() {
            let value = self.span >> (60 - 4 * at) & 15;
            *digit = b"0123456789abcdef"[value as usize];
        }
        RequestId(digits)
    }

    /// Runs what is done for the request.
    pub(crate) fn within<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }
}

/// The trace's id: 32 hexadecimal digits.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.id)
    }
}

/// The trace of the request that is served.
pub(crate) fn current() -> Option<Trace> {
    CURRENT.try_with(|trace| *trace).ok()
}

impl Outgoing {
    /// Begins a request to an origin, if it is for one that is served. Where nothing is recorded the
    /// request that is served is the parent itself.
    pub(crate) fn begin() -> Option<Self> {
        let mut trace = current()?;
        if RECORDER.get().is_some() && trace.flags & SAMPLED != 0 {
            trace = Trace { parent: Some(trace.span), span: unique(), ..trace };
        }
        Some(Self { trace, began: SystemTime::now() })
    }

    /// What the origin is told.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let Trace { id, span, flags, .. } = self.trace;
        HeaderValue::from_str(&format!("00-{id:032x}-{span:016x}-{flags:02x}")).ok()
    }

    /// It was answered with this status, or not at all.
    pub(crate) fn end(&self, host: &str, status: Option<u16>) {
        self.trace.record(|| {
            let mut attributes = vec![
                ("http.request.method", "GET".to_owned()),
                ("server.address", host.to_owned()),
            ];
            attributes
                .extend(status.map(|status| ("http.response.status_code", status.to_string())));
            Span {
                kind: SpanKind::Client,
                name: format!("GET {host}"),
                began: self.began,
                took: self.began.elapsed().unwrap_or_default(),
                attributes,
                has_failed: status.is_none_or(|status| status >= 500),
                ..Span::default()
            }
        });
    }
}

/// What [`Trace::record`] fills in.
impl Default for Span {
    fn default() -> Self {
        Self {
            trace_id: 0,
            id: 0,
            parent: None,
            kind: SpanKind::Server,
            name: String::new(),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            attributes: Vec::new(),
            has_failed: false,
        }
    }
}

/// The trace's id, the parent's and the flags. Later versions may add fields behind those of this one.
fn parse(text: &str) -> Option<(u128, u64, u8)> {
    let is_hex = |field: &str, len: usize| {
        field.len() == len && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut fields = text.split('-');
    let (version, id) = (fields.next()?, fields.next()?);
    let (parent, flags) = (fields.next()?, fields.next()?);
    let is_whole = version != "00" || fields.next().is_none();
    let is_named = |field: &str| field.bytes().any(|byte| byte != b'0');
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(id, 32)
        && is_named(id)
        && is_hex(parent, 16)
        && is_named(parent)
        && is_hex(flags, 2);
    let read = || {
        let id = u128::from_str_radix(id, 16).ok()?;
        Some((id, u64::from_str_radix(parent, 16).ok()?, u8::from_str_radix(flags, 16).ok()?))
    };
    if is_valid && is_whole { read() } else { None }
}

/// A number that nothing else has: a count that begins at random, its bits mixed (SplitMix64). It
/// names things and keeps no secret.
fn unique() -> u64 {
    static COUNT: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut seed = [0; 8];
        // Without a random source numbers are unique to this process alone.
        let filled = getrandom::fill(&mut seed);
        debug_assert!(filled.is_ok());
        AtomicU64::new(u64::from_be_bytes(seed))
    });
    let mut bits = COUNT.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn trace(traceparent: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
        Trace::of(&headers)
    }

    #[tokio::test]
    async fn a_trace_goes_on_with_the_request_as_parent() {
        let sent = trace(&format!("00-{ID}-00f067aa0ba902b7-01"));
        let told = sent.within(async { Outgoing::begin().unwrap().header().unwrap() }).await;
        assert_eq!(told, format!("00-{ID}-{}-01", sent.request_id().as_str()));
        assert!(Outgoing::begin().is_none());
    }

    #[test]
    fn what_is_malformed_begins_a_new_trace() {
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            &format!("00-{ID}-00f067aa0ba902b7"),
            &format!("00-{ID}-00f067aa0ba902b7-01-x"),
            &format!("ff-{ID}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{ID}-0000000000000000-01"),
        ] {
            let new = trace(bad);
            assert_ne!(new.to_string(), ID, "{bad}");
            assert_eq!((new.to_string().len(), new.flags), (32, 0), "{bad}");
        }
        assert_eq!(trace(&format!("01-{ID}-00f067aa0ba902b7-01-later")).to_string(), ID);
    }
}
