//! Common Media Client Data (CTA-5004): what players tell of themselves with a request.

use std::time::Duration;

use axum::http::HeaderMap;
use percent_encoding::percent_decode;
use sluicegate_token::query;

/// Where it stands in a query.
const PARAMETER: &str = "CMCD";
/// Or in headers.
const HEADERS: [&str; 4] = ["cmcd-request", "cmcd-object", "cmcd-status", "cmcd-session"];

/// How the names of all of them begin.
const HEADERS_START: &str = "cmcd-";

/// What is counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cmcd {
    /// `bs`: the player had nothing to play since its last request.
    pub(crate) has_run_out: bool,
    /// `br`: of what it asks for.
    pub(crate) bitrate_kbps: Option<u32>,
    /// `bl`: what it has in store.
    pub(crate) buffer: Option<Duration>,
}

impl Cmcd {
    /// What a request tells, if anything.
    pub(crate) fn of(query: Option<&str>, headers: &HeaderMap) -> Option<Self> {
        let mut told = None;
        if let Some(query) = query
            && let Some(value) = query::first(query.as_bytes(), PARAMETER)
        {
            let text: Vec<u8> = percent_decode(value).collect();
            told.get_or_insert_with(Self::default).read(&String::from_utf8_lossy(&text));
        }
        // Most players tell nothing so: one look at all names is less than four for each of these.
        if !headers.keys().any(|name| name.as_str().starts_with(HEADERS_START)) {
            return told;
        }
        for name in HEADERS {
            if let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) {
                told.get_or_insert_with(Self::default).read(text);
            }
        }
        told
    }

    fn read(&mut self, text: &str) {
        for pair in pairs(text) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key.trim() {
                // A key alone is true.
                "bs" => self.has_run_out = !value.eq_ignore_ascii_case("false"),
                "br" => self.bitrate_kbps = value.parse().ok(),
                "bl" => self.buffer = value.parse().ok().map(Duration::from_millis),
                _ => {}
            }
        }
    }
}

/// What commas outside of quotes divide.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |letter: char| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_players_tell_is_read_from_queries_and_headers() {
        let none = HeaderMap::new();
        assert_eq!(Cmcd::of(Some("x=1"), &none), None);
        let query = "x=1&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Csid%3D%22a%2Cbr%3D7%22%2Cv%3D1";
        let told = Cmcd {
            has_run_out: true,
            bitrate_kbps: Some(3200),
            buffer: Some(Duration::from_millis(21_300)),
        };
        assert_eq!(Cmcd::of(Some(query), &none), Some(told));
        let mut headers = HeaderMap::new();
        headers.insert("cmcd-object", HeaderValue::from_static("br=3200,d=4004,ot=v"));
        headers.insert("cmcd-request", HeaderValue::from_static("bl=21300,su"));
        headers.insert("cmcd-status", HeaderValue::from_static("bs"));
        assert_eq!(Cmcd::of(None, &headers), Some(told));
        let odd = Cmcd::of(Some("CMCD=br%3D(1%202)%2Cbl%3D-1"), &none);
        assert_eq!(odd, Some(Cmcd::default()));
    }
}
