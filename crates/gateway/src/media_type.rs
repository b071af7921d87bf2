//! Content types by file name, set by the gateway itself since origins often send none or a wrong
//! one.

/// The content type of an HLS playlist (RFC 8216bis section 4).
pub(crate) const HLS: &str = "application/vnd.apple.mpegurl";

/// Whether a name promises a manifest.
pub(crate) fn names_a_manifest(path: &str) -> bool {
    matches!(extension(path).as_deref(), Some("m3u8" | "m3u" | "mpd"))
}

/// Whether a content type promises a manifest.
pub(crate) fn is_manifest(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(
        essence.as_str(),
        HLS | "application/x-mpegurl"
            | "audio/mpegurl"
            | "audio/x-mpegurl"
            | "application/mpegurl"
            | "application/dash+xml"
    )
}

/// The type that a media file's name stands for, if it is one that players care about.
pub(crate) fn by_name(path: &str) -> Option<&'static str> {
    Some(match extension(path)?.as_str() {
        "m3u8" | "m3u" => HLS,
        "mpd" => "application/dash+xml",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "mp4" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "aac" => "audio/aac",
        "vtt" | "webvtt" => "text/vtt; charset=utf-8",
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
}
