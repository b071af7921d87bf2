//! Content types by file name, set by the gateway itself since origins often send none or a wrong
//! one.

use axum::http::HeaderValue;
use sluicegate_manifest::Format;

/// The content type of an HLS playlist (RFC 8216bis section 4).
pub(crate) const HLS: &str = "application/vnd.apple.mpegurl";

/// The content type of an MPD (ISO/IEC 23009-1 annex C).
const DASH: &str = "application/dash+xml";

/// The content type of a patch of an MPD (the same, annex C).
const DASH_PATCH: &str = "application/dash-patch+xml";

/// The content type of XML (RFC 7303).
const XML: &str = "application/xml";

/// The content type of JSON (RFC 8259 section 11).
const JSON: &str = "application/json";

/// The content type of WebVTT (W3C WebVTT section 9).
const VTT: &str = "text/vtt; charset=utf-8";

/// Whether a name promises a manifest.
pub(crate) fn names_a_manifest(path: &str) -> bool {
    matches!(extension(path).as_deref(), Some("m3u8" | "m3u" | "mpd"))
}

/// Whether no other manifest's name is this one with something more, or less, at its end.
pub(crate) fn ends_like_no_shorter_name(path: &str) -> bool {
    matches!(extension(path).as_deref(), Some("m3u8" | "mpd"))
}

/// Whether a name promises an MPD.
pub(crate) fn names_an_mpd(path: &str) -> bool {
    extension(path).as_deref() == Some("mpd")
}

/// Whether a name is that of a file of media, or of a key, which is no document for sure. Other names
/// with a known type are not: `.php` and `.mpp` may well be manifests.
#[must_use]
pub fn names_a_media_file(path: &str) -> bool {
    let is_media = |content_type: &str| {
        let kind = content_type.split('/').next().unwrap_or_default();
        // `.m4u` is a playlist of video.
        matches!(kind, "audio" | "video" | "image") && !content_type.ends_with("mpegurl")
    };
    matches!(extension(path).as_deref(), Some("key" | "bin")) || by_name(path).is_some_and(is_media)
}

/// Whether a name is that of media or of subtitles, in which nothing leads to another file.
pub(crate) fn names_media(path: &str) -> bool {
    let is_segment = |extension: String| SEGMENTS.contains(&extension.as_str());
    names_a_media_file(path) || extension(path).is_some_and(is_segment)
}

/// Whether a name is that of a key of encrypted segments, as most packagers choose it.
pub(crate) fn names_a_key(path: &str) -> bool {
    extension(path).as_deref() == Some("key")
}

/// Whether a browser plays a body of this type and never shows it as a document.
pub(crate) fn is_played(content_type: &HeaderValue) -> bool {
    let kind = content_type.as_bytes();
    [&b"audio/"[..], b"video/"].iter().any(|played| {
        kind.get(..played.len()).is_some_and(|start| start.eq_ignore_ascii_case(played))
    })
}

/// Extensions of the names that packagers give to segments.
pub(crate) const SEGMENTS: &[&str] =
    &["ts", "m4s", "mp4", "m4v", "m4a", "m4f", "cmfv", "cmfa", "cmft", "aac", "mp3", "webm", "vtt"];

/// Whether a content type promises a manifest.
pub(crate) fn is_manifest(content_type: &str) -> bool {
    matches!(
        essence(content_type).as_str(),
        HLS | "application/x-mpegurl"
            | "audio/mpegurl"
            | "audio/x-mpegurl"
            | "application/mpegurl"
            | "video/vnd.mpeg.dash.mpd"
            | DASH
            | DASH_PATCH
    )
}

/// Whether a name or a content type is that of documents of which some must be rewritten.
pub(crate) fn may_be_document(path: &str, content_type: Option<&str>) -> bool {
    matches!(extension(path).as_deref(), Some("json" | "vtt" | "webvtt" | "xml"))
        || content_type.is_some_and(|content_type| {
            is_json(content_type) || is_vtt(content_type) || is_xml(content_type)
        })
}

