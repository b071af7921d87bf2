//! The Gcore scheme and a real nginx give the same answer to the same request, byte for byte.
//!
//! Requests are generated from a fixed seed, good and tampered. The signer here is written
//! out once more, so that it shares nothing with the code under test. Around the very second of
//! an expiry the two clocks cannot be told apart; tests with a clock as an argument cover that.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Nginx, nginx, require_tools};
use sluicegate_token::{
    Binding, CdnKey, Gcore, NginxSecret, Presented, Refusal, ResourcePath, Scheme as _, Scope,
    UnixTime,
};

const REQUESTS: usize = 2_000;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// No expiry is nearer to now than this, so that a slow run changes no verdict.
const DISTANCE_SECS: u64 = 60;

/// A location of nginx and the scheme that answers for it here. The first one takes what the others
/// do not.
#[derive(Clone, Copy)]
struct Place {
    folder: &'static str,
    scope: Scope,
    binding: Binding,
    secret: &'static str,
    /// How nginx finds a directory: by the group of a location's regular expression, or by a map.
    is_captured: bool,
}

const PLACES: [Place; 6] = [
    Place::new("", Scope::File, Binding::Plain, "secret.of_files"),
    Place::new("dir", Scope::Directory, Binding::Plain, "secret-D"),
    Place::new("ip", Scope::File, Binding::Ip, "secret-I"),
    Place::new("ipdir", Scope::Directory, Binding::Ip, "secret-ID"),
    Place::new("re", Scope::Directory, Binding::Plain, "secret-RE").captured(),
    Place::new("ipre", Scope::Directory, Binding::Ip, "secret-IRE").captured(),
];

/// The folder and the secret of nginx's older module.
const LINK_FOLDER: &str = "/p/";
const LINK_SECRET: &str = "secret-of.links";
const LINK_REQUESTS: usize = 1_000;

/// Decoded names of folders and files.
const NAMES: &[&[u8]] = &[
    b"a.m3u8",
    b"seg-1.m4s",
    b"video-1",
    b"dir",
    b"ip",
    "città".as_bytes(),
    "東京".as_bytes(),
    b"a b",
    b" ",
    b"100%",
    b"%41",
    b"%2F",
    b"q?x=1",
    b"h#y",
    b"a+b",
    b"a&md5=b",
    b"k;v",
    b"x=y",
    b"c,d",
    b"...",
    b".hidden",
    b"a..",
    b"~t*'()!$@:",
    b"a\nb",
    b"\x7F\x01",
    b"\xFF\xFE",
    b"\"\\<>^`{|}",
];

/// What may stand where a path has a slash, and means the same. The first must begin with a slash,
/// as every request target does.
const SEPARATORS: &[&str] =
    &["/", "//", "///", "/./", "/x/../", "/%2F", "/%2e/", "/x/%2E./", "/x/y/../..//", "%2F", "%2f"];
const FIRST_SEPARATORS: usize = 9;
const LAST_SEPARATORS: &[&str] = &["/", "//", "/.", "/x/..", "/%2e", "/x/.%2E", "%2f", "%2F."];

/// Paths that are none.
const BAD_PATHS: &[&str] = &[
    "/..",
    "/../a",
    "/a/../..",
    "/a/../../b",
    "/%2e%2e/a",
    "/a%2F..%2F../b",
    "/a%",
    "/a%2",
    "/a%zz/b",
    "/a%%41",
    "/%+1",
    "/a%00b",
    "/%00",
    "/dir/%g0",
];

/// Other parameters, which change nothing.
const EXTRAS: &[&str] = &[
    "utm=1",
    "z",
    "",
    "=",
    "xmd5=AAAA",
    "md5x=1",
    "a=md5=x",
    "md5",
    "expires",
    "u=a+b",
    "q=x?y=1",
    "p=/a/../b",
    "e=%zz",
    "c=1,2",
    ";d",
    "m%645=1",
    "sg=1",
];

