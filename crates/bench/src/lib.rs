//! Inputs of the benchmarks, generated so that their sizes are known.

use std::fmt::Write as _;

/// A media playlist of `segments` fMP4 segments with an init section and a key.
#[must_use]
pub fn media_playlist(segments: usize) -> String {
    let mut text = String::from(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"keys/key-0001.bin\",IV=0x00000000000000000000000000000001\n\
         #EXT-X-MAP:URI=\"init.mp4\"\n",
    );
    for number in 0..segments {
        line(&mut text, format_args!("#EXTINF:6.00000,\nsegment-1080p-{number:08}.m4s"));
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// A multivariant playlist of 12 variants, 8 renditions and 6 I-frame playlists.
#[must_use]
pub fn multivariant_playlist() -> String {
    let mut text = variants_playlist(12);
    for number in 1..=6 {
        line(
            &mut text,
            format_args!(
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={number}0000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,\
                 URI=\"video/{number}/iframes.m3u8\""
            ),
        );
    }
    text
}

/// A multivariant playlist of so many variants, and 8 renditions.
#[must_use]
pub fn variants_playlist(variants: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for number in 0..8 {
        line(
            &mut text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a{}\",NAME=\"Language {number}\",LANGUAGE=\"l{number}\",\
                 DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/{number}/index.m3u8\"",
                number % 2
            ),
        );
    }
    for number in 1..=variants {
        line(
            &mut text,
            format_args!(
                "#EXT-X-STREAM-INF:BANDWIDTH={0}00000,AVERAGE-BANDWIDTH={0}00000,CODECS=\"avc1.64001f,mp4a.40.2\",\
                 RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"a{1}\"\nvideo/{0}/index.m3u8",
                number,
                number % 2
            ),
        );
    }
    text
}

/// A low-latency playlist of 40 segments and 200 parts.
#[must_use]
pub fn low_latency_playlist() -> String {
    let mut text = String::from(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.80000\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=2.40000\n#EXT-X-MEDIA-SEQUENCE:1000\n\
         #EXT-X-MAP:URI=\"init.mp4\"\n",
    );
    for segment in 1000..1040 {
        for part in 0..5 {
            line(
                &mut text,
                format_args!(
                    "#EXT-X-PART:DURATION=0.80000,URI=\"segment-{segment}.{part}.m4s\",INDEPENDENT=YES"
                ),
            );
        }
        line(&mut text, format_args!("#EXTINF:4.00000,\nsegment-{segment}.m4s"));
    }
    text.push_str(
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"segment-1040.0.m4s\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"../audio/index.m3u8\",LAST-MSN=1039,LAST-PART=4\n",
    );
    text
}

/// An MPD of four video and two audio Representations in folders of their own, with a
/// SegmentTimeline of `runs` entries for either.
#[must_use]
pub fn timeline_mpd(runs: usize) -> String {
    let mut text = mpd_start();
    for (kind, count, timescale) in [("video", 4, 90_000_u64), ("audio", 2, 48_000)] {
        line(
            &mut text,
            format_args!(
                "    <AdaptationSet contentType=\"{kind}\" mimeType=\"{kind}/mp4\" segmentAlignment=\"true\" \
                 startWithSAP=\"1\">\n      <SegmentTemplate timescale=\"{timescale}\" \
                 initialization=\"$RepresentationID$/init.mp4\" \
                 media=\"$RepresentationID$/segment-$Time$.m4s\">\n        <SegmentTimeline>"
            ),
        );
        let mut time = 0;
        for run in 0..runs as u64 {
            let duration = 4 * timescale + run % 3;
            line(&mut text, format_args!("          <S t=\"{time}\" d=\"{duration}\" r=\"2\"/>"));
            time += 3 * duration;
        }
        text.push_str("        </SegmentTimeline>\n      </SegmentTemplate>\n");
        for number in 1..=count {
            line(
                &mut text,
                format_args!(
                    "      <Representation id=\"{kind}-{number}\" bandwidth=\"{number}00000\" \
                     codecs=\"avc1.64001f\"/>"
                ),
            );
        }
        text.push_str("    </AdaptationSet>\n");
    }
    text + "  </Period>\n</MPD>\n"
}

/// An MPD of one Representation that names each of its `segments`.
#[must_use]
pub fn list_mpd(segments: usize) -> String {
    let mut text = mpd_start();
    text.push_str(
        "    <AdaptationSet mimeType=\"video/mp4\">\n      <Representation id=\"v\" \
         bandwidth=\"800000\" codecs=\"avc1.64001f\">\n        <SegmentList timescale=\"1000\" \
         duration=\"4000\">\n          <Initialization sourceURL=\"video/init.mp4\"/>\n",
    );
    for number in 0..segments {
        line(
            &mut text,
            format_args!("          <SegmentURL media=\"video/segment-1080p-{number:08}.m4s\"/>"),
        );
    }
    text + "        </SegmentList>\n      </Representation>\n    </AdaptationSet>\n  </Period>\n</MPD>\n"
}

fn mpd_start() -> String {
    String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT8H\" minBufferTime=\"PT4S\">\n  <Period id=\"1\" start=\"PT0S\">\n",
    )
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok());
    text.push('\n');
}
