//! Tokens: signing and verifying in every scheme, beside the hash alone of as many bytes.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot set up must fail")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use sluicegate_token::{
    ByteList, CdnKey, Effort, Link, Presented, Scheme, SchemeKind, SchemeOptions, SchemeRing,
    SessionClaims, SessionId, SessionKey, SessionKeys, Target, UnixTime, explain,
};

const URL: &str = "https://cdn.example.com/vod/movie-0042/1080p/seg-00017.m4s";
const EXPIRES: UnixTime = UnixTime(1_900_000_000);
const NOW: UnixTime = UnixTime(1_899_999_000);
const SECRET: &str = "benchmark-secret-of-32-character";

fn scheme(kind: &SchemeKind) -> Arc<dyn Scheme> {
    let vectors = include_str!("../../../fixtures/token/cloudfront-test.pem");
    let secret = match kind.name() {
        "akamai" => "52a152a152a152a152a152a152a152a1",
        "fastly" => "YmVuY2htYXJrLXNlY3JldC1vZi0zMi1jaGFyYWN0ZXI=",
        "cloudfront" => vectors,
        _ => SECRET,
    };
    let fields = match kind.name() {
        "cloudfront" => BTreeMap::from([("key_pair_id".to_owned(), "K1".to_owned())]),
        _ => BTreeMap::new(),
    };
    let key = CdnKey::plain("bench", secret.as_bytes());
    kind.with_key(key, &SchemeOptions { fields, ..SchemeOptions::default() }).unwrap()
}

/// A link, signed, and what a server sees of it.
struct Request {
    link: Link,
    url: String,
}

impl Request {
    fn signed_by(scheme: &dyn Scheme) -> Self {
        let signed = Link::parse(URL).unwrap().sign(scheme, EXPIRES, None).unwrap();
        let link = Link::parse(&signed).unwrap();
        Self { url: link.without_fragment(), link }
    }

    fn presented(&self) -> Presented<'_> {
        let (path, query) = (self.link.path(), self.link.query());
        Presented { path, url: self.url.as_bytes(), query, ip: None }
    }
}

fn tokens(criterion: &mut Criterion) {
    let link = Link::parse(URL).unwrap();
    let target = Target { path: link.path(), url: URL.as_bytes() };
    for kind in SchemeKind::all() {
        let scheme = scheme(&kind);
        let signed = scheme.signed_part(&target);
        let request = Request::signed_by(&*scheme);
        let presented = request.presented();

        let mut group = criterion.benchmark_group("tokens/sign");
        group.throughput(Throughput::Elements(1));
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(kind.name()), |bench| {
            bench.iter(|| {
                out.clear();
                scheme.write_token(black_box(&signed), EXPIRES, None, &mut out).unwrap();
                out.len()
            });
        });
        group.finish();

        let mut group = criterion.benchmark_group("tokens/verify");
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(kind.name()), |bench| {
            bench.iter(|| scheme.verify(black_box(&presented), NOW).unwrap());
        });
        group.finish();
    }
}

/// What every scheme must spend: the hash of expiry, path and secret.
fn hashes(criterion: &mut Criterion) {
    let text = format!("{EXPIRES}/vod/movie-0042/1080p/seg-00017.m4s {SECRET}");
    let (text, secret) = (text.as_bytes(), SECRET.as_bytes());
    let mut group = criterion.benchmark_group("tokens/hash-alone");
    group.throughput(Throughput::Elements(1));
    group.bench_function("md5", |bench| bench.iter(|| Md5::digest(black_box(text))));
    group.bench_function("hmac-sha1", |bench| {
        bench.iter(|| {
            let mut mac = Hmac::<Sha1>::new_from_slice(secret).unwrap();
            mac.update(black_box(text));
            mac.finalize()
        });
    });
    group.bench_function("hmac-sha256", |bench| {
        bench.iter(|| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.update(black_box(text));
            mac.finalize()
        });
    });
    group.finish();
}

fn further(criterion: &mut Criterion) {
    let gcore = scheme(&SchemeKind::named("gcore").unwrap());
    let mut paths = ByteList::default();
    for number in 0..10_000 {
        paths.push(format!("/vod/movie-0042/1080p/seg-{number:05}.m4s").as_bytes());
    }
    let mut group = criterion.benchmark_group("tokens/batch");
    group.throughput(Throughput::Elements(paths.len() as u64));
    group.bench_function("gcore-10000", |bench| {
        bench.iter(|| {
            let mut out = ByteList::with_capacity(paths.len(), paths.len() * 45);
            gcore.write_tokens(black_box(&paths), EXPIRES, None, &mut out).unwrap();
            out.len()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("tokens/session");
    let keys = SessionKeys::new(vec![SessionKey::new(1, [7; SessionKey::LEN])]).unwrap();
    let link = Link::parse("/vod/movie-0042/1080p/seg-00017.m4s").unwrap();
    let claims = SessionClaims {
        grant: sluicegate_token::session::Grant::Folder { depth: 2 },
        bound_bits: None,
        profile: 0,
        expires: EXPIRES,
        session: SessionId([1; 14]),
    };
    let token = keys.signing(NOW).unwrap().seal(&claims, "vod", link.path(), None);
    group.bench_function("verify", |bench| {
        bench.iter(|| {
            let text = black_box(token.as_str().as_bytes());
            keys.verify(text, "vod", link.path(), None, NOW).unwrap()
        });
    });
    group.finish();

    let request = Request::signed_by(&*gcore);
    let wrong = Request {
        link: Link::parse(&request.url.replace("seg-00017", "seg-99999x")).unwrap(),
        url: request.url.replace("seg-00017", "seg-99999x"),
    };
    let ring = SchemeRing::of(gcore);
    let mut group = criterion.benchmark_group("tokens/explain");
    for (name, effort) in [("quick", Effort::Quick), ("thorough", Effort::Thorough)] {
        group.sample_size(10).bench_function(name, |bench| {
            bench.iter(|| explain(&ring, black_box(&wrong.presented()), NOW, effort));
        });
    }
    group.finish();
}

criterion_group!(benches, hashes, tokens, further);
criterion_main!(benches);