#[test]
fn generated_requests_get_the_same_status_from_nginx_and_from_the_scheme() {
    require_tools!("nginx");
    let nginx = start();
    let mut client = Client::connect(nginx.addr()).unwrap();
    let now = now();
    let mut rng = Rng(SEED);
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    let mut mismatches = Vec::new();
    for number in 0..REQUESTS {
        let case = Case::generate(number, now, &mut rng);
        let theirs = client.get(&case.target, &[]).unwrap().status;
        let ours = our_status(&case.target, now);
        *seen.entry(theirs).or_default() += 1;
        if theirs != ours || case.expected.is_some_and(|expected| theirs != expected) {
            mismatches.push(format!(
                "{}: nginx {theirs}, here {ours}, meant {:?}: {}",
                case.kind,
                case.expected,
                case.target.escape_ascii()
            ));
        }
    }
    println!("statuses: {seen:?}");
    assert!(mismatches.is_empty(), "at {now}, {} mismatches: {mismatches:#?}", mismatches.len());
    for (status, at_least) in [(200, 500), (403, 500), (410, 100), (400, 50)] {
        assert!(seen.get(&status).is_some_and(|&count| count >= at_least), "{seen:?}");
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

/// Each row was measured once by hand at nginx 1.22.1.
#[test]
fn measured_rows_hold_at_nginx_and_here() {
    require_tools!("nginx");
    let nginx = start();
    let mut client = Client::connect(nginx.addr()).unwrap();
    let now = now();
    let place = PLACES[0];
    let token = |path: &str, expires: &str| place.token(path.as_bytes(), expires.as_bytes());
    let link =
        |path: &str, expires: &str| format!("md5={}&expires={expires}", token(path, expires));
    let (later, past) = ("2147483647", "1000000000");
    let hash = token("/g/a.m3u8", later);
    let mut rows = vec![
        (format!("/g/a.m3u8?{}", link("/g/a.m3u8", later)), 200),
        (format!("/g/a.m3u8?expires={later}&MD5={hash}"), 200),
        (format!("/g/a.m3u8?md5={hash}==&EXPIRES={later}"), 200),
        (format!("/g/a.m3u8?md5={hash}%3D%3D&expires={later}"), 403),
        (format!("/g/a.m3u8?md5={hash}&md5=x&expires={later}"), 200),
        (format!("/g/a.m3u8?md5=x&md5={hash}&expires={later}"), 403),
        (format!("/g/a.m3u8?md5={hash},{later}&expires=1"), 403),
        ("/g/a.m3u8".to_owned(), 403),
        (format!("/g/a.m3u8?md5={hash}"), 403),
        (format!("/g/a.m3u8?md5={}", token("/g/a.m3u8", "")), 403),
        (format!("/g/a.m3u8?{}", link("/g/a.m3u8", past)), 410),
        (format!("/g/b.m3u8?{}", link("/g/a.m3u8", past)), 403),
        (format!("/g/citt%C3%A0/a%20b.m3u8?{}", link("/g/città/a b.m3u8", later)), 200),
        (format!("/g/citt%C3%A0/a%20b.m3u8?{}", link("/g/citt%C3%A0/a%20b.m3u8", later)), 403),
        (format!("/g//x/../a.m3u8?{}", link("/g/a.m3u8", later)), 200),
        (format!("/g/x%2Fa.m3u8?{}", link("/g/x/a.m3u8", later)), 200),
    ];
    for expires in ["0", "-5", "abc", "12a", "+5", "999999999999999999999999999999"] {
        rows.push((format!("/g/a.m3u8?{}", link("/g/a.m3u8", expires)), 403));
    }
    for expires in ["00000000002147483647", "2147483648", "253402300799"] {
        rows.push((format!("/g/a.m3u8?{}", link("/g/a.m3u8", expires)), 200));
    }
    for variant in spare_bit_variants(&hash) {
        rows.push((format!("/g/a.m3u8?md5={variant}&expires={later}"), 200));
    }
    for (target, expected) in rows {
        let theirs = client.get(target.as_bytes(), &[]).unwrap().status;
        let ours = our_status(target.as_bytes(), now);
        assert_eq!((theirs, ours), (expected, expected), "{target}");
    }
}

/// `secure_link_secret`: the raw rest of the request is hashed, query and all.
#[test]
fn generated_links_get_the_same_status_from_secure_link_secret_and_from_the_scheme() {
    require_tools!("nginx");
    let nginx = Nginx::builder().secure_link_secret(LINK_FOLDER, LINK_SECRET).start();
    let mut client = Client::connect(nginx.addr()).unwrap();
    let mut rng = Rng(SEED);
    let scheme = NginxSecret::new(CdnKey::plain("k", LINK_SECRET.as_bytes())).unwrap();
    let ours = |target: &[u8]| {
        let question = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
        let Ok(path) = ResourcePath::parse(&target[..question]) else { return 400 };
        if !path.is_under(LINK_FOLDER.as_bytes()) {
            return 404;
        }
        let (url, query) = (&target[..question], target.get(question + 1..));
        let presented = Presented { path: &path, url, query, ip: None };
        scheme.verify(&presented, UnixTime(1)).map_or_else(|refusal| refusal.status(), |_| 200)
    };
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    for number in 0..LINK_REQUESTS {
        let target = random_link(number, &mut rng);
        let theirs = client.get(&target, &[]).unwrap().status;
        assert_eq!(ours(&target), theirs, "{}", target.escape_ascii());
        *seen.entry(theirs).or_default() += 1;
    }
    println!("statuses: {seen:?}");
    for (status, at_least) in [(200, 300), (403, 300)] {
        assert!(seen.get(&status).is_some_and(|&count| count >= at_least), "{seen:?}");
    }
}

/// A link whose hash is good for every other one.
fn random_link(number: usize, rng: &mut Rng) -> Vec<u8> {
    let (mut link, _) = random_path(&PLACES[0], rng);
    link.remove(0);
    if rng.one_in(3) {
        link.push(b'?');
        link.extend_from_slice(rng.pick(EXTRAS).as_bytes());
    }
    let signed = match number % 8 {
        1 => [&link[..], b"x"].concat(),
        // The query left out, or the escapes.
        3 => link.split(|&byte| byte == b'?').next().unwrap_or_default().to_vec(),
        5 => [b"/", &link[..]].concat(),
        _ => link.clone(),
    };
    let hash = Md5::digest([&signed[..], LINK_SECRET.as_bytes()].concat());
    let mut hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    match number % 24 {
        2 | 10 => hex.make_ascii_uppercase(),
        7 => hex.truncate(31),
        11 => hex.push('0'),
        15 => hex.replace_range(..1, "g"),
        19 => hex.clear(),
        _ => {}
    }
    let folder = if number % 48 == 23 { "//p/" } else { LINK_FOLDER };
    [folder.as_bytes(), hex.as_bytes(), b"/", &link].concat()
}

// === The two sides ===

fn start() -> Nginx {
    let locations = PLACES.iter().map(|place| nginx::SecureLink {
        prefix: place.prefix(),
        root: None,
        scope: match place.scope {
            Scope::File => nginx::Scope::File,
            Scope::Directory | Scope::Tree if place.is_captured => nginx::Scope::CapturedDirectory,
            Scope::Directory | Scope::Tree => nginx::Scope::Directory,
        },
        secret: place.secret.to_owned(),
        bind_ip: place.binding == Binding::Ip,
    });
    locations.fold(Nginx::builder(), nginx::NginxBuilder::secure_link).start()
}

/// What a server around the scheme would answer.
fn our_status(target: &[u8], now: u64) -> u16 {
    let question = target.iter().position(|&byte| byte == b'?');
    let (path, query) =
        question.map_or((target, None), |at| (&target[..at], Some(&target[at + 1..])));
    let Ok(path) = ResourcePath::parse(path) else { return 400 };
    let place = PLACES
        .iter()
        .rfind(|place| path.is_under(place.prefix().as_bytes()))
        .expect("the first place takes every path");
    let key = CdnKey::new("k", place.secret.as_bytes(), place.binding);
    let presented = Presented::at(&path, query, Some(CLIENT));
    let verdict = Gcore::new(key, place.scope).verify(&presented, UnixTime(now));
    verdict.as_ref().map_or_else(Refusal::status, |_| 200)
}

#[expect(clippy::disallowed_methods, reason = "the clock that nginx reads")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

// === impl Place ===

impl Place {
    const fn new(
        folder: &'static str,
        scope: Scope,
        binding: Binding,
        secret: &'static str,
    ) -> Self {
        Self { folder, scope, binding, secret, is_captured: false }
    }

    const fn captured(mut self) -> Self {
        self.is_captured = true;
        self
    }

    fn prefix(&self) -> String {
        if self.folder.is_empty() { "/".to_owned() } else { format!("/{}/", self.folder) }
    }

    /// The part of a decoded path that is signed here.
    fn signed<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        match self.scope {
            Scope::File => path,
            Scope::Directory | Scope::Tree => {
                &path[..=path.iter().rposition(|&byte| byte == b'/').unwrap()]
            }
        }
    }

    fn ip(&self) -> &'static str {
        if self.binding == Binding::Ip { "127.0.0.1" } else { "" }
    }

    fn token(&self, path: &[u8], expires: &[u8]) -> String {
        token(&[expires, self.signed(path), self.ip().as_bytes(), b" ", self.secret.as_bytes()])
    }
}

