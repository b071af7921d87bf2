//! HLS: compile, plan and render, beside the field's crates and a plain copy of the output.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot set up must fail")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::KnownTag;
use quick_m3u8::tag::hls::Tag;
use quick_m3u8::{HlsLine, Reader, Writer};
use sluicegate_bench::{low_latency_playlist, media_playlist, multivariant_playlist};
use sluicegate_manifest::{Options, Place, Plan, SignHost, Template};
use sluicegate_token::{CdnKey, Gcore, Scheme as _, Scope, Target, UnixTime};
use url::Url;

const BASE: &str = "https://cdn.example.com/vod/movie-0042/1080p/index.m3u8";
const EXPIRES: UnixTime = UnixTime(1_900_000_000);

fn inputs() -> Vec<(&'static str, String)> {
    vec![
        ("media-600", media_playlist(600)),
        ("media-7200", media_playlist(7_200)),
        ("media-100000", media_playlist(100_000)),
        ("multivariant", multivariant_playlist()),
        ("low-latency", low_latency_playlist()),
    ]
}

fn gcore(scope: Scope) -> Gcore {
    Gcore::new(CdnKey::plain("bench", b"benchmark-secret-of-32-characters"), scope)
}

fn compile(source: &str) -> Template {
    Template::compile(source.as_bytes().to_vec().into(), &Options::default()).unwrap()
}

fn plan<'g>(template: &Template, gcore: &'g Gcore) -> (Plan, SignHost<'g>) {
    let place = Place::at(BASE.parse().unwrap());
    let mut policy = SignHost::new(&place.base, gcore);
    (template.plan(&place, &mut policy).unwrap(), policy)
}

fn hls(criterion: &mut Criterion) {
    for (name, source) in inputs() {
        let template = compile(&source);
        let uris = template.slots().len() as u64;
        let bytes = bytes::Bytes::from(source.clone().into_bytes());

        let mut group = criterion.benchmark_group("compile");
        group.throughput(Throughput::Bytes(source.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench
                .iter(|| Template::compile(black_box(bytes.clone()), &Options::default()).unwrap());
        });
        group.finish();

        let mut group = criterion.benchmark_group("plan");
        group.throughput(Throughput::Elements(uris));
        let directory = gcore(Scope::Directory);
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| plan(black_box(&template), &directory));
        });
        group.finish();

        for (kind, scope) in [("directory", Scope::Directory), ("file", Scope::File)] {
            let gcore = gcore(scope);
            let (plan, policy) = plan(&template, &gcore);
            let mut group = criterion.benchmark_group(format!("render/{kind}"));
            group.throughput(Throughput::Elements(uris));
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new("template", name), |bench| {
                bench.iter(|| {
                    let tokens = policy.sign(EXPIRES, None).unwrap();
                    out.clear();
                    plan.render_into(black_box(&tokens), &mut out);
                    out.len()
                });
            });
            let copy = out.clone();
            group.bench_function(BenchmarkId::new("copy-of-the-output", name), |bench| {
                bench.iter(|| {
                    out.clear();
                    out.extend_from_slice(black_box(&copy));
                    out.len()
                });
            });
            group.bench_function(BenchmarkId::new("quick-m3u8", name), |bench| {
                bench.iter(|| quick_m3u8_sign(black_box(&source), &gcore));
            });
            group.bench_function(BenchmarkId::new("m3u8-rs", name), |bench| {
                bench.iter(|| m3u8_rs_sign(black_box(source.as_bytes()), &gcore));
            });
            group.finish();
        }
    }
}

/// What a program would do that signs one URL after another.
struct OneByOne<'g> {
    gcore: &'g Gcore,
    base: Url,
    directory: Option<String>,
}

impl<'g> OneByOne<'g> {
    fn new(gcore: &'g Gcore) -> Self {
        Self { gcore, base: BASE.parse().unwrap(), directory: None }
    }

