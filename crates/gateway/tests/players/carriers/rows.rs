//! The manifests: each names the stranger in one way.

use sluicegate_testkit::browser::Player::{self, DashJs, HlsJs, Shaka, VideoJs};

/// The routes, each with its settings.
pub(crate) const ROUTES: [(&str, &str); 5] = [
    ("query", "carry = \"query\""),
    ("path", "carry = \"path\""),
    ("file", "carry = \"query\"\ngrant = \"file\""),
    ("copied", "carry = \"query\"\nurl_query_info = true"),
    (
        "cdn",
        "carry = \"query\"\nsegments = \"cdn\"\n\
         cdn = { base_url = \"{cdn}\", scope = \"directory\", key = { file = \"cdn.key\" } }",
    ),
];

/// A manifest, and who plays it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The folder where it lies.
    pub(crate) stream: &'static str,
    /// `{stranger}` stands for the stranger's URL, `{host}` for its host and port, `{ours}` for the folder
    /// where players see the manifest.
    pub(crate) manifest: String,
    /// Further files in its folder.
    pub(crate) beside: Vec<(&'static str, &'static str)>,
    /// Whether there is a picture.
    pub(crate) plays: bool,
    pub(crate) expected: Expected,
    /// Routes with players.
    pub(crate) cases: Vec<(&'static str, Player)>,
}

/// What a player does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It asks the stranger.
    Asked,
    /// It never asks the stranger, since nothing leads there any more.
    Nothing,
    /// It asks the gateway for this path of its route, and never the stranger.
    OursAsked(&'static str),
    /// It gets no manifest.
    Refused,
}

impl Row {
    fn new(
        name: &'static str,
        stream: &'static str,
        manifest: String,
        expected: Expected,
        cases: &[(&'static str, Player)],
    ) -> Self {
        let plays = expected != Expected::Refused;
        Self { name, stream, manifest, beside: Vec::new(), plays, expected, cases: cases.to_vec() }
    }

    fn without_picture(self) -> Self {
        Self { plays: false, ..self }
    }

    fn with(mut self, name: &'static str, content: &'static str) -> Self {
        self.beside.push((name, content));
        self
    }

    pub(crate) const fn extension(&self) -> &'static str {
        if self.manifest.as_bytes()[0] == b'<' { "mpd" } else { "m3u8" }
    }
}

pub(crate) fn all() -> Vec<Row> {
    dash().into_iter().chain(hls()).collect()
}

// === DASH ===

const STATIC: &str = "type='static' mediaPresentationDuration='PT8S'";
/// It began long ago and has an end, so that all segments are there.
const DYNAMIC: &str =
    "type='dynamic' mediaPresentationDuration='PT8S' availabilityStartTime='2020-01-01T00:00:00Z'";

/// An MPD with `head` before its Period, and these in its sets of video and of audio.
fn mpd(kind: &str, head: &str, video: &str, audio: &str) -> String {
    let set = |kind: &str, inside: &str, representation: &str| {
        format!(
            "<AdaptationSet contentType='{kind}' mimeType='{kind}/mp4' segmentAlignment='true' \
             startWithSAP='1'>{inside}<SegmentTemplate duration='2' startNumber='1' \
             initialization='$RepresentationID$-init.mp4' \
             media='$RepresentationID$-$Number%05d$.m4s'/>{representation}</AdaptationSet>"
        )
    };
    let video = set(
        "video",
        video,
        "<Representation id='video-180p' bandwidth='224362' codecs='avc1.42C00D' width='320' \
         height='180' frameRate='25'/>",
    );
    let audio = set(
        "audio",
        audio,
        "<Representation id='audio-en' bandwidth='70310' codecs='mp4a.40.2' \
         audioSamplingRate='48000'/>",
    );
    format!(
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' \
         profiles='urn:mpeg:dash:profile:isoff-live:2011' {kind} minBufferTime='PT2S'>{head}\
         <Period id='1' start='PT0S'>{video}{audio}</Period></MPD>"
    )
}

/// Has audio and pictures of the stranger's, and takes the query of the MPD for them.
const THEIR_PERIOD: &str = "<Period xmlns='urn:mpeg:dash:schema:mpd:2011' id='0' duration='PT8S'>\
    <BaseURL>{stranger}number/</BaseURL><AdaptationSet contentType='video' mimeType='video/mp4'>\
    <EssentialProperty schemeIdUri='urn:mpeg:dash:urlparam:2014'><up:UrlQueryInfo \
    xmlns:up='urn:mpeg:dash:schema:urlparam:2014' queryTemplate='$querypart$' \
    useMPDUrlQuery='true'/></EssentialProperty><SegmentTemplate duration='2' startNumber='1' \
    initialization='video-180p-init.mp4' media='video-180p-$Number%05d$.m4s'/><Representation \
    id='v' bandwidth='224362' codecs='avc1.42C00D' width='320' height='180'/></AdaptationSet></Period>";

/// A new pathway, for which the stranger's host takes the place of ours.
const CLONES: &str = r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["b","a"],"PATHWAY-CLONES":[
    {"BASE-ID":"a","ID":"b","URI-REPLACEMENT":{"HOST":"{host}"}}]}"#;

