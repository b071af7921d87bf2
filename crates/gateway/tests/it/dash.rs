//! DASH manifests as sessions get them: with the token in the path, in the query, and from a CDN.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::{BEARER, CDN_SECRET};
use sluicegate_token::{CdnKey, Gcore, Presented, ResourcePath, Scheme as _, Scope, UnixTime};
use url::Url;

use crate::support::{Site, Viewer, Watched, cdn, folder, resolve, token_of};

/// Two Representations in folders of their own, whose template is shared.
const FOLDERS: &str = r#"<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S">
  <Period>
    <AdaptationSet>
      <SegmentTemplate media="$RepresentationID$/$Number$.m4s" initialization="$RepresentationID$/init.mp4" duration="2"/>
      <Representation id="v1" bandwidth="1"/>
      <Representation id="v2" bandwidth="2"/>
    </AdaptationSet>
  </Period>
</MPD>
"#;

/// The MPD with something else in its outermost element, before the Period.
fn with(attributes: &str, elements: &str) -> String {
    FOLDERS
        .replace(r#"type="static" mediaPresentationDuration="PT4S""#, attributes)
        .replace("  <Period>", &format!("{elements}  <Period>"))
}

const LIVE: &str =
    r#"type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" minimumUpdatePeriod="PT2S""#;

fn media(mpd: &str) -> tempfile::TempDir {
    folder(&[
        ("vod/a/manifest.mpd", mpd.as_bytes()),
        ("vod/a/v1/init.mp4", b"init 1"),
        ("vod/a/v1/1.m4s", b"segment 1"),
        ("vod/a/v2/init.mp4", b"init 2"),
        ("vod/a/v2/1.m4s", b"segment 2"),
        ("vod/b/1.m4s", b"elsewhere"),
    ])
}

fn site<'a>(route: &'a str) -> Site<'a> {
    Site { route, ..Site::default() }
}

/// The MPD of a session, and the path and query that it is at.
fn enter(viewer: &mut Viewer<'_>) -> (String, String) {
    let session = viewer.enter("/vod/a/manifest.mpd");
    let answer = viewer.get(&session);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/dash+xml"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    (session, answer.text())
}

/// The values of an attribute, in order, with references resolved.
fn values(mpd: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let pieces = mpd.split(&start).skip(1);
    pieces.map(|piece| piece.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

/// The texts of an element.
fn texts(mpd: &str, name: &str) -> Vec<String> {
    let start = format!("<{name}>");
    let pieces = mpd.split(&start).skip(1);
    pieces.map(|piece| piece.split('<').next().unwrap().replace("&amp;", "&")).collect()
}

/// The expiry of a CDN URL, whose token must open it and its neighbours until then.
fn cdn_expiry(url: &str, scope: Scope) -> UnixTime {
    let url = Url::parse(url).unwrap();
    let gcore = Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), scope);
    let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
    let presented = Presented::at(&path, url.query().map(str::as_bytes), None);
    gcore.verify(&presented, UnixTime(0)).unwrap().expires
}

/// Dash-Industry-Forum/dash.js#4119: a token on the MPD alone leaves the segments without.
#[test]
fn segments_inherit_the_session_in_the_path_and_carry_it_in_the_query() {
    let media = media(FOLDERS);
    let origin = Watched::folder(media.path());
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        for gateway in [site(&route).folder(media.path()), site(&route).start(&origin.url("/"))] {
            let mut viewer = Viewer::of(&gateway);
            let (session, mpd) = enter(&mut viewer);
            let template = &values(&mpd, "media")[0];
            let base = &texts(&mpd, "BaseURL")[0];
            let home = gateway.url("/");
            assert!(base.starts_with(&home) && base.ends_with("/vod/a/"), "{base}");
            match carry {
                "path" => {
                    let base = format!("<BaseURL>{base}</BaseURL>");
                    assert_eq!(mpd.replace(&base, ""), FOLDERS, "nothing else is written");
                }
                _ => assert_eq!(
                    *template,
                    format!("$RepresentationID$/$Number$.m4s?sg={}", token_of(&session))
                ),
            }
            for (id, content) in [("v1", "segment 1"), ("v2", "segment 2")] {
                let segment = template.replace("$RepresentationID$", id).replace("$Number$", "1");
                let segment = resolve(&session, &segment);
                assert_eq!(viewer.get(&segment).text(), content);
                let broken = segment.replacen(&token_of(&session)[..9], "AAAAAAAAA", 1);
                assert_eq!(viewer.status(&broken), 403, "{broken}");
            }
        }
    }
}

