//! Players with manifests that name a host of strangers in every way that makes a player talk to it: whatever
//! it learns, no token is among it.

mod recording;
mod rows;
mod secrets;

use std::fs;
use std::path::Path;
use std::time::Duration;

use sluicegate_testkit::browser::{Play, PlayOptions, Playback, Player};
use sluicegate_testkit::{Browser, Gateway, fixtures, require_browser};
use tempfile::TempDir;

use self::recording::Recording;
use self::rows::{Expected, ROUTES, Row};
use self::secrets::{Secrets, has_place_of_token};
use crate::setup::SESSION_SECS;

/// A second of the pictures, after which all that a player asks for at the start was asked for.
const FRAMES: u64 = 25;

/// The streams whose files lie beside the manifests, at the origin, the CDN and the stranger.
const STREAMS: [&str; 2] = ["number", "flat"];

/// A gateway, its CDN, and the host of strangers.
struct Scene {
    gateway: Gateway,
    cdn: Recording,
    stranger: Recording,
    folder: TempDir,
}

/// One row with one player on one route.
struct Case<'r> {
    row: &'r Row,
    player: Player,
    route: &'static str,
    link: String,
}

impl Scene {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in STREAMS {
            let to = folder.path().join(name);
            fs::create_dir(&to).unwrap();
            for (file, content) in fixtures::files_below(&fixtures::streams().join(name)) {
                fs::write(to.join(file), content).unwrap();
            }
        }
        let cdn = Recording::start(folder.path().to_owned());
        let stranger = Recording::start(folder.path().to_owned());
        let mut config = format!(
            "[session]\nkey = {{ file = \"session.key\" }}\nlength_secs = {SESSION_SECS}\n"
        );
        for (name, settings) in ROUTES {
            config += &format!(
                "[[route]]\nid = \"{name}\"\npath = \"/{name}/\"\norigin = \"file:{}\"\n\
                 entry = {{ key = {{ file = \"entry.key\" }} }}\n{}\n",
                folder.path().display(),
                settings.replace("{cdn}", &cdn.url("/cdn/"))
            );
        }
        Self { gateway: Gateway::start(&config), cdn, stranger, folder }
    }

    /// What the stranger's URLs begin with in one row.
    fn theirs(&self, row: &Row) -> String {
        self.stranger.url(&format!("/{}/", row.name))
    }

    /// Writes what a row needs, and tells its cases.
    fn cases<'r>(&self, row: &'r Row) -> Vec<Case<'r>> {
        let path = format!("{}/{}.{}", row.stream, row.name, row.extension());
        let theirs = self.theirs(row);
        // A host without the scheme, as pathway clones have it.
        let host = self.stranger.url("");
        let host = host.trim_start_matches("http://");
        let ours = self.gateway.url(&format!("/{}/{}/", row.cases[0].0, row.stream));
        let text = |text: &str| {
            text.replace("{stranger}", &theirs).replace("{host}", host).replace("{ours}", &ours)
        };
        let write = |path: &Path, content: &str| {
            fs::write(self.folder.path().join(path), text(content)).unwrap();
        };
        write(Path::new(&path), &row.manifest);
        for (name, content) in &row.beside {
            write(&Path::new(row.stream).join(name), content);
        }
        let case = |&(route, player): &(&'static str, Player)| {
            let link = self.gateway.entry_link(&format!("/{route}/{path}"));
            Case { row, player, route, link }
        };
        row.cases.iter().map(case).collect()
    }

    fn play(&self, case: &Case<'_>) -> Play {
        let wanted = match case.row.expected {
            Expected::Asked => vec![self.theirs(case.row)],
            Expected::OursAsked(path) => vec![self.gateway.url(&format!("/{}/{path}", case.route))],
            Expected::Nothing | Expected::Refused => Vec::new(),
        };
        let frames = match case.row.expected {
            // It lasts until the player gives up.
            Expected::Refused => 1,
            _ if case.row.plays => FRAMES,
            _ => 0,
        };
        let options = PlayOptions {
            player: case.player,
            frames: Some(frames),
            timeout: Duration::from_secs(20),
            ..PlayOptions::default()
        };
        Play { url: case.link.clone(), options, wanted }
    }

    /// What is wrong with a playback, if anything is.
    fn complaint(&self, case: &Case<'_>, played: &Playback) -> Option<String> {
        let theirs = self.theirs(case.row);
        let was_asked = |start: &str| played.requests.iter().any(|row| row.url.starts_with(start));
        let was_refused = played.requests.iter().any(|row| row.status == Some(502));
        let complaint = match case.row.expected {
            _ if played.timed_out => "stalled",
            Expected::Refused if !was_refused => "the manifest was not refused",
            Expected::Refused => return None,
            _ if was_refused => "the manifest was refused",
            Expected::Asked if !was_asked(&theirs) => "never asked the stranger",
            Expected::OursAsked(path)
                if !was_asked(&self.gateway.url(&format!("/{}/{path}", case.route))) =>
            {
                "never asked the gateway for what it names"
            }
            Expected::Nothing | Expected::OursAsked(_) if was_asked(&theirs) => {
                "asked the stranger"
            }
            _ if case.row.plays && played.frames < FRAMES => "did not play",
            _ => return None,
        };
        Some(complaint.to_owned())
    }

    /// Looks for tokens in all that strangers got, and for those of sessions in what the CDN got.
    fn leaks(&self, links: &[&str], played: &[Playback]) -> Vec<String> {
        let (home, cdn) = (self.gateway.url("/"), self.cdn.url("/cdn/"));
        let requests = || played.iter().flat_map(|played| &played.requests);
        let [mut ours, mut of_cdn] = [(), ()].map(|()| Secrets::default());
        links.iter().for_each(|link| ours.add_from(link));
        for request in requests() {
            let secrets = if request.url.starts_with(&home) { &mut ours } else { &mut of_cdn };
            if request.url.starts_with(&home) || request.url.starts_with(&cdn) {
                secrets.add_from(&request.url);
            }
        }
        eprintln!("{} tokens of the gateway, {} of the CDN", ours.len(), of_cdn.len());
        assert!(ours.len() > ROUTES.len() && of_cdn.len() > 0, "no tokens to look for");

        let is_known = |url: &str| url.starts_with(&home) || url.starts_with(&cdn);
        // Nor may the page's own host, or any other, learn one.
        let elsewhere = requests().filter(|request| !is_known(&request.url));
        let elsewhere = elsewhere.map(|request| request.url.clone());
        let strangers = self.stranger.seen().into_iter().chain(elsewhere);
        let is_leak = |text: &String| {
            has_place_of_token(text)
                || ours.part_in(text).is_some()
                || of_cdn.part_in(text).is_some()
        };
        let at_cdn = self.cdn.seen().into_iter().filter(|text| ours.part_in(text).is_some());
        strangers.filter(is_leak).chain(at_cdn).collect()
    }
}

#[test]
fn no_token_travels_to_strangers_in_chromium() {
    require_browser!();
    let scene = Scene::start();
    let rows = rows::all();
    let cases: Vec<_> = rows.iter().flat_map(|row| scene.cases(row)).collect();
    let plays: Vec<_> = cases.iter().map(|case| scene.play(case)).collect();
    let played = Browser::plays(&plays);
    let mut failures = Vec::new();
    for (case, played) in cases.iter().zip(&played) {
        let what = format!("{} on {}, {:?}", case.row.name, case.route, case.player);
        eprintln!(
            "{what}: {} frames, {} requests, statuses {:?}",
            played.frames,
            played.requests.len(),
            played.statuses()
        );
        if let Some(complaint) = scene.complaint(case, played) {
            let urls: Vec<_> = played.requests.iter().map(|row| (&row.url, row.status)).collect();
            failures.push(format!("{what}: {complaint}: {urls:#?}, {:#?}", played.errors));
        }
    }
    let links: Vec<_> = cases.iter().map(|case| case.link.as_str()).collect();
    let leaks = scene.leaks(&links, &played).into_iter().map(|text| format!("LEAK: {text}"));
    failures.extend(leaks);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