/// The content type of a rewritten document: the origin's own where it fits what the document is.
pub(crate) fn of_document(format: Format, origins: Option<&HeaderValue>) -> HeaderValue {
    let (fits, own): (fn(&str) -> bool, _) = match format {
        Format::AssetList | Format::Steering => (is_json, JSON),
        Format::WebVtt => (is_vtt, VTT),
        Format::Dash => return HeaderValue::from_static(DASH),
        Format::DashPatch => return HeaderValue::from_static(DASH_PATCH),
        Format::DashElement => (is_xml, XML),
        _ => return HeaderValue::from_static(HLS),
    };
    let origins = origins.filter(|value| value.to_str().is_ok_and(fits));
    origins.cloned().unwrap_or(HeaderValue::from_static(own))
}

fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    matches!(essence.as_str(), JSON | "text/json") || essence.ends_with("+json")
}

fn is_xml(content_type: &str) -> bool {
    let essence = essence(content_type);
    matches!(essence.as_str(), XML | "text/xml") || essence.ends_with("+xml")
}

fn is_vtt(content_type: &str) -> bool {
    essence(content_type) == "text/vtt"
}

/// A content type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The type that a media file's name stands for, if it is one that players care about.
#[must_use]
pub fn by_name(path: &str) -> Option<&'static str> {
    Some(match extension(path)?.as_str() {
        "m3u8" | "m3u" => HLS,
        "mpd" => DASH,
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "mp4" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "aac" => "audio/aac",
        "vtt" | "webvtt" => VTT,
        "key" | "bin" => "application/octet-stream",
        other => mime_guess::from_ext(other).first_raw()?,
    })
}

fn extension(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_types() {
        assert_eq!(by_name("/a/seg-1.TS"), Some("video/mp2t"));
        assert_eq!(by_name("/a/key.bin"), Some("application/octet-stream"));
        assert_eq!(by_name("/a/poster.jpg"), Some("image/jpeg"));
        assert_eq!(by_name("/a.b/segment"), None);
        assert!(names_a_manifest("/x/Master.M3U8") && !names_a_manifest("/x.m3u8/seg"));
        assert!(is_manifest("Application/X-mpegURL; charset=utf-8") && !is_manifest("video/mp2t"));
    }

    #[test]
    fn names_of_media_files_are_never_those_of_documents() {
        for name in
            ["a.ts", "a.M4S", "a.mp4", "a.cmfa", "a.aac", "a.webm", "a.jpg", "a.key", "a.bin"]
        {
            assert!(names_a_media_file(name), "{name}");
        }
        for name in [
            "a", "a.m3u8", "a.m3u", "a.m4u", "a.mpd", "a.mpp", "a.php", "a.txt", "a.xml", "a.json",
            "a.vtt", "a.dat", "a.mp4/b", ".ts", "",
        ] {
            assert!(!names_a_media_file(name), "{name}");
        }
    }

    #[test]
    fn a_document_keeps_the_origins_type_if_it_fits() {
        for (format, origins, expected) in [
            (Format::Hls, Some("audio/mpegurl"), HLS),
            (Format::AssetList, Some("application/vnd.x+JSON; a=b"), "application/vnd.x+JSON; a=b"),
            (Format::Steering, Some("text/plain"), JSON),
            (Format::Steering, None, JSON),
            (Format::Dash, Some("text/xml"), DASH),
            (Format::DashPatch, None, DASH_PATCH),
            (Format::DashElement, Some("text/xml"), "text/xml"),
            (Format::WebVtt, Some("text/vtt"), "text/vtt"),
            (Format::WebVtt, Some("application/json"), VTT),
        ] {
            let origins = origins.map(HeaderValue::from_static);
            assert_eq!(of_document(format, origins.as_ref()), expected, "{format:?}");
        }
        assert!(may_be_document("/a.VTT", None) && may_be_document("/a", Some("text/json")));
        assert!(!may_be_document("/a.ts", Some("video/mp2t")));
    }
}
