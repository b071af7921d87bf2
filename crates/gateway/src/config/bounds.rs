//! Limits, timeouts and the rules of sessions.

use std::num::NonZeroU32;
use std::time::Duration;

use super::values::wrong;
use super::{ConfigError, Limits, Timeouts, raw};
use crate::in_flight::InFlightLimits;
use crate::rates::RateLimits;
use crate::{ConnectionLimits, SessionRules};

/// A longer time has no end for anybody, and moments that far away cannot be calculated with.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn connections(
    raw: &raw::Limits,
    stop: &raw::Stop,
) -> Result<ConnectionLimits, ConfigError> {
    let default = ConnectionLimits::default();
    // Less than this hyper takes for no bound that can be held.
    const SMALLEST_HEADER_BYTES: usize = 8 << 10;
    let max_header_bytes = raw.max_header_bytes.unwrap_or(default.max_header_bytes);
    if max_header_bytes < SMALLEST_HEADER_BYTES {
        let problem = format!("it must be {SMALLEST_HEADER_BYTES} or more");
        return Err(wrong("limits.max_header_bytes", problem));
    }
    for (name, value) in [
        ("connections", raw.connections.map(|count| count as u64)),
        ("first_request_secs", raw.first_request_secs),
        ("idle_secs", raw.idle_secs),
        ("stall_secs", raw.stall_secs),
        ("max_concurrent_streams", raw.max_concurrent_streams.map(u64::from)),
    ] {
        if value == Some(0) {
            return Err(wrong(format!("limits.{name}"), "it must be 1 or more"));
        }
    }
    Ok(ConnectionLimits {
        connections: raw.connections.unwrap_or(default.connections),
        first_request: secs(raw.first_request_secs, default.first_request),
        idle: secs(raw.idle_secs, default.idle),
        stall: secs(raw.stall_secs, default.stall),
        max_header_bytes,
        max_concurrent_streams: raw
            .max_concurrent_streams
            .unwrap_or(default.max_concurrent_streams),
        notice: secs(stop.notice_secs, default.notice),
        drain: secs(stop.drain_secs, default.drain),
    })
}

pub(super) fn rates(raw: &raw::Limits) -> Result<RateLimits, ConfigError> {
    let rate = |value: Option<u32>, name: &str| {
        let none = || wrong(format!("limits.{name}"), "it must be 1 or more");
        value.map(|rate| NonZeroU32::new(rate).ok_or_else(none)).transpose()
    };
    Ok(RateLimits {
        entries_per_sec: rate(raw.entries_per_sec, "entries_per_sec")?,
        refusals_per_sec: rate(raw.refusals_per_sec, "refusals_per_sec")?,
    })
}