/// The audio comes from the stranger.
const THEIR_AUDIO: &str = "<BaseURL>{stranger}number/</BaseURL>";

fn dash() -> Vec<Row> {
    use Expected::{Asked, Nothing, OursAsked};
    let row = |name, manifest, expected, cases: &[(&'static str, Player)]| {
        Row::new(name, "number", manifest, expected, cases)
    };
    let copying = |element: &str, scheme: &str, kind: &str| {
        format!(
            "<{kind} schemeIdUri='urn:mpeg:dash:urlparam:{scheme}'><up:{element} \
             xmlns:up='urn:mpeg:dash:schema:urlparam:{scheme}' queryTemplate='$querypart$' \
             useMPDUrlQuery='true' includeInRequests='segment mpd steering'/></{kind}>"
        )
    };
    vec![
        row(
            "a-base-url-of-theirs",
            mpd(STATIC, "", "", THEIR_AUDIO),
            Asked,
            &[
                ("query", DashJs),
                ("query", Shaka),
                ("query", VideoJs),
                ("path", DashJs),
                ("file", Shaka),
                ("cdn", DashJs),
                ("cdn", Shaka),
            ],
        ),
        row(
            "a-copied-query-beside-their-base-url",
            mpd(STATIC, "", "", THEIR_AUDIO),
            Asked,
            &[("copied", DashJs), ("copied", Shaka)],
        ),
        row(
            "their-base-url-beside-ours",
            mpd(
                STATIC,
                "<BaseURL serviceLocation='a'>./</BaseURL>\
                 <BaseURL serviceLocation='b'>{stranger}number/</BaseURL>",
                "",
                "",
            ),
            Expected::Nothing,
            &[("query", DashJs), ("query", Shaka), ("file", DashJs), ("cdn", Shaka)],
        ),
        row(
            "steering-of-ours",
            mpd(
                STATIC,
                "<ContentSteering defaultServiceLocation='a' queryBeforeStart='true'>steer.json\
                 </ContentSteering><BaseURL serviceLocation='a'>./</BaseURL>",
                "",
                "",
            ),
            OursAsked("number/steer.json"),
            &[("query", DashJs), ("query", Shaka)],
        )
        .with("steer.json", r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["a"]}"#),
        row(
            "a-clock-of-theirs",
            mpd(
                DYNAMIC,
                "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-xsdate:2014' \
                 value='{stranger}number/clock.txt'/>",
                "",
                "",
            ),
            Asked,
            &[("query", DashJs), ("query", Shaka)],
        )
        .without_picture()
        .with("clock.txt", "2026-01-01T00:00:00Z"),
        row(
            "a-query-that-their-set-copies",
            mpd(
                STATIC,
                "",
                "",
                &(copying("UrlQueryInfo", "2014", "EssentialProperty") + THEIR_AUDIO),
            ),
            Asked,
            &[("query", DashJs), ("query", Shaka), ("cdn", DashJs)],
        ),
        row(
            "a-query-that-all-requests-copy",
            mpd(
                STATIC,
                &copying("ExtUrlQueryInfo", "2016", "SupplementalProperty"),
                "",
                THEIR_AUDIO,
            ),
            Asked,
            &[("query", DashJs), ("query", Shaka), ("copied", DashJs)],
        ),
        row(
            "parameters-of-requests",
            mpd(
                STATIC,
                "<RequestParam queryTemplate='$querypart$' useMPDUrlQuery='true'/>",
                "",
                THEIR_AUDIO,
            ),
            Asked,
            &[("query", Shaka)],
        ),
        row(
            "reports-to-them",
            mpd(
                STATIC,
                "<Metrics metrics='HttpList(100,MediaSegment),DVBErrors'><Reporting \
                 schemeIdUri='urn:dvb:dash:reporting:2014' \
                 xmlns:dvb='urn:dvb:dash:dash-extensions:2014-1' \
                 dvb:reportingUrl='{stranger}report' dvb:probability='1000'/></Metrics>",
                "",
                "",
            ),
            Nothing,
            &[("query", DashJs), ("path", DashJs)],
        ),
        row(
            "a-base-url-in-another-namespace",
            mpd(
                STATIC,
                "",
                "",
                &THEIR_AUDIO.replace("BaseURL>", "x:BaseURL>").replacen(
                    "x:BaseURL>",
                    "x:BaseURL xmlns:x='urn:other'>",
                    1,
                ),
            ),
            Nothing,
            &[("query", DashJs), ("file", DashJs), ("cdn", Shaka)],
        ),
        row(
            "a-base-url-of-ours-where-nobody-reads-one",
            mpd(
                STATIC,
                "<BaseURL>{stranger}number/</BaseURL>",
                "<Rating schemeIdUri='urn:x'><BaseURL>{ours}</BaseURL></Rating>",
                "<Rating schemeIdUri='urn:x'><BaseURL>{ours}</BaseURL></Rating>",
            ),
            Asked,
            &[("query", DashJs), ("query", Shaka)],
        ),
        row(
            "steering-of-theirs",
            mpd(
                STATIC,
                "<ContentSteering defaultServiceLocation='a' queryBeforeStart='true'>\
                 {stranger}number/clones.json</ContentSteering>\
                 <BaseURL serviceLocation='a'>./</BaseURL>",
                "",
                "",
            ),
            Nothing,
            &[("query", DashJs), ("query", Shaka), ("path", DashJs), ("path", Shaka)],
        )
        .with("clones.json", CLONES),
        row(
            "a-period-of-theirs",
            mpd(
                STATIC,
                "<Period id='0' xmlns:xlink='http://www.w3.org/1999/xlink' \
                 xlink:href='{stranger}number/period.xml' xlink:actuate='onLoad'/>",
                "",
                "",
            ),
            Nothing,
            &[("query", DashJs), ("query", Shaka)],
        )
        .with("period.xml", THEIR_PERIOD),
        row(
            "the-next-request-told-by-cmcd",
            mpd(
                STATIC,
                "<ServiceDescription id='0'><ClientDataReporting><CMCDParameters \
                 schemeIdUri='urn:mpeg:dash:cta-5004:2023' version='1' keys='nor nrr sid cid su' \
                 includeInRequests='segment mpd' mode='query' contentID='c'/>\
                 </ClientDataReporting></ServiceDescription>",
                "",
                THEIR_AUDIO,
            ),
            Asked,
            &[("query", DashJs), ("file", DashJs)],
        ),
        row(
            "an-event-that-calls-them",
            mpd(STATIC, "", "", "").replace(
                "<AdaptationSet contentType='video'",
                "<EventStream schemeIdUri='urn:mpeg:dash:event:callback:2015' value='1' \
                 timescale='10'><Event presentationTime='1' id='1'>{stranger}callback</Event>\
                 </EventStream><AdaptationSet contentType='video'",
            ),
            Asked,
            &[("query", DashJs)],
        ),
    ]
}

// === HLS ===

/// A media playlist with these between its first and its second segment.
fn playlist(head: &str, second: &str) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:11\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n{head}\
         #EXTINF:2,\nseg-0.ts\n{second}#EXTINF:2,\nseg-2.ts\n#EXTINF:2,\nseg-3.ts\n#EXT-X-ENDLIST\n"
    )
}

