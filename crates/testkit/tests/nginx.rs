//! The real nginx: what it serves, refuses and logs.

use sluicegate_testkit::http::Client;
use sluicegate_testkit::nginx::{AccessLine, Nginx, Scope, SecureLink};
use sluicegate_testkit::{fixtures, players, require_tools};

fn flat() -> Nginx {
    Nginx::builder().plain("/s/", fixtures::streams().join("flat")).start()
}

#[test]
fn nginx_checks_published_tokens_and_logs_the_raw_and_the_decoded_path() {
    require_tools!("nginx");
    let link = |prefix: &str, scope, bind_ip| SecureLink {
        prefix: prefix.to_owned(),
        root: None,
        scope,
        secret: "secret".to_owned(),
        bind_ip,
    };
    // The links of the page of ngx_http_secure_link_module, bound and not.
    let bound = "/s/link?md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647";
    let plain = "/s/link?md5=0Xgm37lo5nFEuHMDKl_vQg&expires=2147483647";
    for (bind_ip, good, bad) in [(true, bound, plain), (false, plain, bound)] {
        let nginx = Nginx::builder().secure_link(link("/s/", Scope::File, bind_ip)).start();
        let mut client = Client::connect(nginx.addr()).unwrap();
        let raw = good.replace("/s/link", "//s/./l%69nk");
        for (target, status) in [(good, 200), (bad, 403), (&raw, 200), ("/s/a%0Ab", 403)] {
            let response = client.get(target.as_bytes(), &[]).unwrap();
            assert_eq!(response.status, status, "{target}");
            assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{target}");
        }
        let log = nginx.access_log();
        assert_eq!(log.len(), 4);
        assert_eq!(
            log[2],
            AccessLine {
                status: 200,
                method: "GET".to_owned(),
                uri: "/s/link".to_owned(),
                request_uri: raw,
            }
        );
        assert_eq!(log[3].uri, "/s/a\nb");
    }
}

#[test]
fn nginx_serves_a_folder_below_a_prefix_with_ranges_and_preflights() {
    require_tools!("nginx");
    let nginx = flat();
    let mut client = Client::connect(nginx.addr()).unwrap();
    let playlist = client.get(b"/s/master.m3u8", &[]).unwrap();
    assert_eq!(playlist.status, 200);
    assert_eq!(playlist.header("Content-Type"), Some("application/vnd.apple.mpegurl"));
    let part = client.get(b"/s/master.m3u8", &[("Range", "bytes=0-6")]).unwrap();
    assert_eq!((part.status, part.text().as_str()), (206, "#EXTM3U"));
    let preflight = client.request("OPTIONS", b"/s/master.m3u8", &[]).unwrap();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("Access-Control-Allow-Headers"), Some("Range"));
    assert_eq!(client.get(b"/elsewhere", &[]).unwrap().status, 404);
}

#[test]
fn nginx_ends_with_its_value_and_two_run_side_by_side() {
    require_tools!("nginx");
    let (first, second) = (flat(), flat());
    let addr = first.addr();
    assert_ne!(addr, second.addr());
    drop(first);
    assert!(Client::connect(addr).is_err());
    assert!(Client::connect(second.addr()).is_ok());
}

#[test]
fn ffmpeg_counts_the_frames_that_came() {
    require_tools!("nginx", "ffmpeg");
    let nginx = flat();
    let played = players::ffmpeg_frames(&nginx.url("/s/master.m3u8"));
    assert!(played.exit_ok && played.frames == 200, "{played:?}");
    let missing = players::ffmpeg_frames(&nginx.url("/s/nothing.m3u8"));
    assert!(!missing.exit_ok && missing.frames == 0, "{missing:?}");
}

#[test]
fn gstreamer_plays_to_the_end_or_says_that_it_did_not() {
    require_tools!("nginx", "gst-launch-1.0");
    let nginx = flat();
    let played = players::gstreamer(&nginx.url("/s/master.m3u8"));
    assert!(played.ok, "{played:?}");
    assert!(!players::gstreamer(&nginx.url("/s/nothing.m3u8")).ok);
}
