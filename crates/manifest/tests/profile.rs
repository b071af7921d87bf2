//! What profiles leave out: whole variants and Representations, and nothing else.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use sluicegate_manifest::{Options, Profile, RenderError, Template};

fn within(source: &str, profile: &Profile) -> Result<String, RenderError> {
    let template = Template::compile(source.to_owned().into(), &Options::default()).unwrap();
    let pieces = template.excess(profile)?;
    let left = template.without(&pieces, &Options::default()).unwrap();
    // What is left and what was left out are the source.
    let mut whole = Vec::new();
    let mut rest = left.source().to_vec();
    let mut at = 0;
    for piece in &pieces {
        whole.extend(rest.drain(..piece.start - at));
        whole.extend_from_slice(&source.as_bytes()[piece.clone()]);
        at = piece.end;
    }
    whole.extend(rest);
    assert_eq!(whole, source.as_bytes());
    Ok(String::from_utf8(left.source().to_vec()).unwrap())
}

fn profile(max_height: impl Into<Option<u32>>, max_bitrate: impl Into<Option<u64>>) -> Profile {
    Profile { max_height: max_height.into(), max_bitrate: max_bitrate.into() }
}

const MULTIVARIANT: &str = "#EXTM3U\r\n# a comment\r\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"audio.m3u8\"\r\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,AUDIO=\"a\"\r\n360.m3u8\r\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2800000,RESOLUTION=1280x720\r\n\r\n# between\r\n720.m3u8\r\n\
    #EXT-X-STREAM-INF:BANDWIDTH=64000\r\nsound.m3u8\r\n\
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,RESOLUTION=1280x720,URI=\"i.m3u8\"\r\n\
    #EXT-X-STREAM-INF:RESOLUTION=1920X1080,BANDWIDTH=5000000\r\n1080.m3u8";

#[test]
fn variants_that_are_too_high_or_too_fast_are_cut_with_their_uris() {
    let left = within(MULTIVARIANT, &profile(720, None)).unwrap();
    let last = MULTIVARIANT.find("#EXT-X-STREAM-INF:RESOLUTION").unwrap();
    assert_eq!(left, &MULTIVARIANT[..last]);
    let left = within(MULTIVARIANT, &profile(360, None)).unwrap();
    let expected = MULTIVARIANT[..last]
        .replace("#EXT-X-STREAM-INF:BANDWIDTH=2800000,RESOLUTION=1280x720\r\n\r\n# between\r\n720.m3u8\r\n", "")
        .replace("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,RESOLUTION=1280x720,URI=\"i.m3u8\"\r\n", "");
    assert_eq!(left, expected);
    let left = within(MULTIVARIANT, &profile(None, 100_000)).unwrap();
    assert!(left.contains("sound.m3u8") && left.contains("i.m3u8") && left.contains("audio.m3u8"));
    assert!(!left.contains("STREAM-INF:BANDWIDTH=800000") && !left.contains("0.m3u8\r"));
    assert_eq!(within(MULTIVARIANT, &profile(2160, 9_000_000)).unwrap(), MULTIVARIANT);
    assert_eq!(within(MULTIVARIANT, &Profile::default()).unwrap(), MULTIVARIANT);
}

#[test]
fn what_cannot_be_read_may_be_too_much() {
    let of =
        |tag: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1\na\n{tag}\nb\n");
    for (tag, max_height, max_bitrate, stays) in [
        ("#EXT-X-STREAM-INF:RESOLUTION=1x1", None, Some(10), false),
        ("#EXT-X-STREAM-INF:BANDWIDTH=x,RESOLUTION=1x1", None, Some(10), false),
        ("#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=big", Some(10), None, false),
        ("#EXT-X-STREAM-INF:BANDWIDTH=5", Some(10), Some(10), true),
    ] {
        let left = within(&of(tag), &profile(max_height, max_bitrate)).unwrap();
        assert_eq!(left.contains("\nb\n"), stays, "{tag}");
    }
}