/// Breaks the stream after two seconds.
fn interstitial(asset: &str) -> String {
    format!(
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n\
         #EXT-X-DATERANGE:ID=\"ad\",CLASS=\"com.apple.hls.interstitial\",\
         START-DATE=\"2026-01-01T00:00:02Z\",DURATION=2,X-RESUME-OFFSET=0,{asset}\n"
    )
}

fn hls() -> Vec<Row> {
    use Expected::{Asked, Nothing, OursAsked, Refused};
    let row = |name, manifest, expected, cases: &[(&'static str, Player)]| {
        Row::new(name, "flat", manifest, expected, cases)
    };
    vec![
        row(
            "a-segment-of-theirs",
            playlist("", "#EXTINF:2,\n{stranger}flat/seg-1.ts\n"),
            Asked,
            &[
                ("query", HlsJs),
                ("query", Shaka),
                ("query", VideoJs),
                ("path", HlsJs),
                ("file", HlsJs),
                ("cdn", HlsJs),
                ("cdn", Shaka),
            ],
        ),
        row(
            "a-key-of-theirs",
            playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"{stranger}flat/key.bin\"\n", ""),
            Asked,
            &[("query", HlsJs), ("query", Shaka)],
        )
        .without_picture()
        .with("key.bin", "0123456789abcdef"),
        row(
            "a-variant-of-theirs",
            "#EXTM3U\n#EXT-X-VERSION:11\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"1\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=188752,CODECS=\"avc1.42C00D,mp4a.40.2\",RESOLUTION=320x180\n\
             {stranger}flat/index.m3u8?v={$v}\n"
                .to_owned(),
            Asked,
            &[("query", HlsJs), ("path", Shaka)],
        ),
        row(
            "an-asset-list-of-theirs",
            playlist(&interstitial("X-ASSET-LIST=\"{stranger}flat/assets.json\""), ""),
            Asked,
            &[("query", HlsJs), ("path", HlsJs)],
        )
        .with("assets.json", r#"{"ASSETS":[{"URI":"index.m3u8","DURATION":2}]}"#),
        row(
            "an-asset-list-of-ours",
            playlist(&interstitial("X-ASSET-LIST=\"ours.json\""), ""),
            OursAsked("flat/index.m3u8"),
            &[("query", HlsJs)],
        )
        .with("ours.json", r#"{"ASSETS":[{"URI":"index.m3u8","DURATION":2}]}"#),
        row(
            "an-asset-of-ours",
            playlist(&interstitial("X-ASSET-URI=\"index.m3u8\""), ""),
            OursAsked("flat/index.m3u8"),
            &[("query", HlsJs)],
        ),
        row(
            "pathways-of-theirs",
            "#EXTM3U\n#EXT-X-VERSION:11\n\
             #EXT-X-CONTENT-STEERING:SERVER-URI=\"{stranger}flat/clones.json\",PATHWAY-ID=\"a\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=188752,CODECS=\"avc1.42C00D,mp4a.40.2\",\
             RESOLUTION=320x180,PATHWAY-ID=\"a\"\nindex.m3u8\n"
                .to_owned(),
            Nothing,
            &[("query", HlsJs), ("query", Shaka), ("path", HlsJs)],
        )
        .with("clones.json", CLONES),
        row(
            "a-variable-that-takes-the-token",
            playlist(
                "#EXT-X-DEFINE:QUERYPARAM=\"sg\"\n",
                "#EXTINF:2,\n{stranger}flat/seg-1.ts?t={$sg}\n",
            ),
            Refused,
            &[("query", HlsJs), ("query", Shaka)],
        ),
        row(
            "a-variable-with-two-names",
            playlist(
                "#EXT-X-DEFINE:QUERYPARAM=\"sg\",NAME=\"n\",VALUE=\"1\"\n",
                "#EXTINF:2,\n{stranger}flat/seg-1.ts?t={$n}\n",
            ),
            Refused,
            &[("query", HlsJs), ("query", Shaka)],
        ),
        row(
            "a-title-that-ends-its-line",
            playlist("", "#EXTINF:2,t\u{2028}{stranger}flat/seg-1.ts\nseg-1.ts\n"),
            Refused,
            &[("query", HlsJs)],
        ),
    ]
}
