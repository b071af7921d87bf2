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
    for number in 1..=12 {
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

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok());
    text.push('\n');
}