#[test]
fn each_directory_has_a_cdn_token_of_its_own() {
    let media = media(FOLDERS);
    let cdn = cdn("https://cdn.test/x/", "directory", 10);
    let gateway = site(&cdn).folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    let templates = values(&mpd, "media");
    assert_eq!(templates.len(), 3, "{mpd}");
    for (id, template) in ["v1", "v2"].iter().zip(&templates[1..]) {
        let query = template.strip_prefix("$RepresentationID$/$Number$.m4s").unwrap();
        let url = format!("https://cdn.test/x/vod/a/{id}/77.m4s{query}");
        cdn_expiry(&url, Scope::Directory);
    }
    assert_ne!(templates[1].rsplit("md5=").next(), templates[2].rsplit("md5=").next());
}

#[test]
fn a_token_for_each_file_writes_the_template_out() {
    let media = media(FOLDERS);
    let cdn = cdn("https://cdn.test/x/", "file", 10);
    let gateway = site(&cdn).folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    assert!(!mpd.contains("SegmentTemplate"), "{mpd}");
    assert_eq!(texts(&mpd, "BaseURL"), ["https://cdn.test/x/vod/a/"]);
    let urls = [values(&mpd, "media"), values(&mpd, "sourceURL")].concat();
    assert_eq!(urls.len(), 2 * (2 + 1), "{mpd}");
    for url in urls {
        cdn_expiry(&format!("https://cdn.test/x/vod/a/{url}"), Scope::File);
    }
}

/// shaka-project/shaka-player#1122: the MPD's token ends before the live stream does.
#[test]
fn a_dynamic_mpd_is_loaded_again_from_its_session() {
    for (carry, location) in [
        ("path", ""),
        ("query", ""),
        ("path", "<Location>manifest.mpd?old=1</Location>"),
        ("query", "<Location>/vod/a/manifest.mpd</Location>"),
    ] {
        let media = media(&with(LIVE, location));
        let route = format!("carry = \"{carry}\"");
        let gateway = site(&route).folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let (session, mpd) = enter(&mut viewer);
        let locations = texts(&mpd, "Location");
        assert_eq!(locations.len(), 1, "{mpd}");
        let location = &locations[0];
        assert!(location.starts_with(&gateway.url("/")), "an absolute URL: {location}");
        assert_eq!(token_of(location), token_of(&session));
        gateway.clock.advance(3601);
        let path = location.strip_prefix(&gateway.url("")).unwrap();
        assert_eq!(viewer.status(path), 200, "the entry link has expired, the session has not");
    }
}

/// The origin is asked with what the MPD wrote, and not with what a viewer makes of it.
#[test]
fn the_query_of_a_patch_location_reaches_the_origin() {
    let mpd = with(LIVE, "<PatchLocation>p.mpp?publishTime=1&amp;a=2</PatchLocation>");
    let patch = "<Patch xmlns=\"urn:mpeg:dash:schema:mpd-patch:2020\"/>";
    let origin = Watched::start(
        Router::new()
            .route("/vod/a/manifest.mpd", get(async move || mpd))
            .route("/vod/a/p.mpp", get(async move || patch)),
    );
    let gateway = site("").start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let (session, mpd) = enter(&mut viewer);
    let location = resolve(&session, &texts(&mpd, "PatchLocation")[0]);
    origin.take();
    for asked in [location.clone(), format!("{location}&b=3"), location.replace("a=2", "a=7")] {
        assert_eq!(viewer.status(&asked), 200, "{asked}");
        let seen = origin.take();
        assert_eq!(seen[0].target, "/vod/a/p.mpp?publishTime=1&a=2", "{asked}");
    }
    let broken = location.replacen("sgv=A", "sgv=B", 1);
    assert_eq!(viewer.status(&broken), 403, "{broken}");
}

