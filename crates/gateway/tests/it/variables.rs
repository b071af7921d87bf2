//! EXT-X-DEFINE through the gateway: what a rendition imports travels tagged in its URL, and what
//! a viewer chooses decides no path.

use crate::support::{Site, Viewer, folder, resolve, uris};

const MASTER: &[u8] = b"#EXTM3U\n\
    #EXT-X-DEFINE:NAME=\"folder\",VALUE=\"low\"\n\
    #EXT-X-DEFINE:NAME=\"q\",VALUE=\"a=1\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1\n{$folder}/i.m3u8\n";
const RENDITION: &[u8] = b"#EXTM3U\n\
    #EXT-X-DEFINE:IMPORT=\"folder\"\n\
    #EXT-X-TARGETDURATION:2\n#EXTINF:2,\n../media/{$folder}-0.ts\n#EXT-X-ENDLIST\n";

fn files() -> tempfile::TempDir {
    folder(&[
        ("v/master.m3u8", MASTER),
        ("v/low/i.m3u8", RENDITION),
        ("v/media/low-0.ts", b"segment"),
    ])
}

#[test]
fn a_rendition_imports_the_values_of_the_playlist_that_led_to_it() {
    let media = files();
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let master = viewer.get(&session).text();
        let rendition = resolve(&session, &uris(&master)[0]);
        assert!(rendition.contains("sgv="), "{rendition}");
        let text = viewer.get(&rendition).text();
        // The text stays as it is; a player fills the value in.
        let written = uris(&text)[0].clone();
        assert!(written.contains("{$folder}-0.ts"), "{text}");
        let segment = resolve(&rendition, &written.replace("{$folder}", "low"));
        assert_eq!(viewer.status(&segment), 200, "{segment}");
    }
}

#[test]
fn values_that_did_not_come_or_were_changed_are_refused() {
    let media = files();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let master = viewer.get(&session).text();
    let rendition = resolve(&session, &uris(&master)[0]);
    let (path, values) = rendition.split_once("sgv=").unwrap();

    let without = viewer.get(path.trim_end_matches(['?', '&']));
    assert_eq!(without.status, 502);
    assert!(without.text().contains("manifest-uri-refused"), "{}", without.text());
    let mut changed: Vec<char> = values.chars().collect();
    for at in [0, 10, values.len() - 2] {
        let original = changed[at];
        changed[at] = if original == 'A' { 'B' } else { 'A' };
        let changed_values: String = changed.iter().collect();
        assert_eq!(viewer.status(&format!("{path}sgv={changed_values}")), 403, "at {at}");
        changed[at] = original;
    }
    assert_eq!(viewer.status(&format!("{rendition}&sgv={values}")), 403);
    // The values are for one rendition.
    let elsewhere = path.replace("low/i.m3u8", "master.m3u8");
    assert_eq!(viewer.status(&format!("{elsewhere}sgv={values}")), 403);
}

#[test]
fn a_viewer_chooses_no_path_and_may_choose_in_a_query() {
    let media = folder(&[
        ("v/path.m3u8", b"#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"t\"\n#EXTINF:2,\n{$t}/a.ts\n"),
        ("v/query.m3u8", b"#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"t\"\n#EXTINF:2,\na.ts?t={$t}\n"),
    ]);
    let site = Site { route: "carry = \"query\"\nforward_query = [\"t\"]", ..Site::default() };
    let gateway = site.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/path.m3u8");
    assert_eq!(viewer.status(&format!("{session}&t=other")), 502);
    let query = session.replace("path.m3u8", "query.m3u8");
    assert_eq!(viewer.status(&query), 502, "undefined");
    let answer = viewer.get(&format!("{query}&t=x"));
    assert!(answer.text().contains("a.ts?t={$t}&sg="), "{}", answer.text());
}
