//! How the gateway grows: with the length of a playlist, with variants, with sessions, and with manifests.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sluicegate_bench::{media_playlist, variants_playlist};
use sluicegate_gzip::{Gap, Template as GzipTemplate};
use sluicegate_manifest::{Options, Place, Plan, SignHost, Template};
use sluicegate_token::{ByteList, CdnKey, Gcore, Scope, UnixTime};

use crate::inputs::Inputs;
use crate::report::{Figures, Report};
use crate::servers::{Origin, Server};
use crate::wrk::{self, Load};

const BASE: &str = "https://cdn.example.com/vod/movie-0042/1080p/index.m3u8";
const EXPIRES: UnixTime = UnixTime(1_900_000_000);
/// How long a step is repeated for one figure.
const AT_LEAST: Duration = Duration::from_millis(200);
const CONNECTIONS: usize = 100;
/// Manifests are kept up to so many bytes while they are counted.
const CACHE_BYTES: usize = 64 << 20;

/// The median time of a step, in microseconds.
fn micros<T>(mut step: impl FnMut() -> T) -> f64 {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < AT_LEAST || took.len() < 5 {
        let began = Instant::now();
        black_box(step());
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e6
}

fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// One text with what it takes to sign it.
struct Signed {
    template: Template,
    gcore: [Gcore; 2],
}

impl Signed {
    fn of(text: String) -> Self {
        let template = Template::compile(text.into_bytes().into(), &Options::default()).unwrap();
        let gcore = [Scope::Directory, Scope::File].map(|scope| {
            Gcore::new(CdnKey::plain("bench", b"benchmark-secret-of-32-characters"), scope)
        });
        Self { template, gcore }
    }

    fn plan(&self, scope: usize) -> (Plan, Vec<ByteList>, SignHost<'_>) {
        let place = Place::at(BASE.parse().unwrap());
        let mut policy = SignHost::new(&place.base, &self.gcore[scope]);
        let plan = self.template.plan(&place, &mut policy).unwrap();
        let tokens = policy.sign(EXPIRES, None).unwrap();
        (plan, tokens, policy)
    }

    /// Signing and writing the text for one viewer.
    fn render(&self, scope: usize) -> f64 {
        let (plan, _, policy) = self.plan(scope);
        let mut out = Vec::new();
        micros(|| {
            let tokens = policy.sign(EXPIRES, None).unwrap();
            out.clear();
            plan.render_into(&tokens, &mut out);
            out.len()
        })
    }
}

pub(crate) fn of_texts(report: &mut Report) {
    let rows = [10, 100, 1_000, 10_000, 100_000].map(|segments| {
        let text = media_playlist(segments);
        let signed = Signed::of(text.clone());
        let bytes = bytes::Bytes::from(text.into_bytes());
        let compile = micros(|| Template::compile(bytes.clone(), &Options::default()).unwrap());
        let (plan, tokens, _) = signed.plan(0);
        let mut out = Vec::new();
        plan.render_into(&tokens, &mut out);
        let gaps: Vec<Gap> = plan
            .placed(&tokens)
            .map(|placed| Gap {
                at: placed.at,
                len: placed.len,
                token: placed.token.index as usize,
            })
            .collect();
        let once = Instant::now();
        let template = GzipTemplate::compile(&out, &gaps);
        let once = once.elapsed().as_secs_f64() * 1e6;
        let copy = template.map_or("none".to_owned(), |template| {
            let tokens: Vec<&[u8]> = tokens[0].iter().collect();
            figure(micros(|| template.fill(&tokens).unwrap()))
        });
        let values = [signed.render(0), signed.render(1), compile, once].map(figure);
        (segments.to_string(), values.into_iter().chain([copy]).collect())
    });
    let figures = Figures {
        name: "segments",
        title: "Microseconds by segments of a playlist".to_owned(),
        columns: &[
            "directory token",
            "a token per file",
            "compile",
            "compress once",
            "compressed copy",
        ],
        rows: rows.to_vec(),
    };
    report.curve(&figures, "µs, directory token");
    let rows = [1, 4, 16, 64].map(|variants| {
        let signed = Signed::of(variants_playlist(variants));
        let values = [signed.render(0), signed.render(1)].map(figure);
        (variants.to_string(), values.to_vec())
    });
    let figures = Figures {
        name: "variants",
        title: "Microseconds by variants of a multivariant playlist".to_owned(),
        columns: &["directory token", "a token per file"],
        rows: rows.to_vec(),
    };
    report.curve(&figures, "µs, directory token");
}

pub(crate) fn of_sessions(report: &mut Report) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin, "");
    let warm = gateway.sessions("folder", 1)[0].replacen("{file}", "index.m3u8", 1);
    wrk::run(&gateway, &Load::of(vec![warm], CONNECTIONS), 2);
    let before = gateway.footprint().resident_kib;
    let (mut opened, mut targets, mut rows) = (0, Vec::new(), Vec::new());
    for count in [1, 1_000, 10_000, 100_000, 1_000_000] {
        while opened < count {
            let until = count.min(opened + 10_000);
            let new = gateway.sessions_of("/v/folder/index.m3u8", opened..until);
            // Some of all of them are asked for.
            let step = (count / 10_000).max(1);
            targets.extend(
                new.iter().step_by(step).map(|url| url.replacen("{file}", "index.m3u8", 1)),
            );
            opened = until;
        }
        let resident = gateway.footprint().resident_kib;
        let run = wrk::run(&gateway, &Load::of(targets.clone(), CONNECTIONS), 5);
        let bytes = (resident.saturating_sub(before) * 1024) as f64 / count as f64;
        let bytes = if count < 1_000 { "-".to_owned() } else { format!("{bytes:.0}") };
        let values = vec![
            format!("{:.1}", run.cpu / run.per_second * 1e6),
            format!("{:.0}", run.per_second),
            format!("{:.1}", resident as f64 / 1024.0),
            bytes,
        ];
        rows.push((count.to_string(), values));
    }
    let figures = Figures {
        name: "sessions",
        title: "Sessions that are open, of which ten thousand ask for a playlist of 600 segments"
            .to_owned(),
        columns: &["core µs a request", "requests/s", "RSS MiB", "bytes a session"],
        rows,
    };
    report.curve(&figures, "µs of the core a request");
}

