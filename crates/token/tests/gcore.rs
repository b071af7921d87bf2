//! The Gcore scheme against public vectors and against what stock nginx was measured to do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::IpAddr;

use proptest::prelude::*;
use serde::Deserialize;
use sluicegate_token::{
    Binding, CdnKey, Gcore, Link, PathError, Presented, Refusal, ResourcePath, Scheme, Scope,
    SignError, Target, UnixTime, Valid,
};

#[derive(Deserialize)]
struct Vectors {
    sign: Vec<Vector>,
    refuse: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    expires: u64,
    path: String,
    ip: Option<IpAddr>,
    scope: String,
    token: String,
}

const NOW: UnixTime = UnixTime(1_500_000_000);

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../fixtures/token/vectors.json")).unwrap()
}

impl Vector {
    fn gcore(&self) -> Gcore {
        let binding = if self.ip.is_some() { Binding::Ip } else { Binding::Plain };
        let scope = if self.scope == "directory" { Scope::Directory } else { Scope::File };
        Gcore::new(CdnKey::new("vector", self.secret.as_bytes(), binding), scope)
    }

    fn query(&self) -> String {
        format!("md5={}&expires={}", self.token, self.expires)
    }
}

fn verify(gcore: &Gcore, path: &str, query: &str, now: u64) -> Result<Valid, Refusal> {
    let path = ResourcePath::parse(path.as_bytes()).unwrap();
    gcore.verify(&Presented::at(&path, Some(query.as_bytes()), None), UnixTime(now))
}

fn status(verdict: &Result<Valid, Refusal>) -> u16 {
    verdict.as_ref().map_or_else(Refusal::status, |_| 200)
}

/// A good query for `/g/a.m3u8` with any expiry text, hashed as typed.
fn query_with_expires(expires: &str) -> String {
    use base64::Engine as _;
    use md5::Digest as _;
    let hash = md5::Md5::digest(format!("{expires}/g/a.m3u8 secret_key"));
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
    format!("md5={token}&expires={expires}")
}

fn plain() -> Gcore {
    Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::File)
}

#[test]
fn public_vectors_sign_to_the_published_token() {
    let vectors = vectors();
    assert!(vectors.sign.len() >= 14, "{} vectors", vectors.sign.len());
    for vector in vectors.sign {
        // nginx would merge the slashes of a path like /static/https://example.com before it
        // hashes, so such vectors are of the layout but not of a path that $uri can hold.
        let path = ResourcePath::from_decoded(vector.path.as_bytes()).unwrap();
        if path.as_bytes() != vector.path.as_bytes() {
            assert!(vector.path.contains("//"), "{}", vector.name);
            continue;
        }
        let mut signed = Vec::new();
        vector
            .gcore()
            .write_token_for(&Target::of(&path), UnixTime(vector.expires), vector.ip, &mut signed)
            .unwrap();
        assert_eq!(String::from_utf8(signed).unwrap(), vector.query(), "{}", vector.name);
    }
}

#[test]
fn public_vectors_verify_and_hostile_ones_do_not() {
    let Vectors { sign, refuse } = vectors();
    let check = |vector: &Vector| {
        let path = ResourcePath::from_decoded(vector.path.as_bytes()).unwrap();
        let query = vector.query();
        let presented = Presented::at(&path, Some(query.as_bytes()), vector.ip);
        vector.gcore().verify(&presented, NOW)
    };
    for vector in sign.iter().filter(|vector| !vector.path.contains("//")) {
        assert_eq!(check(vector).unwrap().expires.0, vector.expires, "{}", vector.name);
    }
    assert!(!refuse.is_empty());
    for vector in &refuse {
        let link = Link::parse(&vector.path).unwrap();
        let query = vector.query();
        let presented = Presented::at(link.path(), Some(query.as_bytes()), vector.ip);
        assert_eq!(
            vector.gcore().verify(&presented, NOW),
            Err(Refusal::WrongToken),
            "{}",
            vector.name
        );
    }
}

#[test]
fn parameters_are_found_in_any_order_and_case_among_others() {
    let good = query_with_expires("2147483647");
    let (md5, expires) = good.split_once('&').unwrap();
    for query in [
        good.clone(),
        format!("{expires}&{md5}"),
        format!("a=b&{md5}&utm=x&{expires}&z"),
        format!("MD5={}&EXPIRES={}", &md5[4..], &expires[8..]),
    ] {
        assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, 1)), 200, "{query}");
    }
}