/// Players keep what their own query says: it comes back with each reload.
#[test]
fn a_location_keeps_the_viewers_query() {
    let media = media(&with(LIVE, ""));
    let gateway = site("forward_query = [\"x\"]").folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/vod/a/manifest.mpd");
    let mpd = viewer.get(&format!("{session}?x=1&y=2")).text();
    let location = &texts(&mpd, "Location")[0];
    assert!(location.ends_with("/vod/a/manifest.mpd?x=1&y=2"), "{location}");
}

#[test]
fn base_urls_lead_to_where_the_segments_are_delivered() {
    let media = media(&with(
        r#"type="static" mediaPresentationDuration="PT4S""#,
        "<BaseURL serviceLocation=\"a\">http://folder.invalid/vod/a/</BaseURL>",
    ));
    let cdn = cdn("https://cdn.test/x/", "directory", 10);
    for (route, base) in [
        ("carry = \"path\"", "/s/TOKEN/vod/a/"),
        ("carry = \"query\"", "/vod/a/"),
        (&*cdn, "https://cdn.test/x/vod/a/"),
    ] {
        let gateway = site(route).folder(media.path());
        let (session, mpd) = enter(&mut Viewer::of(&gateway));
        let base = base.replace("TOKEN", token_of(&session));
        let base = if base.starts_with('/') { gateway.url(&base) } else { base };
        assert!(mpd.contains(&format!("<BaseURL serviceLocation=\"a\">{base}</BaseURL>")), "{mpd}");
    }
}

/// What an xlink leads to is resolved as if it stood in the MPD.
#[test]
fn a_remote_period_is_rewritten_with_the_mpds_base() {
    let period = "<Period xlink:href=\"remote/period.xml?a=1\" xlink:actuate=\"onLoad\" \
                  xmlns:xlink=\"http://www.w3.org/1999/xlink\"/>\n<Period \
                  xlink:href=\"urn:mpeg:dash:resolve-to-zero:2013\" \
                  xmlns:xlink=\"http://www.w3.org/1999/xlink\"/>";
    let mpd = with("type=\"static\"", &format!("<BaseURL>../b/</BaseURL>{period}"));
    let media = media(&mpd);
    let remote = "<Period xmlns=\"urn:mpeg:dash:schema:mpd:2011\" duration=\"PT2S\"><AdaptationSet>\
                  <Representation id=\"r\"><BaseURL>1.m4s</BaseURL></Representation>\
                  </AdaptationSet></Period><Period/>";
    crate::support::write(media.path(), "vod/a/remote/period.xml", remote.as_bytes());
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = site(&route).folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let (session, mpd) = enter(&mut viewer);
        let links = values(&mpd, "xlink:href");
        assert_eq!(links[1], "urn:mpeg:dash:resolve-to-zero:2013");
        // The MPD's base is elsewhere, and players differ in whether it counts here.
        let link = links[0].strip_prefix(&gateway.url("")).unwrap().to_owned();
        let answer = viewer.get(&link);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        let url = &texts(&answer.text(), "BaseURL")[0];
        let path = url.strip_prefix(&gateway.url("")).unwrap_or_else(|| panic!("{url}"));
        assert_eq!(viewer.get(path).text(), "elsewhere", "{path}");
        // The base is for that element alone.
        let (_, sealed) = link.split_once("sgv=").unwrap();
        let sealed = sealed.split('&').next().unwrap();
        let joint = if session.contains('?') { '&' } else { '?' };
        assert_eq!(viewer.status(&format!("{session}{joint}sgv={sealed}")), 403);
    }
}