fn token(parts: &[&[u8]]) -> String {
    URL_SAFE_NO_PAD.encode(Md5::digest(parts.concat()))
}

/// The 16 tokens that differ in the four bits that no byte of the hash is in.
fn spare_bit_variants(token: &str) -> Vec<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (head, last) = token.split_at(21);
    let value = ALPHABET.find(last).unwrap();
    let variants = &ALPHABET[value & !15..][..16];
    variants.chars().map(|last| format!("{head}{last}")).collect()
}

// === Cases ===

struct Case {
    kind: String,
    target: Vec<u8>,
    /// What it was made to get, where that is sure.
    expected: Option<u16>,
}

impl Case {
    /// Out of 20 requests 9 are good, 3 expired, 7 tampered with, and one has no path.
    fn generate(number: usize, now: u64, rng: &mut Rng) -> Self {
        let place = &rng.pick(&PLACES);
        let (raw, path) = random_path(place, rng);
        // Each kind takes its turn, so that none is left to luck.
        let (group, turn) = (number % 20, number / 20);
        let (raw, (kind, query), expected) = match group {
            0..9 => {
                let expires = future_expiry(turn * 9 + group, now, rng);
                let token = place.token(&path, expires.as_bytes());
                (raw, dressed(turn + group, &token, &expires, rng), Some(200))
            }
            9..12 => {
                let expires = past_expiry(turn, now, rng);
                let token = place.token(&path, expires.as_bytes());
                (raw, dressed(turn + group, &token, &expires, rng), Some(410))
            }
            12 => {
                let bad = rng.pick(BAD_PATHS).as_bytes().to_vec();
                let token = place.token(&bad, b"2147483647");
                (bad, dressed(0, &token, "2147483647", rng), Some(400))
            }
            _ => {
                let tampered = tampered(turn * 7 + group - 13, place, &raw, &path, now, rng);
                (raw, tampered, None)
            }
        };
        let target = if query.is_empty() { raw } else { [&raw[..], b"?", &query].concat() };
        Self { kind: format!("{kind} in /{}", place.folder), target, expected }
    }
}