#[test]
fn video_renditions_of_variants_that_are_cut_alone_are_cut() {
    let media = |group: &str| {
        format!("#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"{group}\",NAME=\"x\",URI=\"{group}.m3u8\"\n")
    };
    let variant = |height: u32, group: &str| {
        format!("#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x{height},VIDEO=\"{group}\"\n{height}\n")
    };
    let (big, both, free) = (media("big"), media("both"), media("free"));
    let (low, high) = (variant(360, "both"), variant(1080, "big") + &variant(2160, "both"));
    let source = format!("#EXTM3U\n{big}{both}{low}{high}{free}{big}");
    let left = within(&source, &profile(360, None)).unwrap();
    assert_eq!(left, format!("#EXTM3U\n{both}{low}{free}"));
    // One between the tag and the URI of a variant that is cut is cut once.
    let between = high.replacen("1080\n", &format!("{big}1080\n"), 1);
    let left = within(&format!("#EXTM3U\n{low}{between}"), &profile(360, None)).unwrap();
    assert_eq!(left, format!("#EXTM3U\n{low}"));
}

#[test]
fn nothing_left_is_refused_and_a_media_playlist_is_not_concerned() {
    assert_eq!(within(MULTIVARIANT, &profile(None, 1)), Err(RenderError::NothingLeft));
    let media = "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";
    assert_eq!(within(media, &profile(1, 1)).unwrap(), media);
}

const MPD: &str = r#"<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">
 <Period>
  <AdaptationSet mimeType="video/mp4" height="360">
   <SegmentTemplate media="$RepresentationID$-$Number$.m4s" initialization="$RepresentationID$.mp4"/>
   <Representation id="low" bandwidth="800000"/>
   <!-- stays --><Representation id="mid" bandwidth='2800000' height="720"><BaseURL>mid/</BaseURL></Representation>
  </AdaptationSet>
  <AdaptationSet mimeType="video/mp4"><Representation id="high" height="2160" bandwidth="9000000"/></AdaptationSet>
  <AdaptationSet mimeType="audio/mp4"><Representation id="sound" bandwidth="128000"/></AdaptationSet>
 </Period>
</MPD>
"#;

#[test]
fn representations_are_cut_and_an_adaptation_set_with_its_last() {
    let left = within(MPD, &profile(720, None)).unwrap();
    let set = MPD.lines().find(|line| line.contains("high")).unwrap();
    assert_eq!(left, MPD.replace(set.trim_start(), ""));
    let left = within(MPD, &profile(None, 1_000_000)).unwrap();
    assert!(left.contains("<!-- stays -->\n  </AdaptationSet>"), "{left}");
    assert!(left.contains("\"low\"") && left.contains("\"sound\"") && !left.contains("\"mid\""));
    assert_eq!(within(MPD, &Profile::default()).unwrap(), MPD);
}

#[test]
fn sound_without_a_picture_is_not_what_is_left_of_a_film() {
    assert_eq!(within(MPD, &profile(240, None)), Err(RenderError::NothingLeft));
    assert_eq!(within(MPD, &profile(None, 1)), Err(RenderError::NothingLeft));
    let sound = MPD.lines().filter(|line| !line.contains("high") && !line.contains("mid"));
    let sound: String = sound.filter(|line| !line.contains("low")).collect();
    let sound = sound.replace(r#" height="360""#, "");
    assert!(within(&sound, &profile(240, None)).unwrap().contains("\"sound\""));
}

/// Every real manifest is what is left of it together with what was left out.
#[test]
fn real_manifests_lose_whole_pieces() {
    let Some(corpus) = std::env::var_os("SLUICEGATE_CORPUS") else { return };
    let mut concerned = 0;
    for path in files(corpus.as_ref()) {
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            continue;
        };
        for profile in [profile(480, None), profile(None, 2_000_000)] {
            let Ok(pieces) = template.excess(&profile) else { continue };
            let left = within(&source, &profile).unwrap();
            concerned += usize::from(!pieces.is_empty());
            assert_eq!(within(&left, &profile).unwrap(), left, "{}", path.display());
        }
    }
    assert!(concerned > 50, "{concerned}");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