pub(crate) fn of_manifests(report: &mut Report) {
    let inputs = Inputs::write();
    let text = media_playlist(200);
    for number in 0..10_000 {
        inputs.put(&format!("media/{number:05}/index.m3u8"), text.as_bytes());
    }
    let origin = Origin::start(&inputs);
    let more = format!("limits.cache_bytes = {CACHE_BYTES}");
    let mut rows = Vec::new();
    for count in [1, 100, 1_000, 10_000] {
        let gateway = Server::gateway(&inputs, &origin, &more);
        let targets = (0..count).map(|number| {
            let path = format!("/v/many/{number:05}/index.m3u8");
            gateway.sessions_of(&path, 0..1)[0].replacen("{file}", "index.m3u8", 1)
        });
        let load = Load::of(targets.collect(), CONNECTIONS);
        wrk::run(&gateway, &load, 4);
        let run = wrk::run(&gateway, &load, 5);
        let values = vec![
            format!("{:.1}", run.cpu / run.per_second * 1e6),
            format!("{:.0}", run.per_second),
            format!("{:.1}", run.footprint.resident_kib as f64 / 1024.0),
        ];
        rows.push((count.to_string(), values));
    }
    let figures = Figures {
        name: "manifests",
        title: format!(
            "Manifests of 200 segments that are asked for, of which {} MiB may be kept",
            CACHE_BYTES >> 20
        ),
        columns: &["core µs a request", "requests/s", "RSS MiB"],
        rows,
    };
    report.curve(&figures, "µs of the core a request");
}