#[test]
fn padding_is_accepted_as_written_and_refused_when_escaped() {
    let good = query_with_expires("2147483647");
    let (md5, expires) = good.split_once('&').unwrap();
    for (tail, expected) in [
        ("=", 200),
        ("==", 200),
        ("=x", 200),
        ("===", 403),
        ("%3D%3D", 403),
        ("A", 403),
        ("AA", 403),
    ] {
        let query = format!("{md5}{tail}&{expires}");
        assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, 1)), expected, "{tail}");
    }
}

#[test]
fn the_four_spare_bits_of_the_last_character_are_ignored() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = query_with_expires("2147483647");
    let (md5, expires) = good.split_once('&').unwrap();
    let (head, last) = md5.split_at(md5.len() - 1);
    let value = ALPHABET.iter().position(|&c| c == last.as_bytes()[0]).unwrap();
    for (other, &character) in ALPHABET.iter().enumerate() {
        let query = format!("{head}{}&{expires}", character as char);
        let expected = if other >> 4 == value >> 4 { 200 } else { 403 };
        assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, 1)), expected, "{query}");
    }
}

#[test]
fn the_first_of_two_parameters_wins() {
    let good = query_with_expires("2147483647");
    let bad = "md5=AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &format!("{good}&{bad}"), 1)), 200);
    assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &format!("{bad}&{good}"), 1)), 403);
    assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &format!("{good}&expires=1"), 1)), 200);
    assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &format!("expires=1&{good}"), 1)), 403);
}

#[test]
fn expiries_are_read_as_nginx_reads_them() {
    for (expires, expected) in [
        ("0", 403),
        ("-5", 403),
        ("abc", 403),
        ("12a", 403),
        ("+5", 403),
        ("", 403),
        ("999999999999999999999999999999", 403),
        ("9223372036854775808", 403),
        ("9223372036854775807", 200),
        ("00000000002147483647", 200),
        ("2147483648", 200),
        ("253402300799", 200),
    ] {
        let query = query_with_expires(expires);
        assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, 1)), expected, "{expires:?}");
    }
}

#[test]
fn the_last_second_is_good_and_a_wrong_hash_is_403_before_410() {
    let query = query_with_expires("1000");
    for (now, expected) in [(999, 200), (1000, 200), (1001, 410), (1002, 410)] {
        assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, now)), expected, "now {now}");
    }
    assert_eq!(status(&verify(&plain(), "/g/b.m3u8", &query, 1002)), 403);
    assert_eq!(verify(&plain(), "/g/a.m3u8", &query, 1005), Err(Refusal::Expired { ago_secs: 5 }));
}

#[test]
fn a_comma_in_the_token_cannot_bring_its_own_expiry() {
    let good = query_with_expires("2147483647");
    let token = &good[4..26];
    let query = format!("md5={token},2147483647&expires=1");
    assert_eq!(status(&verify(&plain(), "/g/a.m3u8", &query, 1)), 403);
}

#[test]
fn missing_parameters_are_named() {
    let md5 = "md5=AAAAAAAAAAAAAAAAAAAAAA";
    for (query, parameter) in
        [("", "expires"), (md5, "expires"), ("expires=5", "md5"), ("md5=&expires=5", "md5")]
    {
        assert_eq!(
            verify(&plain(), "/g/a.m3u8", query, 1),
            Err(Refusal::Missing(parameter.into()))
        );
    }
}

#[test]
fn the_decoded_path_is_what_counts() {
    let link = Link::parse("/g/città/a b.m3u8").unwrap();
    let signed = link.sign(&plain(), UnixTime(2_147_483_647), None).unwrap();
    let query = signed.split_once('?').unwrap().1;
    for (path, expected) in [
        ("/g/citt%C3%A0/a%20b.m3u8", 200),
        ("/g//x/../citt%c3%a0/a%20b.m3u8", 200),
        ("/g%2Fcitt%C3%A0/a%20b.m3u8", 200),
        ("/g/citt%25C3%25A0/a%20b.m3u8", 403),
    ] {
        assert_eq!(status(&verify(&plain(), path, query, 1)), expected, "{path}");
    }
}

