//! Manifests that make players tell another host of their tokens: what would do so is left out, written as an
//! absolute URL, or refused.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use sluicegate_manifest::{
    Decision, KeepReason, Options, OwnQuery, Place, RefuseReason, RenderError, Template, TokenAt,
    TokenRef, Uri, UriPolicy,
};
use sluicegate_token::ByteList;
use url::Url;

/// Everything that names the stranger has this in it.
const STRANGER: &str = "evil.example";

/// Gives each URI of the manifest's host one token.
#[derive(Clone, Debug)]
struct Guard {
    base: Url,
    trusts: bool,
    refuses: bool,
    is_absolute: bool,
    own_query: OwnQuery,
}

impl Guard {
    fn new() -> Self {
        let base = common::url("https://cdn.example.com/vod/movie/manifest");
        let own_query = OwnQuery::ForItself;
        Self { base, trusts: false, refuses: false, is_absolute: false, own_query }
    }

    fn render(mut self, source: &str) -> Result<String, RefuseReason> {
        let template = Template::compile(source.to_owned().into(), &Options::default()).unwrap();
        let place = Place { now: Some(common::NOW), ..Place::at(self.base.clone()) };
        let plan = template.plan(&place, &mut self).map_err(|error| match error {
            RenderError::Refused { reason, .. } => reason,
            other => panic!("{source}: {other}"),
        })?;
        let mut tokens = ByteList::default();
        tokens.push(b"sg=T");
        Ok(String::from_utf8(plan.render(&[tokens]).bytes).unwrap())
    }
}

impl UriPolicy for Guard {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        match self.protects(uri.url) {
            true => Decision::Deliver {
                url: uri.url.clone(),
                token: Some(TokenAt::Query(TokenRef { list: 0, index: 0 })),
            },
            false if self.refuses => Decision::Refuse(RefuseReason::ForeignHost),
            false => Decision::Keep(KeepReason::ForeignHost),
        }
    }

    fn protects(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn trusts_strangers(&self) -> bool {
        self.trusts
    }

    fn refuses_foreign_hosts(&self) -> bool {
        self.refuses
    }

    fn writes_absolute_references(&self) -> bool {
        self.is_absolute
    }

    fn own_query(&self) -> OwnQuery {
        self.own_query
    }
}

/// An MPD with `head` before its only Period, and `inside` in its set.
fn mpd(head: &str, inside: &str) -> String {
    format!(
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' xmlns:x='urn:other' \
         xmlns:xlink='http://www.w3.org/1999/xlink' type='static' mediaPresentationDuration='PT8S'>\
         {head}<Period><AdaptationSet mimeType='video/mp4'>{inside}\
         <SegmentTemplate duration='2' initialization='i.mp4' media='$Number$.m4s'/>\
         <Representation id='v' bandwidth='1'/></AdaptationSet></Period></MPD>"
    )
}

fn playlist(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}#EXTINF:4,\na.ts\n")
}

fn multivariant(lines: &str) -> String {
    format!("#EXTM3U\n{lines}#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"a\"\nv.m3u8\n")
}

#[test]
fn what_leads_players_to_strangers_with_tokens_is_left_out() {
    for source in [
        mpd("<Metrics metrics='x'><Reporting reportingUrl='//evil.example/r'/></Metrics>", ""),
        mpd(
            "<Metrics metrics='x'><Reporting schemeIdUri='urn:dvb:dash:reporting:2014' \
             x:reportingUrl='https://evil.example/r'/></Metrics>",
            "",
        ),
        mpd("<x:Metrics><x:Reporting x:reportingUrl='http://evil.example/r'/></x:Metrics>", ""),
        mpd("<ContentSteering>https://evil.example/s.json</ContentSteering>", ""),
        mpd("<ContentSteering>//evil.example/s.json</ContentSteering>", ""),
        mpd("<x:ContentSteering>https://evil.example/s.json</x:ContentSteering>", ""),
        mpd("<ContentSteering proxyServerURL='https://evil.example/'>s.json</ContentSteering>", ""),
        mpd("<PatchLocation>https://evil.example/p.mpp</PatchLocation>", ""),
        mpd("<Period xlink:href='https://evil.example/p.xml' xlink:actuate='onLoad'/>", ""),
        mpd(
            "",
            "<Representation id='a'><BaseURL>a/</BaseURL></Representation><Representation id='b'>\
             <BaseURL>b/</BaseURL></Representation><SegmentList duration='2' \
             xlink:href='https://evil.example/l.xml'><Initialization sourceURL='i.mp4'/>\
             <SegmentURL media='1.m4s'/></SegmentList>",
        ),
        mpd("", "<Label xlink:href='https://evil.example/l.xml'>a</Label>"),
        mpd("", "<x:BaseURL>https://evil.example/</x:BaseURL>"),
        mpd("", "<x:Representation><BaseURL>https://evil.example/</BaseURL></x:Representation>"),
        mpd("", "<Rating><BaseURL>https://evil.example/</BaseURL></Rating>"),
        mpd("<x:Location>https://evil.example/m.mpd</x:Location>", ""),
        multivariant(
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://evil.example/s\",PATHWAY-ID=\"a\"\n",
        ),
        multivariant("#EXT-X-CONTENT-STEERING:SERVER-URI=\"//evil.example/s\"\n"),
        r#"{"VERSION":1,"TTL":300,"RELOAD-URI":"https://evil.example/s","PATHWAY-PRIORITY":["a"]}"#
            .to_owned(),
    ] {
        let rendered = Guard::new().render(&source).unwrap();
        assert!(!rendered.contains(STRANGER), "{source}\n{rendered}");
        let trusting = Guard { trusts: true, ..Guard::new() }.render(&source).unwrap();
        assert!(trusting.contains(STRANGER), "{source}\n{trusting}");
    }
}