pub(super) fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    for (name, value) in [
        ("max_path_bytes", raw.max_path_bytes),
        ("max_manifest_bytes", raw.max_manifest_bytes),
        ("max_line_bytes", raw.max_line_bytes),
        ("max_lines", raw.max_lines),
        ("max_uris", raw.max_uris),
        ("max_uri_bytes", raw.max_uri_bytes),
        ("origin_requests", raw.origin_requests),
        ("origin_bodies", raw.origin_bodies),
        ("manifest_threads", raw.manifest_threads),
        ("manifest_buffer_bytes", raw.manifest_buffer_bytes),
        ("json_bytes", raw.json_bytes),
        ("all_json_bytes", raw.all_json_bytes),
    ] {
        if value == Some(0) {
            return Err(wrong(format!("limits.{name}"), "it must be 1 or more"));
        }
    }
    if raw.gzip_level.is_some_and(|level| level > 9) {
        return Err(wrong("limits.gzip_level", "it is a number from 0 to 9"));
    }
    let origin_requests = raw.origin_requests.unwrap_or(default.origin_requests);
    if raw.origin_document_requests.is_some_and(|documents| documents >= origin_requests) {
        let message = format!("it must be less than origin_requests = {origin_requests}");
        return Err(wrong("limits.origin_document_requests", message));
    }
    Ok(Limits {
        max_path_bytes: raw.max_path_bytes.unwrap_or(default.max_path_bytes),
        manifest: sluicegate_manifest::Limits {
            max_bytes: raw.max_manifest_bytes.unwrap_or(default.manifest.max_bytes),
            max_line_bytes: raw.max_line_bytes.unwrap_or(default.manifest.max_line_bytes),
            max_lines: raw.max_lines.unwrap_or(default.manifest.max_lines),
            max_uris: raw.max_uris.unwrap_or(default.manifest.max_uris),
            max_uri_bytes: raw.max_uri_bytes.unwrap_or(default.manifest.max_uri_bytes),
            max_steps: raw.max_steps.unwrap_or(default.manifest.max_steps),
            steps_per_byte: raw.steps_per_byte.unwrap_or(default.manifest.steps_per_byte),
            max_result_bytes: raw.max_result_bytes.unwrap_or(default.manifest.max_result_bytes),
            result_bytes_per_byte: raw
                .result_bytes_per_byte
                .unwrap_or(default.manifest.result_bytes_per_byte),
            max_expanded_bytes: raw
                .max_expanded_bytes
                .unwrap_or(default.manifest.max_expanded_bytes),
            max_expanded_segments: raw
                .max_expanded_segments
                .unwrap_or(default.manifest.max_expanded_segments),
        },
        cache_bytes: raw.cache_bytes.unwrap_or(default.cache_bytes),
        plan_bytes: raw.plan_bytes.unwrap_or(default.plan_bytes),
        inline_manifest_bytes: raw.inline_manifest_bytes.unwrap_or(default.inline_manifest_bytes),
        manifest_threads: raw.manifest_threads.unwrap_or(default.manifest_threads),
        manifest_queue: raw.manifest_queue.unwrap_or(default.manifest_queue),
        manifest_wait: secs(raw.manifest_wait_secs, default.manifest_wait),
        manifest_buffer_bytes: raw.manifest_buffer_bytes.unwrap_or(default.manifest_buffer_bytes),
        json_bytes: raw.json_bytes.unwrap_or(default.json_bytes),
        all_json_bytes: raw.all_json_bytes.unwrap_or(default.all_json_bytes),
        heuristic_for: secs(raw.heuristic_secs, default.heuristic_for),
        stale_for: secs(raw.stale_secs, default.stale_for),
        while_revalidate: secs(raw.revalidate_secs, default.while_revalidate),
        missing_for: secs(raw.missing_secs, default.missing_for),
        missing_segment_for: raw
            .missing_segment_ms
            .map_or(default.missing_segment_for, |ms| Duration::from_millis(ms).min(LONGEST)),
        origin_requests,
        origin_document_requests: raw.origin_document_requests.unwrap_or(origin_requests / 8),
        origin_bodies: raw.origin_bodies.unwrap_or(default.origin_bodies),
        min_body_bytes_per_sec: raw
            .min_body_bytes_per_sec
            .unwrap_or(default.min_body_bytes_per_sec),
        in_flight: InFlightLimits {
            session_requests: raw.session_requests.unwrap_or(default.in_flight.session_requests),
            session_bodies: raw.session_bodies.unwrap_or(default.in_flight.session_bodies),
            address_requests: raw.address_requests.unwrap_or(default.in_flight.address_requests),
            address_bodies: raw.address_bodies.unwrap_or(default.in_flight.address_bodies),
        },
        gzip_level: raw.gzip_level.unwrap_or(default.gzip_level),
    })
}

pub(super) fn timeouts(raw: &raw::Timeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: secs(raw.connect_secs, default.connect),
        first_byte: secs(raw.first_byte_secs, default.first_byte),
        idle: secs(raw.idle_secs, default.idle),
        retries: raw.retries.unwrap_or(default.retries),
    }
}

fn secs(given: Option<u64>, default: Duration) -> Duration {
    given.map_or(default, |secs| Duration::from_secs(secs).min(LONGEST))
}

pub(super) fn rules(raw: &raw::Session) -> Result<SessionRules, ConfigError> {
    let default = SessionRules::default();
    let at_least_one = |value: Option<u64>, name: &str| match value {
        Some(0) => Err(wrong(format!("session.{name}"), "it must be 1 or more")),
        value => Ok(value),
    };
    let count = |value: Option<u32>, name: &str| {
        at_least_one(value.map(u64::from), name)?;
        Ok::<_, ConfigError>(value)
    };
    Ok(SessionRules {
        idle_secs: at_least_one(raw.idle_secs, "idle_secs")?,
        stream_secs: at_least_one(raw.stream_secs, "stream_secs")?.unwrap_or(default.stream_secs),
        max_streams: count(raw.max_streams, "max_streams")?,
        max_streams_per_user: count(raw.max_streams_per_user, "max_streams_per_user")?,
    })
}
