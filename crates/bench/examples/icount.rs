//! One step many times, for `valgrind --tool=callgrind`: instruction counts do not depend on what
//! else the machine does.
//!
//! `icount compile|plan|directory|file N [hls|timeline|list]`: a playlist of 7,200 segments, or an MPD
//! of six Representations with a timeline, or one that lists 7,200 segments; N times.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot set up must fail")]

use std::hint::black_box;

use sluicegate_bench::{list_mpd, media_playlist, timeline_mpd};
use sluicegate_manifest::{Options, Place, SignHost, Template};
use sluicegate_token::{CdnKey, Gcore, Scope, UnixTime};

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap();
    let times: usize = args.next().unwrap().parse().unwrap();
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
    let mut out = Vec::new();
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
            _ => {
                let tokens = policy.sign(UnixTime(1_900_000_000), None).unwrap();
                out.clear();
                plan.render_into(black_box(&tokens), &mut out);
            }
        }
    }
    println!("{} bytes, {} URIs", out.len(), template.slots().len());
}