    /// The peers are given the cheapest way that is right for these inputs: no parsing of URLs.
    fn signed(&mut self, reference: &str) -> String {
        if let Some(query) = &self.directory {
            return format!("{reference}?{query}");
        }
        let folder = self.base.path().rsplit_once('/').unwrap().0;
        let path = format!("{folder}/{reference}");
        let path = sluicegate_token::ResourcePath::from_decoded(path.as_bytes()).unwrap();
        let mut query = Vec::new();
        self.gcore.write_token_for(&Target::of(&path), EXPIRES, None, &mut query).unwrap();
        let query = String::from_utf8(query).unwrap();
        let signed = format!("{reference}?{query}");
        if self.gcore.scope() == Scope::Directory {
            self.directory = Some(query);
        }
        signed
    }
}

fn m3u8_rs_sign(source: &[u8], gcore: &Gcore) -> Vec<u8> {
    let mut signer = OneByOne::new(gcore);
    let mut out = Vec::with_capacity(source.len() * 3);
    match m3u8_rs::parse_playlist_res(source).unwrap() {
        m3u8_rs::Playlist::MasterPlaylist(mut playlist) => {
            for variant in &mut playlist.variants {
                variant.uri = signer.signed(&variant.uri);
            }
            for alternative in &mut playlist.alternatives {
                alternative.uri = alternative.uri.as_deref().map(|uri| signer.signed(uri));
            }
            playlist.write_to(&mut out).unwrap();
        }
        m3u8_rs::Playlist::MediaPlaylist(mut playlist) => {
            for segment in &mut playlist.segments {
                segment.uri = signer.signed(&segment.uri);
                if let Some(map) = &mut segment.map {
                    map.uri = signer.signed(&map.uri);
                }
                if let Some(key) = &mut segment.key {
                    key.uri = key.uri.as_deref().map(|uri| signer.signed(uri));
                }
            }
            playlist.write_to(&mut out).unwrap();
        }
    }
    out
}

/// Only the tags that carry URIs are parsed: the crate's fastest way to this end.
fn quick_m3u8_sign(source: &str, gcore: &Gcore) -> Vec<u8> {
    let options = ParsingOptionsBuilder::new()
        .with_parsing_for_key()
        .with_parsing_for_map()
        .with_parsing_for_part()
        .with_parsing_for_preload_hint()
        .with_parsing_for_rendition_report()
        .with_parsing_for_media()
        .with_parsing_for_i_frame_stream_inf()
        .build();
    let mut signer = OneByOne::new(gcore);
    let mut reader = Reader::from_str(source, options);
    let mut writer = Writer::new(Vec::with_capacity(source.len() * 3));
    while let Some(line) = reader.read_line().unwrap() {
        let line = match line {
            HlsLine::Uri(uri) => HlsLine::Uri(signer.signed(&uri).into()),
            HlsLine::KnownTag(KnownTag::Hls(tag)) => {
                HlsLine::KnownTag(KnownTag::Hls(sign_tag(tag, &mut signer)))
            }
            line => line,
        };
        writer.write_line(line).unwrap();
    }
    writer.into_inner()
}

fn sign_tag<'t>(tag: Tag<'t>, signer: &mut OneByOne<'_>) -> Tag<'t> {
    macro_rules! sign {
        ($tag:ident, $kind:ident) => {{
            let uri = signer.signed($tag.uri());
            $tag.set_uri(uri);
            Tag::$kind($tag)
        }};
    }
    match tag {
        Tag::Map(mut tag) => sign!(tag, Map),
        Tag::Part(mut tag) => sign!(tag, Part),
        Tag::PreloadHint(mut tag) => sign!(tag, PreloadHint),
        Tag::RenditionReport(mut tag) => sign!(tag, RenditionReport),
        Tag::IFrameStreamInf(mut tag) => sign!(tag, IFrameStreamInf),
        Tag::Key(mut tag) => {
            if let Some(uri) = tag.uri().map(|uri| signer.signed(uri)) {
                tag.set_uri(uri);
            }
            Tag::Key(tag)
        }
        Tag::Media(mut tag) => {
            if let Some(uri) = tag.uri().map(|uri| signer.signed(uri)) {
                tag.set_uri(uri);
            }
            Tag::Media(tag)
        }
        tag => tag,
    }
}

criterion_group!(benches, hls);
criterion_main!(benches);