#[test]
fn patches_are_offered_where_nothing_moved_and_tokens_last() {
    let mpd =
        with(LIVE, "<PatchLocation ttl=\"60\">manifest.mpp?publishTime=1&amp;a=2</PatchLocation>");
    let media = media(&mpd);
    let patch = "<Patch xmlns=\"urn:mpeg:dash:schema:mpd-patch:2020\" mpdId=\"x\" \
                 originalPublishTime=\"1\" publishTime=\"2\"><add sel=\"/MPD\"><Period id=\"p\"><AdaptationSet>\
                 <SegmentTemplate media=\"n/$Number$.m4s\"/><Representation id=\"r\"/></AdaptationSet></Period></add>\
                 <replace sel=\"/MPD/Period[1]/AdaptationSet[1]/SegmentTemplate/@media\">/vod/a/v1/$Number$.m4s</replace></Patch>";
    crate::support::write(media.path(), "vod/a/manifest.mpp", patch.as_bytes());
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = site(&route).folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let (session, mpd) = enter(&mut viewer);
        let (_, location) = mpd.split_once("<PatchLocation ttl=\"60\">").unwrap();
        let location = location.split('<').next().unwrap().replace("&amp;", "&");
        assert!(location.contains("publishTime=1&a=2"), "{location}");
        let answer = viewer.get(&resolve(&session, &location));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/dash-patch+xml"));
        let text = answer.text();
        for template in [
            &values(&text, "media")[0],
            text.split("@media\">").nth(1).unwrap().split('<').next().unwrap(),
        ] {
            assert!(template.starts_with(&gateway.url("/")), "{template}");
            assert_eq!(token_of(template), token_of(&session));
        }
    }
    let cdn = cdn("https://cdn.test/", "directory", 10);
    let gateway = site(&cdn).folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    assert!(!mpd.contains("PatchLocation"), "{mpd}");
}

#[test]
fn clocks_and_licences_stay_unless_the_route_delivers_them() {
    let elements = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" \
                    value=\"http://time.test/now http://folder.invalid/vod/now\"/>\
                    <ContentProtection xmlns:d=\"https://dashif.org/CPS\">\
                    <d:Laurl>http://folder.invalid/vod/licence</d:Laurl></ContentProtection>";
    let media = media(&with("type=\"static\"", elements));
    let gateway = site("").folder(media.path());
    let (session, mpd) = enter(&mut Viewer::of(&gateway));
    let clock = &values(&mpd, "value")[0];
    let own = gateway.url(&format!("/s/{}/vod/now", token_of(clock)));
    assert_eq!(*clock, format!("http://time.test/now {own}"));
    assert_ne!(token_of(clock), token_of(&session), "it lies outside of the asset");
    assert_eq!(texts(&mpd, "d:Laurl"), ["http://folder.invalid/vod/licence"]);
    let gateway = site("sign_licenses = true").folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    let licence = &texts(&mpd, "d:Laurl")[0];
    assert_eq!(*licence, format!("/s/{}/vod/licence", token_of(licence)));
}

#[test]
fn what_tells_strangers_of_the_session_is_left_out_unless_they_are_trusted() {
    let elements = "<Metrics metrics=\"HttpList\"><Reporting schemeIdUri=\"urn:test\" \
                    reportingUrl=\"http://report.test/\"/></Metrics>\
                    <ContentSteering>http://steering.test/</ContentSteering>";
    let media = media(&with("type=\"static\"", elements));
    for (route, is_trusted) in
        [("", false), ("third_party = \"keep\"", false), ("third_party = \"trust\"", true)]
    {
        let gateway = site(route).folder(media.path());
        let (_, mpd) = enter(&mut Viewer::of(&gateway));
        for host in ["report.test", "steering.test"] {
            assert_eq!(mpd.contains(host), is_trusted, "{route}: {mpd}");
        }
    }
}

#[test]
fn a_template_that_cannot_be_written_out_goes_through_the_gateway_or_is_refused() {
    // Half a year of segments.
    let media = media(&with(LIVE, ""));
    let cdn = cdn("https://cdn.test/", "file", 10);
    let gateway = site(&cdn).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let (session, mpd) = enter(&mut viewer);
    let template = &values(&mpd, "media")[1];
    let path = format!("/s/{}/vod/a/v1/$Number$.m4s", token_of(&session));
    assert_eq!(*template, gateway.url(&path), "{mpd}");
    let segment = viewer.get(&resolve(&session, "v1/1.m4s"));
    assert_eq!(segment.status, 302);
    cdn_expiry(segment.header("location").unwrap(), Scope::File);

    let refused = format!("unexpandable = \"refuse\"\n{cdn}");
    let gateway = site(&refused).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/vod/a/manifest.mpd");
    assert_eq!(viewer.status(&session), 502);
}

