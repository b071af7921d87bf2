//! DASH: compile, plan and render, beside a typed parser that prints again, a rewriter of XML events,
//! and a plain copy of the output.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot set up must fail")]

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};
use sluicegate_bench::{list_mpd, timeline_mpd};
use sluicegate_manifest::{Options, Place, Plan, SignHost, Template};
use sluicegate_token::{CdnKey, Gcore, ResourcePath, Scheme as _, Scope, Target, UnixTime};

const BASE: &str = "https://cdn.example.com/vod/movie-0042/manifest.mpd";
const FOLDER: &str = "/vod/movie-0042/";
const EXPIRES: UnixTime = UnixTime(1_900_000_000);

fn gcore(scope: Scope) -> Gcore {
    Gcore::new(CdnKey::plain("bench", b"benchmark-secret-of-32-characters"), scope)
}

fn plan<'g>(template: &Template, gcore: &'g Gcore) -> (Plan, SignHost<'g>) {
    let place = Place::at(BASE.parse().unwrap());
    let mut policy = SignHost::new(&place.base, gcore);
    (template.plan(&place, &mut policy).unwrap(), policy)
}

fn dash(criterion: &mut Criterion) {
    for (name, source) in [("timeline-6", timeline_mpd(150)), ("list-7200", list_mpd(7_200))] {
        let bytes = bytes::Bytes::from(source.clone().into_bytes());
        let template = Template::compile(bytes.clone(), &Options::default()).unwrap();

        let mut group = criterion.benchmark_group("dash/compile");
        group.throughput(Throughput::Bytes(source.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench
                .iter(|| Template::compile(black_box(bytes.clone()), &Options::default()).unwrap());
        });
        group.finish();

        for (kind, scope) in [("directory", Scope::Directory), ("file", Scope::File)] {
            let gcore = gcore(scope);
            let (made, policy) = plan(&template, &gcore);
            let mut out = Vec::new();
            made.render_into(&policy.sign(EXPIRES, None).unwrap(), &mut out);
            let uris = out.windows(4).filter(|window| window == b"md5=").count() as u64;

            let mut group = criterion.benchmark_group(format!("dash/plan/{kind}"));
            group.throughput(Throughput::Elements(uris));
            group.bench_function(BenchmarkId::from_parameter(name), |bench| {
                bench.iter(|| plan(black_box(&template), &gcore));
            });
            group.finish();

            let mut group = criterion.benchmark_group(format!("dash/render/{kind}"));
            let bytes = out.len() as u64;
            group.throughput(Throughput::ElementsAndBytes { elements: uris, bytes });
            group.bench_function(BenchmarkId::new("template", name), |bench| {
                bench.iter(|| {
                    let tokens = policy.sign(EXPIRES, None).unwrap();
                    out.clear();
                    made.render_into(black_box(&tokens), &mut out);
                    out.len()
                });
            });
            // Of a template that is written out, making the tokens is nearly all.
            let tokens = policy.sign(EXPIRES, None).unwrap();
            group.bench_function(BenchmarkId::new("with-tokens-made-before", name), |bench| {
                bench.iter(|| {
                    out.clear();
                    made.render_into(black_box(&tokens), &mut out);
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
            group.bench_function(BenchmarkId::new("quick-xml", name), |bench| {
                bench.iter(|| quick_xml_sign(black_box(&source), &gcore));
            });
            group.bench_function(BenchmarkId::new("dash-mpd-core", name), |bench| {
                bench.iter(|| dash_mpd_sign(black_box(&source), &gcore));
            });
            group.finish();
        }
    }
}

/// Signs one reference after another. The peers are given the cheapest way for these inputs, and
/// leave templates where they are: a token for `$RepresentationID$` that opens nothing.
struct OneByOne<'g> {
    gcore: &'g Gcore,
    by_folder: HashMap<String, String>,
}

impl OneByOne<'_> {
    fn signed(&mut self, reference: &str, joint: &str) -> String {
        let path = format!("{FOLDER}{reference}");
        let folder = path.rsplit_once('/').unwrap().0.to_owned();
        if self.gcore.scope() == Scope::Directory
            && let Some(query) = self.by_folder.get(&folder)
        {
            return format!("{reference}?{query}");
        }
        let path = ResourcePath::from_decoded(path.as_bytes()).unwrap();
        let mut query = Vec::new();
        self.gcore.write_token_for(&Target::of(&path), EXPIRES, None, &mut query).unwrap();
        let query = String::from_utf8(query).unwrap().replace('&', joint);
        let signed = format!("{reference}?{query}");
        self.by_folder.insert(folder, query);
        signed
    }
}

fn quick_xml_sign(source: &str, gcore: &Gcore) -> usize {
    let mut one_by_one = OneByOne { gcore, by_folder: HashMap::new() };
    let mut reader = Reader::from_str(source);
    let mut writer = Writer::new(Vec::with_capacity(source.len() * 2));
    loop {
        let event = match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(tag) => Event::Start(signed_tag(&tag, &mut one_by_one)),
            Event::Empty(tag) => Event::Empty(signed_tag(&tag, &mut one_by_one)),
            other => other,
        };
        writer.write_event(event).unwrap();
    }
    writer.into_inner().len()
}

fn signed_tag<'t>(tag: &BytesStart<'t>, one_by_one: &mut OneByOne<'_>) -> BytesStart<'t> {
    let is_uri = |name: &str| matches!(name, "media" | "initialization" | "sourceURL");
    if !tag.attributes().flatten().any(|attribute| is_uri(attribute.key.as_ref())) {
        return tag.clone();
    }
    let name = tag.name().as_ref().to_owned();
    let mut signed = BytesStart::new(name);
    for attribute in tag.attributes().flatten() {
        let value = match is_uri(attribute.key.as_ref()) {
            true => Cow::Owned(one_by_one.signed(&attribute.value, "&amp;")),
            false => attribute.value.clone(),
        };
        signed
            .push_attribute(quick_xml::events::attributes::Attribute { key: attribute.key, value });
    }
    signed
}

fn dash_mpd_sign(source: &str, gcore: &Gcore) -> usize {
    let mut one_by_one = OneByOne { gcore, by_folder: HashMap::new() };
    let mut mpd = dash_mpd_core::parse(source).unwrap();
    let mut sign = |reference: &mut Option<String>| {
        if let Some(reference) = reference {
            *reference = one_by_one.signed(reference, "&");
        }
    };
    for set in mpd.periods.iter_mut().flat_map(|period| &mut period.adaptations) {
        if let Some(template) = &mut set.SegmentTemplate {
            sign(&mut template.media);
            sign(&mut template.initialization);
        }
        for list in set.representations.iter_mut().filter_map(|one| one.SegmentList.as_mut()) {
            if let Some(initialization) = &mut list.Initialization {
                sign(&mut initialization.sourceURL);
            }
            list.segment_urls.iter_mut().for_each(|url| sign(&mut url.media));
        }
    }
    mpd.to_string().len()
}

criterion_group!(benches, dash);
criterion_main!(benches);