#[test]
fn what_is_left_out_leaves_the_rest_in_place() {
    let source = mpd(
        "<Metrics metrics='x'><Reporting reportingUrl='https://evil.example/r'/></Metrics>\
         <BaseURL>./</BaseURL><x:BaseURL>https://evil.example/</x:BaseURL>",
        "<Label xlink:href='https://evil.example/l.xml'><Label>a</Label></Label>",
    );
    let rendered = Guard::new().render(&source).unwrap();
    for text in ["<BaseURL>./</BaseURL><Period>", "<Label><Label>a</Label></Label>", "4s?sg=T'"] {
        assert!(rendered.contains(text), "{text}: {rendered}");
    }
}

#[test]
fn a_query_is_copied_only_to_where_its_token_belongs() {
    use OwnQuery::{ForItsHost, ForItself, Open};
    let theirs = "<BaseURL>https://evil.example/</BaseURL>";
    let remote = "<Period xlink:href='p.xml'/>";
    let copy = "<EssentialProperty schemeIdUri='urn:mpeg:dash:urlparam:2014'>\
                <x:UrlQueryInfo queryTemplate='$querypart$' useMPDUrlQuery='true'/></EssentialProperty>";
    for element in ["UrlQueryInfo", "ExtUrlQueryInfo", "ExtHttpHeaderInfo", "RequestParam"] {
        for (name, value) in [
            ("useMPDUrlQuery", "true"),
            ("useMPDUrlQuery", "1"),
            ("useMPDUrlQuery", "&#116;rue"),
            ("headerParamSource", "mpd"),
        ] {
            let copy = copy.replace("UrlQueryInfo", element);
            let copy = copy.replace("useMPDUrlQuery='true'", &format!("{name}='{value}'"));
            for (own_query, head, inside, is_copied) in [
                (Open, "", theirs, true),
                (ForItsHost, "", "", true),
                (ForItsHost, "", theirs, false),
                (ForItsHost, theirs, "", false),
                (ForItsHost, remote, "", false),
                (ForItself, "", "", false),
            ] {
                let source = mpd(&format!("{head}{copy}"), inside);
                let rendered = Guard { own_query, ..Guard::new() }.render(&source).unwrap();
                assert_eq!(
                    rendered.contains(name),
                    is_copied,
                    "{own_query:?} {source}\n{rendered}"
                );
            }
        }
    }
    // An essential property without a query keeps players from what has it.
    let rendered = Guard::new().render(&mpd("", copy)).unwrap();
    assert!(!rendered.contains("EssentialProperty"), "{rendered}");
    let with_own = copy.replace("useMPDUrlQuery", "queryString='a=b' useMPDUrlQuery");
    let rendered = Guard::new().render(&mpd("", &with_own)).unwrap();
    assert!(rendered.contains("queryString='a=b'/></EssentialProperty>"), "{rendered}");
    let source = mpd("", &format!("{}{theirs}", copy.replace("'true'", "'false'")));
    assert!(Guard::new().render(&source).unwrap().contains("useMPDUrlQuery='false'"));
}

