//! One step many times, for `valgrind --tool=callgrind`: instruction counts do not depend on what
//! else the machine does. `scripts/instructions.sh` makes a table of them.
//!
//! `icount compile|plan|directory|file|copy|verify N [hls|timeline|list]`: a playlist of 7,200 segments, or an
//! MPD of six Representations with a timeline, or one that lists 7,200 segments; N times. `copy` is the
//! compressed body for one viewer, `verify` a session's token.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot set up must fail")]

use std::hint::black_box;

use sluicegate_bench::{list_mpd, media_playlist, timeline_mpd};
use sluicegate_gzip::{Gap, Template as GzipTemplate};
use sluicegate_manifest::{Options, Place, SignHost, Template};
use sluicegate_token::session::{Grant, SessionClaims, SessionId};
use sluicegate_token::{CdnKey, Gcore, ResourcePath, Scope, SessionKey, SessionKeys, UnixTime};

const EXPIRES: UnixTime = UnixTime(1_900_000_000);

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap();
    let times: usize = args.next().unwrap().parse().unwrap();
    if what == "verify" {
        return verify(times);
    }
    let source = match args.next().as_deref() {
        None | Some("hls") => media_playlist(7_200),
        Some("timeline") => timeline_mpd(150),
        Some("list") => list_mpd(7_200),
        Some(other) => panic!("no input '{other}'"),
    };
    let source = bytes::Bytes::from(source.into_bytes());
    let scope = if what == "file" { Scope::File } else { Scope::Directory };
    let gcore = Gcore::new(CdnKey::plain("bench", b"benchmark-secret-of-32-characters"), scope);
    let template = Template::compile(source.clone(), &Options::default()).unwrap();
    let place =
        Place::at("https://cdn.example.com/vod/movie-0042/1080p/index.m3u8".parse().unwrap());
    let mut policy = SignHost::new(&place.base, &gcore);
    let plan = template.plan(&place, &mut policy).unwrap();
    let tokens = policy.sign(EXPIRES, None).unwrap();
    let mut out = Vec::new();
    plan.render_into(&tokens, &mut out);
    let gap = |placed: sluicegate_manifest::Placed| Gap {
        at: placed.at,
        len: placed.len,
        token: placed.token.index as usize,
    };
    let gaps: Vec<Gap> = plan.placed(&tokens).map(gap).collect();
    let once = (what == "copy").then(|| GzipTemplate::compile(&out, &gaps).unwrap());
    for _ in 0..times {
        match what.as_str() {
            "compile" => {
                black_box(
                    Template::compile(black_box(source.clone()), &Options::default()).unwrap(),
                );
            }
            "plan" => {
                let mut policy = SignHost::new(&place.base, &gcore);
                black_box(template.plan(&place, &mut policy).unwrap());
            }
            "copy" => {
                let tokens = policy.sign(EXPIRES, None).unwrap();
                let tokens: Vec<&[u8]> = tokens[0].iter().collect();
                black_box(once.as_ref().unwrap().fill(&tokens).unwrap());
            }
            _ => {
                let tokens = policy.sign(EXPIRES, None).unwrap();
                out.clear();
                plan.render_into(black_box(&tokens), &mut out);
            }
        }
    }
    println!("{} bytes, {} URIs", out.len(), template.slots().len());
}

/// A session's token for a segment.
fn verify(times: usize) {
    let key = SessionKey::new(1, [7; 32]);
    let granted = ResourcePath::parse(b"/vod/movie-0042/master.m3u8").unwrap();
    let claims = SessionClaims {
        grant: Grant::folder_of(&granted).unwrap(),
        bound_bits: None,
        profile: 0,
        expires: EXPIRES,
        session: SessionId([3; 14]),
    };
    let token = key.seal(&claims, "vod", &granted, None);
    let keys = SessionKeys::new(vec![key]).unwrap();
    let path = ResourcePath::parse(b"/vod/movie-0042/1080p/segment-00000123.m4s").unwrap();
    for _ in 0..times {
        let text = black_box(token.as_str().as_bytes());
        black_box(keys.verify(text, "vod", &path, None, UnixTime(1_800_000_000)).unwrap());
    }
}
