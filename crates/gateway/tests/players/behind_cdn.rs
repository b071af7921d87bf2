//! The normal case: playlists from the gateway, everything else from a CDN that checks tokens.

use sluicegate_gateway::{Clock as _, SystemClock};
use sluicegate_testkit::nginx::Scope;
use sluicegate_testkit::{Browser, Nginx, require_browser, require_tools};

use crate::playback::{assert_played, resource, urls_at};
use crate::replay;
use crate::setup::{CDN_FOLDER, cdn_link, gateway_before, nginx_cdn};
use crate::streams::{Resource, SUBDIRS};

fn subdirectories_play_from(scope: Scope) {
    let nginx = nginx_cdn(scope);
    let cdn = nginx.url(CDN_FOLDER);
    let gateway = gateway_before(&cdn, scope);
    let link = gateway.entry_link(&SUBDIRS.master());
    let played = Browser::play(&link, &SUBDIRS.play_options());
    assert_played(&SUBDIRS, &link, &played);

    for request in played.requests.iter().filter(|request| request.url != link) {
        let is_playlist = resource(request).unwrap().is_playlist();
        let home = if is_playlist { gateway.url("/") } else { cdn.clone() };
        assert!(request.url.starts_with(&home), "{request:#?}");
    }
    assert_delivered(&nginx, SUBDIRS.implied().iter().filter(|resource| !resource.is_playlist()));

    replay::at_gateway(&gateway, &SUBDIRS, &urls_at(&played, &gateway.url("/")));
    replay::at_nginx(&nginx, scope, &urls_at(&played, &cdn));
}

/// The CDN refused nobody, was asked for no playlist, and delivered all these files.
pub(crate) fn assert_delivered<'r>(nginx: &Nginx, files: impl IntoIterator<Item = &'r Resource>) {
    let log = nginx.access_log();
    assert!(log.iter().all(|line| matches!(line.status, 200 | 204 | 206)), "{log:#?}");
    assert!(log.iter().all(|line| !line.uri.ends_with(".m3u8")), "{log:#?}");
    for file in files {
        let uri = format!("{CDN_FOLDER}{}", &file.path[1..]);
        assert!(log.iter().any(|line| line.uri == uri), "{uri}");
    }
}

#[test]
fn subdirectories_play_from_a_cdn_with_a_token_a_directory_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    subdirectories_play_from(Scope::Directory);
}

#[test]
fn subdirectories_play_from_a_cdn_with_a_token_a_file_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    subdirectories_play_from(Scope::File);
}

/// What the gateway is for: a player asks for the playlist of the subdirectory without any token.
#[test]
fn a_directory_token_alone_plays_nothing_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = nginx_cdn(Scope::Directory);
    let master = format!("{CDN_FOLDER}subdirs/master.m3u8");
    let expires = SystemClock.now().saturating_add(3600);
    let link = nginx.url(&cdn_link(&master, Scope::Directory, expires));
    let played = Browser::play(&link, &SUBDIRS.play_options());
    eprintln!("{} requests, errors {:?}", played.requests.len(), played.errors);
    assert!(!played.ended && played.frames == 0, "{played:#?}");
    assert!(!played.fatal_errors().is_empty(), "{played:#?}");

    let log = nginx.access_log();
    assert_eq!((log[0].uri.as_str(), log[0].status), (master.as_str(), 200));
    assert!(log.len() > 1 && log[1..].iter().all(|line| line.status == 403), "{log:#?}");
    let media_playlist = format!("{CDN_FOLDER}subdirs/360p/index.m3u8");
    assert!(log.iter().any(|line| line.request_uri == media_playlist), "{log:#?}");
}