#[test]
fn a_host_of_strangers_is_refused_wherever_it_stands() {
    for (source, stays) in [
        (
            playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"https://evil.example/\"\n"),
            true,
        ),
        (playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"//evil.example/\"\n"), true),
        (playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",X-NEW=\"//evil.example/k\"\n"), true),
        (playlist("#EXT-X-DATERANGE:ID=\"a\",X-NEW=\"//evil.example/x\"\n"), true),
        (playlist("#EXT-X-DATERANGE:ID=\"a\",SCHEME-ID-URI=\"https://evil.example/x\"\n"), true),
        (playlist("#EXT-X-NEW:A=\"//evil.example/x\"\n"), true),
        (playlist("#EXT-X-NEW://evil.example/x\n"), true),
        (playlist("#EXT-X-NEW:a //evil.example/x,b\n"), true),
        (playlist("#EXT-X-NEW:referrer=https://evil.example/x\n"), true),
        (multivariant("#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"https://evil.example/\"\n"), true),
        (multivariant("#EXT-X-SESSION-DATA:DATA-ID=\"https://evil.example/\",VALUE=\"v\"\n"), true),
        (multivariant("#EXT-X-STREAM-INF:BANDWIDTH=1,NAME=\"//evil.example/\"\nw.m3u8\n"), true),
        (mpd("<x:New x:at='//evil.example/x'/>", ""), true),
        (mpd("<x:New>//evil.example/x</x:New>", ""), true),
        (mpd("", "<Label new='https://evil.example/x'>a</Label>"), true),
        (mpd("", "<x:BaseURL>//evil.example/</x:BaseURL>"), false),
        (r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["a"],"X":"//evil.example/"}"#.into(), true),
        (
            r#"{"ASSETS":[{"URI":"a.m3u8","DURATION":1,"X":"https:\/\/evil.example/"}]}"#.into(),
            true,
        ),
        (multivariant("#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"see https://evil.example/\"\n"), true),
        (playlist("#EXTINF:4 tvg-logo=\"https://evil.example/l.png\",A\nb.ts\n"), true),
        (playlist("#EXT-X-DEFINE:NAME=\"h\",VALUE=\"//evil.example\"\n#EXT-X-NEW:A=\"https:{$h}/x\"\n"), true),
        (playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"wss://evil.example/k\"\n"), true),
        (playlist("ftp://evil.example/b.ts\n"), true),
        (mpd("<BaseURL>ftp://evil.example/</BaseURL>", ""), true),
        (mpd("<x:ReplacePresentation url='https://evil.example/m.mpd'/>", ""), true),
        (mpd("<ReplacePresentation url='https://evil.example/m.mpd'/>", ""), true),
        (mpd("<ReplacePresentation uri='//evil.example/m.mpd'/>", ""), true),
        (mpd("<ImportedMPD>https://evil.example/m.mpd</ImportedMPD>", ""), true),
        (mpd("", "<ContentProtection><x:Laurl>https://evil.example/l</x:Laurl></ContentProtection>"), true),
        (mpd("<CMCDParameters url='https://evil.example/c'/>", ""), true),
        (mpd("<ClientDataReporting><CMCDParameters x:url='//evil.example/c'/></ClientDataReporting>", ""), true),
        (mpd("<x:New>https<!-- a -->://evil.<![CDATA[example/]]></x:New>", ""), true),
        (mpd("<x:New xlink:role='https://evil.example/r'/>", ""), true),
        ("WEBVTT\n\n00:00.000 --> 00:05.000\na.jpg#xywh=0,0,1,1\n\n00:05.000 --> 00:09.000\n{\"u\":\"https://evil.example/\"}\n".into(), true),
        (r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["a"],"https://evil.example/":1}"#.into(), true),
    ] {
        let kept = Guard::new().render(&source).unwrap();
        assert_eq!(kept.contains("evil."), stays, "{source}\n{kept}");
        let refused = Guard { refuses: true, ..Guard::new() }.render(&source);
        match refused {
            Ok(rendered) => assert!(!stays && !rendered.contains("evil."), "{source}\n{rendered}"),
            Err(reason) => assert_eq!(reason, RefuseReason::ForeignHost, "{source}"),
        }
    }
}

/// Each spelling, in each carrier that no table knows.
#[test]
fn a_host_of_strangers_is_refused_however_it_is_written() {
    for spelling in [
        "https://evil.example/x",
        "http:evil.example/x",
        "HTTPS:/\\evil.example/x",
        "https:\\/\\/evil.example\\/x",
        "ws:evil.example",
        "ftp://evil.example/",
        "\\\\evil.example/x",
        "/\\evil.example/x",
        "//evil.example/x",
        "aHR0cHM6Ly9ldmlsLmV4YW1wbGUv",
        "Ly9ldmlsLmV4YW1wbGUv",
        "0x68747470733a2f2f6576696c2e6578616d706c652f",
    ] {
        let json = spelling.replace('\\', "\\\\");
        for source in [
            playlist(&format!("#EXT-X-DATERANGE:ID=\"a\",X-NEW=\"{spelling}\"\n")),
            playlist(&format!("#EXT-X-NEW:A=\"{spelling}\"\n")),
            playlist(&format!("#EXT-X-NEW:{spelling}\n")),
            multivariant(&format!("#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"{spelling}\"\n")),
            mpd(&format!("<x:New x:at='{spelling}'/>"), ""),
            mpd(&format!("<x:New at='{spelling}'/>"), ""),
            mpd(&format!("<x:New>{spelling}</x:New>"), ""),
            mpd(&format!("<x:New><![CDATA[{spelling}]]></x:New>"), ""),
            mpd(
                &format!(
                    "<EventStream schemeIdUri='urn:a'><Event contentEncoding='base64'>{spelling}</Event></EventStream>"
                ),
                "",
            ),
            mpd(
                &format!(
                    "<EventStream schemeIdUri='urn:a'><Event messageData='{spelling}'/></EventStream>"
                ),
                "",
            ),
            mpd(
                &format!(
                    "<EventStream schemeIdUri='urn:a'><Event><x:Signal><x:Binary>{spelling}</x:Binary></x:Signal></Event></EventStream>"
                ),
                "",
            ),
            mpd(
                &format!(
                    "<ServiceDescription><ClientDataReporting><CMCDParameters url='{spelling}'/></ClientDataReporting></ServiceDescription>"
                ),
                "",
            ),
            format!(r#"{{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["a"],"X":["{json}"]}}"#),
            format!(r#"{{"ASSETS":[{{"URI":"a.m3u8","DURATION":1,"X":"{json}"}}]}}"#),
        ] {
            let refused = Guard { refuses: true, ..Guard::new() }.render(&source);
            assert_eq!(refused, Err(RefuseReason::ForeignHost), "{source}");
        }
    }
}

#[test]
fn what_only_looks_like_a_host_is_not_refused() {
    for source in [
        playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"urn:uuid:edef8ba9\"\n"),
        playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"https://cdn.example.com/\"\n"),
        playlist("#EXT-X-NEW:// a comment\n#EXT-X-NEW:a //8AAA==\n## //evil.example\n"),
        playlist("#EXT-X-DEFINE:NAME=\"host\",VALUE=\"https://evil.example\"\n"),
        playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"skd://key.example/1\"\n"),
        playlist("b.ts?u=https://evil.example/\n"),
        multivariant(
            "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"a//b.c, see https://cdn.example.com/\"\n",
        ),
        mpd("<ProgramInformation moreInformationURL='https://evil.example/'/>", ""),
        mpd("<x:New>aHR0cHM6Ly9jZG4uZXhhbXBsZS5jb20v</x:New>", ""),
        mpd("<x:New>/DAlAAAA //8AAA==</x:New>", "<Rating schemeIdUri='https://evil.example/r'/>"),
    ] {
        Guard { refuses: true, ..Guard::new() }.render(&source).unwrap();
    }
}

