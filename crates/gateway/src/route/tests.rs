use std::path::Path;

use super::*;
use crate::config::Config;

fn route(extra: &str) -> Route {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("k"), "A".repeat(43)).unwrap();
    std::fs::write(folder.path().join("c"), "cdn-secret").unwrap();
    let text = format!(
        "[session]\nkey = {{ file = \"k\" }}\n[[route]]\nid = \"vod\"\n\
         segments = \"gateway\"\n{extra}\n\
         [route.cdn]\nbase_url = \"https://cdn.example.com/v/\"\nkey = {{ file = \"c\" }}\n"
    );
    let config = Config::parse(&text, folder.path(), Path::new("t")).unwrap().routes.remove(0);
    let origin = Origin::unreachable_for_tests();
    Route::new(config, origin)
}

fn videos() -> Route {
    route(
        "path = \"/videos/\"\norigin = \"https://origin.example.com/media/\"\nasset = \"/videos/{asset}/\"\n\
         allow_hosts = [\"https://two.example.com/vod/\", \"http://three.example.com:81/\"]",
    )
}

fn request(raw: &str) -> RequestPath {
    RequestPath::parse(raw, 4096).unwrap()
}

fn located(route: &Route, url: &str) -> Option<String> {
    match route.locate(&Url::parse(url).unwrap()) {
        Located::Here(place) => Some(format!("{} {}", place.host, place.raw)),
        Located::Outside => None,
        Located::Foreign => Some("foreign".to_owned()),
    }
}

#[test]
fn gateway_origin_and_cdn_stand_for_each_other() {
    let route = videos();
    let place = route.place(&request("/videos/a/360p/seg%201.ts")).unwrap();
    assert_eq!(
        route.origin_urls(&place, "_HLS_msn=4")[0].as_str(),
        "https://origin.example.com/media/a/360p/seg%201.ts?_HLS_msn=4"
    );
    assert_eq!(
        route.cdn_url(&place, None).unwrap().as_str(),
        "https://cdn.example.com/v/a/360p/seg%201.ts"
    );
    for url in [
        "https://origin.example.com/media/a/360p/seg%201.ts",
        "https://cdn.example.com/v/a/360p/seg%201.ts",
    ] {
        assert_eq!(located(&route, url).unwrap(), "0 /videos/a/360p/seg%201.ts");
    }
}

#[test]
fn further_hosts_have_numbers_and_no_request_names_a_host() {
    let route = videos();
    let place = route.place(&request("/~1/vod/x/y.ts")).unwrap();
    assert_eq!(route.origin_urls(&place, "")[0].as_str(), "https://two.example.com/vod/x/y.ts");
    assert_eq!(route.cdn_url(&place, None), None);
    assert_eq!(located(&route, "https://two.example.com/vod/x/y.ts").unwrap(), "1 /~1/vod/x/y.ts");
    assert_eq!(located(&route, "http://three.example.com:81/z").unwrap(), "2 /~2/z");
    for outside in
        ["/~1/other/x", "/~3/vod/x", "/~0/videos/x", "/~01/vod/x", "/~/x", "/videosx/a", "/other/a"]
    {
        assert_eq!(route.place(&request(outside)), None, "{outside}");
    }
}

#[test]
fn what_is_outside_and_what_is_foreign_are_told_apart() {
    let route = videos();
    for outside in [
        "https://origin.example.com/private/x",
        "https://origin.example.com/media/../private/x",
        "https://cdn.example.com/w/x",
        "https://two.example.com/x",
        "https://origin.example.com/media/a%2F..%2F..%2Fprivate/x",
        "https://origin.example.com/media//x",
    ] {
        assert_eq!(located(&route, outside), None, "{outside}");
    }
    for foreign in [
        "http://origin.example.com/media/x",
        "https://origin.example.com:444/media/x",
        "https://evil.example/",
    ] {
        assert_eq!(located(&route, foreign).unwrap(), "foreign", "{foreign}");
    }
}

#[test]
fn whole_roots_and_less_than_an_asset_are_not_granted() {
    let route = videos();
    let may = |raw: &str| route.may_grant_folder_of(&route.place(&request(raw)).unwrap());
    assert!(may("/videos/a/master.m3u8").is_ok());
    assert!(may("/videos/a/hls/master.m3u8").is_ok());
    assert!(may("/videos/master.m3u8").unwrap_err().contains("pattern /videos/{asset}/"));
    assert!(may("/~1/vod/x/y.ts").is_ok());
    assert!(may("/~1/vod/y.ts").is_err());
    assert!(may("/~2/y.ts").is_err());
    let root = super::tests::route("origin = \"https://o/\"");
    let place = root.place(&request("/master.m3u8")).unwrap();
    assert!(root.may_grant_folder_of(&place).unwrap_err().contains("root"));
}

#[test]
fn parameters_are_forwarded_by_pattern() {
    let route = route("origin = \"https://o/\"\nforward_query = [\"_HLS_*\", \"v\"]");
    for (name, forwarded) in
        [("_HLS_msn", true), ("v", true), ("vv", false), ("md5", false), ("_hls_msn", false)]
    {
        assert_eq!(route.forwards(name.as_bytes()), forwarded, "{name}");
    }
}