#[test]
fn a_live_list_of_segments_follows_the_clock() {
    let window = format!("{LIVE} timeShiftBufferDepth=\"PT10S\"");
    let media = media(&with(&window, ""));
    let cdn = cdn("https://cdn.test/", "file", 10);
    let gateway = site(&cdn).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/vod/a/manifest.mpd");
    let mut look = || {
        let answer = viewer.get(&session);
        (values(&answer.text(), "media"), answer.header("etag").unwrap().to_owned())
    };
    let (before, tag) = look();
    assert!((10..=14).contains(&before.len()), "five or six for each: {before:#?}");
    gateway.clock.advance(2);
    let (after, new_tag) = look();
    assert_ne!(tag, new_tag);
    let name = |url: &String| url.split('?').next().unwrap().to_owned();
    assert_eq!(name(&before[1]), name(&after[0]), "one segment later");
}

/// videojs/mpd-parser#126: what is named an MPD and is none never leaves.
#[test]
fn what_is_no_manifest_is_a_bad_gateway() {
    for content in [
        "<html><body>404</body></html>",
        "",
        "not XML",
        "<MPD><BaseURL>a?b&c</BaseURL></MPD>",
        "<!DOCTYPE MPD [<!ENTITY x \"y\">]><MPD/>",
        "<MPD><Period></MPD>",
    ] {
        let media = folder(&[("vod/a/manifest.mpd", content.as_bytes())]);
        let gateway = site("").folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/vod/a/manifest.mpd");
        let answer = viewer.get(&session);
        assert_eq!(answer.status, 502, "{content}");
        assert!(!answer.text().contains('<'), "{}", answer.text());
    }
}

/// An MPD is told by its content, whatever its name and type are.
#[test]
fn an_mpd_without_a_name_is_found() {
    let prolog = format!("<?xml version=\"1.0\"?><!-- {} -->", "x".repeat(2000));
    let mpd = FOLDERS.replace("<?xml version=\"1.0\"?>", &prolog);
    let origin = Watched::start(Router::new().route(
        "/vod/a/manifest",
        get(async move || ([(header::CONTENT_TYPE, "text/plain")], mpd)),
    ));
    let gateway = site("carry = \"query\"").start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/vod/a/manifest");
    let answer = viewer.get(&session);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(values(&answer.text(), "media")[0].contains("?sg="), "{}", answer.text());
}

#[test]
fn the_api_names_the_url_of_an_mpd() {
    let media = media(FOLDERS);
    let gateway = site("").folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let authorization = format!("Bearer {BEARER}");
    let call = |viewer: &mut Viewer<'_>, path: &str| {
        let body = format!("{{\"path\":\"{path}\"}}");
        let opened = viewer.call(&[("Authorization", &authorization)], &body);
        serde_json::from_slice::<serde_json::Value>(&opened.body).unwrap()["urls"].clone()
    };
    let urls = call(&mut viewer, "/vod/a/manifest.mpd");
    assert!(urls["dash"].as_str().unwrap().ends_with("/vod/a/manifest.mpd"), "{urls}");
    assert!(urls.get("hls").is_none());
    assert!(call(&mut viewer, "/vod/a/master.m3u8").get("dash").is_none());
}

/// A token of one CDN must not be sent to another.
#[test]
fn of_alternatives_those_that_a_token_does_not_open_are_left_out() {
    let bases = "<BaseURL serviceLocation=\"a\">http://folder.invalid/vod/a/</BaseURL>\n\
                 <BaseURL serviceLocation=\"b\">https://other.test/a/</BaseURL>\n";
    let media = media(&with("type=\"static\" mediaPresentationDuration=\"PT4S\"", bases));
    let cdn = cdn("https://cdn.test/", "directory", 10);
    for (route, is_left_out) in
        [(&*cdn, true), ("carry = \"query\"", true), ("carry = \"path\"", false)]
    {
        let gateway = site(route).folder(media.path());
        let (_, mpd) = enter(&mut Viewer::of(&gateway));
        assert_eq!(!mpd.contains("other.test"), is_left_out, "{route}: {mpd}");
        assert!(mpd.contains("serviceLocation=\"a\""), "{mpd}");
    }
}