#[test]
fn a_token_for_one_file_is_bound_to_its_host_by_an_absolute_url() {
    let source = mpd("", "");
    let relative = Guard::new().render(&source).unwrap();
    assert!(relative.contains("media='$Number$.m4s?sg=T'"), "{relative}");
    let absolute = Guard { is_absolute: true, ..Guard::new() }.render(&source).unwrap();
    for text in [
        "media='https://cdn.example.com/vod/movie/$Number$.m4s?sg=T'",
        "='https://cdn.example.com/vod/movie/i.mp4?sg=T'",
    ] {
        assert!(absolute.contains(text), "{absolute}");
    }
}

#[test]
fn a_host_of_ours_without_a_scheme_is_written_without_a_host_or_with_a_scheme() {
    for (source, expected) in [
        (
            mpd("", "<BaseURL>//cdn.example.com/vod/other/</BaseURL>"),
            "<BaseURL>/vod/other/</BaseURL>",
        ),
        (
            mpd("<ContentSteering>//cdn.example.com/s.json</ContentSteering>", ""),
            ">https://cdn.example.com/s.json?sg=T<",
        ),
        (
            multivariant("#EXT-X-CONTENT-STEERING:SERVER-URI=\"//cdn.example.com/s.json\"\n"),
            "\"//cdn.example.com/s.json?sg=T\"",
        ),
    ] {
        let rendered = Guard::new().render(&source).unwrap();
        assert!(rendered.contains(expected), "{rendered}");
    }
}