#[test]
fn a_directory_token_opens_its_files_and_no_subdirectory() {
    let gcore = Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::Directory);
    let signed = Link::parse("/videos/video-1/")
        .unwrap()
        .sign(&gcore, UnixTime(2_147_483_647), None)
        .unwrap();
    let query = signed.split_once('?').unwrap().1;
    for (path, expected) in [
        ("/videos/video-1/master.m3u8", 200),
        ("/videos/video-1/", 200),
        ("/videos/video-1/360p/index.m3u8", 403),
        ("/videos/video-1", 403),
        ("/videos/video-2/master.m3u8", 403),
    ] {
        assert_eq!(status(&verify(&gcore, path, query, 1)), expected, "{path}");
    }
}

#[test]
fn one_key_serves_plain_or_bound_links_and_never_both() {
    let ip: IpAddr = "1.2.3.4".parse().unwrap();
    let path = ResourcePath::parse(b"/images/1.jpg").unwrap();
    let bound = Gcore::new(CdnKey::bound("k", b"secret_key"), Scope::File);
    let mut out = Vec::new();
    assert_eq!(
        bound.write_token_for(&Target::of(&path), UnixTime(9), None, &mut out),
        Err(SignError::NoClientAddress)
    );
    assert_eq!(
        plain().write_token_for(&Target::of(&path), UnixTime(9), Some(ip), &mut out),
        Err(SignError::PlainKey)
    );
    assert!(out.is_empty());
    bound.write_token_for(&Target::of(&path), UnixTime(9), Some(ip), &mut out).unwrap();
    let presented = |ip| Presented::at(&path, Some(&out), ip);
    assert!(bound.verify(&presented(Some(ip)), UnixTime(1)).is_ok());
    let mapped = "::ffff:1.2.3.4".parse().unwrap();
    assert!(bound.verify(&presented(Some(mapped)), UnixTime(1)).is_ok());
    let other = "1.2.3.5".parse().unwrap();
    assert_eq!(bound.verify(&presented(Some(other)), UnixTime(1)), Err(Refusal::WrongToken));
    assert_eq!(bound.verify(&presented(None), UnixTime(1)), Err(Refusal::NoClientAddress));
}

#[test]
fn an_expiry_that_nginx_would_refuse_is_not_signed() {
    let path = ResourcePath::parse(b"/a").unwrap();
    for expires in [0, u64::MAX] {
        let mut out = Vec::new();
        assert_eq!(
            plain().write_token_for(&Target::of(&path), UnixTime(expires), None, &mut out),
            Err(SignError::BadExpiry)
        );
    }
}

#[test]
fn no_refusal_or_error_shows_a_secret() {
    let printed = format!(
        "{:?} {} {} {}",
        plain(),
        Refusal::WrongToken,
        SignError::PlainKey,
        PathError::AboveRoot
    );
    assert!(!printed.contains("secret_key"), "{printed}");
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_nothing_else_does(
        path in "/[ -~]{0,40}",
        other in "/[ -~]{0,40}",
        secret in "[ -~]{1,40}",
        expires in 1_u64..4_000_000_000,
        directory in any::<bool>(),
    ) {
        let scope = if directory { Scope::Directory } else { Scope::File };
        let gcore = Gcore::new(CdnKey::plain("k", secret.as_bytes()), scope);
        let (Ok(path), Ok(other)) = (
            ResourcePath::from_decoded(path.as_bytes()),
            ResourcePath::from_decoded(other.as_bytes()),
        ) else { return Ok(()); };
        let mut query = Vec::new();
        gcore.write_token_for(&Target::of(&path), UnixTime(expires), None, &mut query).unwrap();
        let verify = |path, query: &[u8], now| {
            gcore.verify(&Presented::at(path, Some(query), None), UnixTime(now))
        };
        prop_assert!(verify(&path, &query, expires).is_ok());
        prop_assert_eq!(
            verify(&path, &query, expires + 1),
            Err(Refusal::Expired { ago_secs: 1 })
        );
        let same = scope.signed_part(&path) == scope.signed_part(&other);
        prop_assert_eq!(verify(&other, &query, expires).is_ok(), same);
    }

    #[test]
    fn verifying_any_bytes_never_panics(query in prop::collection::vec(any::<u8>(), 0..80)) {
        let path = ResourcePath::parse(b"/a").unwrap();
        let presented = Presented::at(&path, Some(&query), None);
        prop_assert!(plain().verify(&presented, NOW).is_err());
    }
}