/// Dash-Industry-Forum/dash.js#4440: players with annex I take the token from the MPD's own URL.
#[test]
fn players_may_be_told_to_copy_the_query() {
    let media = media(FOLDERS);
    let gateway = site("carry = \"query\"\nurl_query_info = true").folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let (session, mpd) = enter(&mut viewer);
    assert_eq!(values(&mpd, "media"), ["$RepresentationID$/$Number$.m4s"], "{mpd}");
    assert!(mpd.contains("useMPDUrlQuery=\"true\""), "{mpd}");
    let (_, query) = session.split_once('?').unwrap();
    assert_eq!(viewer.status(&resolve(&session, &format!("v1/1.m4s?{query}"))), 200);
    // A URI beyond the asset has a token of its own, which no player could copy.
    let media = self::media(&FOLDERS.replace("$RepresentationID$/$Number$", "/vod/b/$Number$"));
    let gateway = site("carry = \"query\"\nurl_query_info = true").folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    assert!(!mpd.contains("useMPDUrlQuery") && mpd.contains("sg="), "{mpd}");
    // Players would copy the token to another host, too.
    let foreign = "<AdaptationSet mimeType=\"audio/mp4\"><BaseURL>https://other.test/</BaseURL>\
                   <SegmentTemplate media=\"$Number$.m4s\" duration=\"2\"/>\
                   <Representation id=\"f\" bandwidth=\"1\"/></AdaptationSet></Period>";
    let media = self::media(&FOLDERS.replace("</Period>", foreign));
    let gateway = site("carry = \"query\"\nurl_query_info = true").folder(media.path());
    let (_, mpd) = enter(&mut Viewer::of(&gateway));
    assert!(mpd.contains("other.test"), "{mpd}");
    assert!(!mpd.contains("useMPDUrlQuery") && mpd.contains("sg="), "{mpd}");
}

/// dash.js resolves these against the page, whose host would get the token.
#[test]
fn what_players_resolve_against_the_page_is_absolute() {
    let elements = "<ContentSteering>steering.json</ContentSteering><UTCTiming \
                    schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"clock\"/>";
    let media = media(&with("type=\"static\" mediaPresentationDuration=\"PT4S\"", elements));
    for carry in ["path", "query"] {
        let gateway = site(&format!("carry = \"{carry}\"")).folder(media.path());
        let (_, mpd) = enter(&mut Viewer::of(&gateway));
        let (_, steering) = mpd.split_once("<ContentSteering>").unwrap();
        assert!(steering.starts_with("http"), "{carry}: {mpd}");
        let clocks = values(&mpd, "value");
        assert!(clocks.iter().any(|clock| clock.starts_with("http")), "{carry}: {mpd}");
    }
}

/// shaka-project/shaka-player#8531, xbmc/inputstream.adaptive#199: a player goes on for a while with
/// what the MPD before said.
#[test]
fn the_tokens_of_the_mpd_before_still_open() {
    const TTL_SECS: u64 = 10;
    let media = media(&with(LIVE, ""));
    let cdn = cdn("https://cdn.test/", "directory", TTL_SECS);
    let gateway = site(&cdn).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/vod/a/manifest.mpd");
    let mut before: Option<UnixTime> = None;
    for _ in 0..5 {
        let mpd = viewer.get(&session).text();
        let template = values(&mpd, "media")[1].clone();
        let query = template.split_once('?').unwrap().1;
        let expires =
            cdn_expiry(&format!("https://cdn.test/vod/a/v1/1.m4s?{query}"), Scope::Directory);
        let now = gateway.clock.now();
        assert!(expires.0 > now.0 + TTL_SECS && expires.0 <= now.0 + 2 * TTL_SECS);
        if let Some(before) = before {
            assert!(before > now, "the old ones end after the new ones have come");
        }
        before = Some(expires);
        gateway.clock.advance(TTL_SECS - 1);
    }
}