/// A path as it is sent, and what it means.
fn random_path(place: &Place, rng: &mut Rng) -> (Vec<u8>, Vec<u8>) {
    let mut names = Vec::new();
    if !place.folder.is_empty() {
        names.push(place.folder.as_bytes());
    }
    for _ in 0..=rng.below(3) {
        names.push(rng.pick(NAMES));
    }
    if place.folder.is_empty() && PLACES.iter().any(|other| other.folder.as_bytes() == names[0]) {
        names[0] = b"root";
    }
    let plain = rng.one_in(3);
    let (mut raw, mut path) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        let separators = if at == 0 { &SEPARATORS[..FIRST_SEPARATORS] } else { SEPARATORS };
        let separator = if plain || rng.one_in(2) { "/" } else { rng.pick(separators) };
        raw.extend_from_slice(separator.as_bytes());
        escape(name, plain, rng, &mut raw);
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if rng.one_in(8) {
        raw.extend_from_slice(rng.pick(LAST_SEPARATORS).as_bytes());
        path.push(b'/');
    }
    (raw, path)
}

/// Escapes what must be, and sometimes more.
fn escape(name: &[u8], plain: bool, rng: &mut Rng, out: &mut Vec<u8>) {
    for &byte in name {
        let must = byte <= b' ' || matches!(byte, b'%' | b'?' | b'#' | 0x7F);
        if must || (byte >= 0x80 && rng.one_in(2)) || (!plain && rng.one_in(8)) {
            let escape =
                if rng.one_in(2) { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
            out.extend_from_slice(escape.as_bytes());
        } else {
            out.push(byte);
        }
    }
}

fn future_expiry(turn: usize, now: u64, rng: &mut Rng) -> String {
    match turn % 8 {
        0 => format!("{:020}", now + 3_600),
        1 => (1_u64 << 31).to_string(),
        2 => i64::MAX.to_string(),
        3 => format!("000{}", i64::MAX),
        4 => "253402300799".to_owned(),
        5 => (now + DISTANCE_SECS).to_string(),
        _ => (now + DISTANCE_SECS + rng.below(10_000_000) as u64).to_string(),
    }
}

fn past_expiry(turn: usize, now: u64, rng: &mut Rng) -> String {
    match turn % 6 {
        0 => "1".to_owned(),
        1 => format!("000{}", now - 3_600),
        2 => (now - DISTANCE_SECS).to_string(),
        _ => (now - DISTANCE_SECS - rng.below(100_000_000) as u64).to_string(),
    }
}

/// A query that says the same in another way.
fn dressed(turn: usize, token: &str, expires: &str, rng: &mut Rng) -> (&'static str, Vec<u8>) {
    let good = format!("md5={token}&expires={expires}");
    let (kind, query) = match turn % 10 {
        0 => ("plain", good),
        1 => ("reversed", format!("expires={expires}&md5={token}")),
        2 => ("names in other case", format!("Md5={token}&EXPIRES={expires}")),
        3 | 4 => {
            let mut pieces = vec![format!("md5={token}"), format!("expires={expires}")];
            for _ in 0..=rng.below(4) {
                pieces.insert(rng.below(pieces.len() + 1), rng.pick(EXTRAS).to_owned());
            }
            ("among others", pieces.join("&"))
        }
        5 => ("second md5", format!("{good}&md5=AAAAAAAAAAAAAAAAAAAAAA")),
        6 => ("second expires", format!("{good}&Expires=1&md5=x")),
        7 => {
            let padding = rng.pick(&["=", "==", "=x"]);
            ("padding", format!("md5={token}{padding}&expires={expires}"))
        }
        _ => {
            let token = &spare_bit_variants(token)[rng.below(16)];
            ("spare bits", format!("md5={token}&expires={expires}"))
        }
    };
    (kind, query.into_bytes())
}

/// A query that should not open the path, or does so by chance only.
fn tampered(
    turn: usize,
    place: &Place,
    raw: &[u8],
    path: &[u8],
    now: u64,
    rng: &mut Rng,
) -> (&'static str, Vec<u8>) {
    let past = rng.one_in(4);
    let expires = if past { past_expiry(3, now, rng) } else { future_expiry(6, now, rng) };
    let good = place.token(path, expires.as_bytes());
    let query = |token: &str| format!("md5={token}&expires={expires}");
    let signed = |path: &[u8], ip: &str, secret: &str| {
        token(&[expires.as_bytes(), path, ip.as_bytes(), secret.as_bytes()])
    };
    let secret = format!(" {}", place.secret);
    let wanted = place.signed(path);
    let odd_expiry =
        |text: &str| format!("md5={}&expires={text}", place.token(path, text.as_bytes()));
    let (kind, query) = match turn % 38 {
        0 => ("bad md5 first", format!("md5=AAAAAAAAAAAAAAAAAAAAAA&{}", query(&good))),
        1 => ("other expires first", format!("expires=2147483647&{}", query(&good))),
        2 => ("empty md5 first", format!("md5=&{}", query(&good))),
        3 => ("too much padding", query(&format!("{good}{}", rng.pick(&["===", "=xx", "==="])))),
        4 => ("escaped padding", query(&format!("{good}{}", rng.pick(&["%3D", "%3D%3D", "%3d"])))),
        5 => ("cut", query(&good[..rng.below(22)])),
        6 => ("too long", query(&format!("{good}{}", rng.pick(&["A", "AA", "AAA", "-_-_"])))),
        7 => {
            let at = rng.below(22);
            let odd = rng.pick(&["+", "/", ".", "~", "*", "%20", "!", "%41", "=", "\u{e9}"]);
            ("odd character", query(&format!("{}{odd}{}", &good[..at], &good[at + 1..])))
        }
        8 => {
            let at = rng.below(21);
            let other = if &good[at..=at] == "A" { "B" } else { "A" };
            ("other character", query(&format!("{}{other}{}", &good[..at], &good[at + 1..])))
        }
        9 => ("other case", query(&good.to_ascii_lowercase())),
        10 => {
            let more: &[u8] = if place.scope == Scope::File { b"x" } else { b"x/" };
            (
                "other file or directory",
                query(&signed(&[wanted, more].concat(), place.ip(), &secret)),
            )
        }
        11 => {
            let parent = place.signed(&wanted[..wanted.len() - 1]);
            ("parent", query(&signed(parent, place.ip(), &secret)))
        }
        12 => ("whole path", query(&signed(path, place.ip(), &secret))),
        13 => {
            let directory = &path[..=path.iter().rposition(|&byte| byte == b'/').unwrap()];
            ("directory", query(&signed(directory, place.ip(), &secret)))
        }
        14 => ("other expiry", format!("md5={good}&expires=1{expires}")),
        15 => ("longer past expiry", format!("md5={good}&expires=0{expires}")),
        16 => ("other key", query(&signed(wanted, place.ip(), " another"))),
        17 => ("another place's key", query(&rng.pick(&PLACES).token(path, expires.as_bytes()))),
        18 => ("other address", query(&signed(wanted, "127.0.0.2", &secret))),
        19 => {
            let ip = if place.binding == Binding::Ip { "" } else { "127.0.0.1" };
            ("address where none is, or none", query(&signed(wanted, ip, &secret)))
        }
        20 => ("no space", query(&signed(wanted, place.ip(), place.secret))),
        21 => ("raw path", query(&signed(place.signed(raw), place.ip(), &secret))),
        22 => ("comma", format!("md5={good},{expires}&expires=1")),
        23 => ("comma alone", format!("md5={good},{expires}")),
        24 => ("comma and empty", format!("md5={good},{expires}&expires=")),
        25 => ("comma in expires", format!("md5={good}&expires={expires},1")),
        26 => ("no md5", format!("expires={expires}")),
        27 => ("no expires", format!("md5={good}")),
        28 => ("no query", rng.pick(&["", "x=1", "&", "md5&expires", "?"]).to_owned()),
        29 => {
            let token = place.token(path, b"");
            ("empty expires", format!("md5={token}{}", rng.pick(&["", "&expires=", "&expires"])))
        }
        30 => ("empty md5", query("")),
        31 => {
            let names = [("m%645", "expires"), ("md5", "e%78pires"), ("md5+", "expires")];
            let (md5, expires_name) = rng.pick(&names);
            ("escaped name", format!("{md5}={good}&{expires_name}={expires}"))
        }
        32 => ("semicolon", format!("md5={good};expires={expires}")),
        33 => ("second question mark", format!("?{}", query(&good))),
        34 => ("comma after padding", format!("md5={good}=,&expires={expires}")),
        _ => {
            let odd = rng.pick(&[
                "0",
                "00",
                "-5",
                "abc",
                "12a",
                "+5",
                "%31",
                "0x7fffffff",
                "2147483647.0",
                "-0",
                "1e10",
                "999999999999999999999999999999",
                "9223372036854775808",
                "00009223372036854775808",
                "18446744073709551616",
                "18446744073709551617",
                "2147483647%20",
                "2147483647+",
            ]);
            ("odd expiry", odd_expiry(odd))
        }
    };
    (kind, query.into_bytes())
}

/// xorshift64*: the same requests in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % end
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}
