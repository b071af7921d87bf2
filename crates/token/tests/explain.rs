//! Every known mistake is made once, and has to be named.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use sluicegate_token::session::Grant;
use sluicegate_token::{
    Akamai, Binding, Bunny, CdnKey, Effort, Explanation, Gcore, KeyId, KeyPeriod, Layout,
    LayoutScheme, Link, Mistake, Presented, Refusal, ResourcePath, RingKey, Scheme, SchemeRing,
    Scope, SessionClaims, SessionId, SessionKey, SessionKeys, SessionPlace, UnixTime, explain,
    explain_session,
};

const SECRET: &str = "secret_key";
const EXPIRES: u64 = 2_000_000_000;
const NOW: UnixTime = UnixTime(1_900_000_000);

fn md5(text: &str) -> [u8; 16] {
    Md5::digest(text.as_bytes()).into()
}

fn token(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(md5(text))
}

fn ring(scope: Scope, binding: Binding) -> SchemeRing {
    let key = CdnKey::new("new", SECRET.as_bytes(), binding);
    SchemeRing::of(Arc::new(Gcore::new(key, scope)))
}

fn ask(ring: &SchemeRing, url: &str, ip: Option<&str>, effort: Effort) -> Explanation {
    let link = Link::parse(url).unwrap();
    let written = link.without_fragment();
    let ip: Option<IpAddr> = ip.map(|ip| ip.parse().unwrap());
    let (path, query) = (link.path(), link.query());
    let explained =
        explain(ring, &Presented { path, url: written.as_bytes(), query, ip }, NOW, effort);
    // Nothing secret is in what is said.
    let said = format!("{explained:?} {explained} {:?}", explained.mistakes);
    assert!(!said.contains(SECRET), "{said}");
    explained
}

/// What is said of a URL whose hash is of `signed`.
fn plain(scope: Scope, path: &str, signed: &str) -> Vec<Mistake> {
    let url = format!("https://cdn.example.com{path}");
    let url = format!("{url}{}md5={}&expires={EXPIRES}", mark(path), token(signed));
    let explained = ask(&ring(scope, Binding::Plain), &url, None, Effort::Thorough);
    assert!(explained.verdict.is_err(), "{url}");
    assert_eq!(explained.status, 403);
    explained.mistakes
}

fn mark(path: &str) -> char {
    if path.contains('?') { '&' } else { '?' }
}

fn bound(ip: &str, signed: &str) -> Vec<Mistake> {
    let url = format!("/a/1.ts?md5={}&expires={EXPIRES}", token(signed));
    ask(&ring(Scope::File, Binding::Ip), &url, Some(ip), Effort::Thorough).mistakes
}

#[test]
fn what_was_hashed_is_named() {
    let left_out = Mistake::TextLeftOut { text: " ".to_owned(), before: "secret" };
    for (signed, mistake) in [
        ("2000000000/a/1.tssecret_key", left_out),
        ("2000000000/a/1.ts secret_key\n", Mistake::LineEndSigned),
        ("2000000000/a/1.ts secret_key\r\n", Mistake::LineEndSigned),
        ("/a/1.ts2000000000 secret_key", Mistake::Order("time", "path")),
        ("2000000000000/a/1.ts secret_key", Mistake::MillisecondsSigned),
        ("2000000000/a/1.ts secret_key ", Mistake::SecretDressed("a space behind it")),
        ("2000000000/a/1.ts \"secret_key\"", Mistake::SecretDressed("quotes around it")),
        ("2000000000/720p/1.ts secret_key", Mistake::OtherFile("/720p/1.ts".to_owned())),
        ("2000000000/a/ secret_key", Mistake::DirectorySigned),
        ("2000000000/a secret_key", Mistake::LastSlashMissing),
        ("2000000000a/1.ts secret_key", Mistake::FirstSlashMissing),
        ("2000000000//a/1.ts secret_key", Mistake::SlashDoubled),
        ("2000000000/ secret_key", Mistake::FolderAboveSigned("/".to_owned())),
        ("2000000000https://cdn.example.com/a/1.ts secret_key", Mistake::HostSigned),
        ("2000000000cdn.example.com/a/1.ts secret_key", Mistake::HostSigned),
        ("2000000000/a/2.ts secret_key", Mistake::OtherFile("/a/2.ts".to_owned())),
        ("2000000000/a/417.ts secret_key", Mistake::OtherFile("/a/417.ts".to_owned())),
        ("2000000000/a/master.m3u8 secret_key", Mistake::OtherFile("/a/master.m3u8".to_owned())),
        ("2000000000/a/poster.jpg secret_key", Mistake::OtherFile("/a/poster.jpg".to_owned())),
        ("2000000000/master.m3u8 secret_key", Mistake::OtherFile("/master.m3u8".to_owned())),
        ("2000000000/a/1.ts127.0.0.1 secret_key", Mistake::ServerAddressSigned("127.0.0.1".into())),
    ] {
        assert_eq!(plain(Scope::File, "/a/1.ts", signed), [mistake], "{signed:?}");
    }
    for (signed, mistake) in [
        ("2000000000/a/b/1.ts secret_key", Mistake::FileSigned),
        ("2000000000/a/b secret_key", Mistake::LastSlashMissing),
        ("2000000000/a/b// secret_key", Mistake::SlashDoubled),
        ("2000000000/a/ secret_key", Mistake::FolderAboveSigned("/a/".to_owned())),
        ("2000000000/a/c/ secret_key", Mistake::OtherDirectory("/a/c/".to_owned())),
    ] {
        assert_eq!(plain(Scope::Directory, "/a/b/1.ts", signed), [mistake], "{signed:?}");
    }
}

#[test]
fn the_form_of_the_path_is_named() {
    for (path, signed, mistake) in [
        ("/a%20b/%C3%A8.ts", "/a%20b/%C3%A8.ts", Mistake::PathEncoded),
        ("/a%20b/%C3%A8.ts", "/a%20b/%c3%a8.ts", Mistake::PathEncoded),
        ("/a b/1.ts", "/a+b/1.ts", Mistake::PathEncoded),
        ("/a//b/../1.ts", "/a//b/../1.ts", Mistake::PathUnresolved),
        ("/a/b/1.ts", "/a//b/1.ts", Mistake::SlashDoubled),
        ("/a/1.ts?lang=it", "/a/1.ts?lang=it", Mistake::QuerySigned),
    ] {
        let signed = format!("2000000000{signed} secret_key");
        assert_eq!(plain(Scope::File, path, &signed), [mistake], "{path}");
    }
}

#[test]
fn the_alphabet_is_named() {
    let ring = ring(Scope::File, Binding::Plain);
    // Its base64 has both of the letters that differ, and a path to it is found below.
    let hash =
        (0..).map(|n| (n, md5(&format!("2000000000/a/{n}.ts secret_key")))).find(|(_, hash)| {
            let text = STANDARD.encode(hash);
            text.contains('+') && text.contains('/')
        });
    let (number, hash) = hash.unwrap();
    let said = |token: &str| {
        let url = format!("/a/{number}.ts?md5={token}&expires={EXPIRES}");
        let explained = ask(&ring, &url, None, Effort::Quick);
        (explained.verdict.is_ok(), explained.mistakes)
    };
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said(&hex), (false, vec![Mistake::Alphabet("hexadecimal")]));
    let standard = STANDARD.encode(hash);
    assert_eq!(said(&standard), (false, vec![Mistake::Alphabet("standard base64")]));
    let escaped = standard.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    assert_eq!(said(&escaped), (false, vec![Mistake::Alphabet("standard base64")]));
    let padded = format!("{}==", URL_SAFE_NO_PAD.encode(hash));
    assert_eq!(said(&padded), (true, vec![Mistake::Padding]));
    assert_eq!(said(&padded.replace('=', "%3D")), (false, vec![Mistake::TokenEncoded]));
    let of_text = STANDARD.encode(format!("{hex}\n"));
    let mistake = Mistake::Alphabet("base64 of the hexadecimal text");
    assert_eq!(said(&of_text), (false, vec![mistake]));
}

#[test]
fn the_address_is_named() {
    for (ip, signed, mistake) in [
        ("1.2.3.4", "", Mistake::AddressLeftOut),
        ("1.2.3.4", "1.2.3.0", Mistake::AddressForm("'1.2.3.0'".to_owned())),
        ("1.2.3.4", "1.2.0.0/16", Mistake::AddressForm("'1.2.0.0/16'".to_owned())),
        ("1.2.3.4", "1.2.3.", Mistake::AddressForm("'1.2.3.'".to_owned())),
        ("1.2.3.4", "::ffff:1.2.3.4", Mistake::AddressForm("'::ffff:1.2.3.4'".to_owned())),
        ("2001:db8::1", "2001:DB8::1", Mistake::AddressForm("'2001:DB8::1'".to_owned())),
        ("2001:db8::1", "2001:db8::", Mistake::AddressForm("'2001:db8::'".to_owned())),
        ("1.2.3.4", "127.0.0.1", Mistake::ServerAddressSigned("127.0.0.1".to_owned())),
        ("1.2.3.4", "1.2.3.9", Mistake::OtherAddress("1.2.3.9".to_owned())),
        ("1.2.3.4", "1.2.200.1", Mistake::OtherAddress("1.2.200.1".to_owned())),
    ] {
        let signed = format!("2000000000/a/1.ts{signed} secret_key");
        assert_eq!(bound(ip, &signed), [mistake], "{signed}");
    }
    let url =
        format!("/a/1.ts?md5={}&expires={EXPIRES}", token("2000000000/a/1.ts1.2.3.4 secret_key"));
    let plain = ring(Scope::File, Binding::Plain);
    let said = ask(&plain, &url, Some("1.2.3.4"), Effort::Quick).mistakes;
    assert_eq!(said, [Mistake::AddressSigned]);
    let unknown = ask(&ring(Scope::File, Binding::Ip), &url, None, Effort::Quick);
    assert_eq!(unknown.mistakes, [Mistake::AddressUnknown]);
}

#[test]
fn the_reading_of_the_query_is_named() {
    let ring = ring(Scope::File, Binding::Plain);
    let good = token("2000000000/a.ts secret_key");
    let said = |query: &str| ask(&ring, &format!("/a.ts{query}"), None, Effort::Quick).mistakes;
    let lost = |name: &str| vec![Mistake::ParameterLost(name.to_owned())];
    assert_eq!(said(""), lost("expires"));
    assert_eq!(said(&format!("?md5={good}")), lost("expires"));
    assert_eq!(said("?expires=2000000000"), lost("md5"));
    assert_eq!(said(&format!("?md5={good}&amp;expires={EXPIRES}")), [Mistake::AmpersandEscaped]);
    assert_eq!(said(&format!("?x=1?md5={good}&expires={EXPIRES}")), [Mistake::SecondQuestionMark]);
    assert_eq!(said(&format!("?md5%3D{good}%26expires%3D{EXPIRES}")), [Mistake::QueryEncoded]);
    let doubled = format!("?md5=AAAAAAAAAAAAAAAAAAAAAA&md5={good}&expires={EXPIRES}");
    assert_eq!(said(&doubled), [Mistake::ParameterDoubled("md5".to_owned())]);
    let old = token("1800000000/a.ts secret_key");
    let over = format!("?md5={old}&expires=1800000000&md5={good}&expires={EXPIRES}");
    let both = Mistake::ParameterDoubled("md5' and 'expires".to_owned());
    assert_eq!(said(&over), [both, Mistake::Expired { ago_secs: 100_000_000 }]);
    assert_eq!(said(&format!("?md5={good}&expires=soon")), [Mistake::TimeMalformed]);
    let cut = Mistake::TokenMalformed("it is not 22 characters long");
    assert_eq!(said(&format!("?md5={}&expires={EXPIRES}", &good[..20])), [cut]);
    let old = token("1800000000/a.ts secret_kay");
    let both = format!("?md5={old}&expires=1800000000&md5={good}&expires={EXPIRES}");
    assert_eq!(said(&both), [Mistake::ParameterDoubled("md5' and 'expires".to_owned())]);
}

#[test]
fn the_time_is_named() {
    let ring = ring(Scope::File, Binding::Plain);
    let said = |expires: &str, signed: &str| {
        let token = token(&format!("{signed}/a.ts secret_key"));
        let url = format!("/a.ts?md5={token}&expires={expires}");
        let explained = ask(&ring, &url, None, Effort::Thorough);
        (explained.status, explained.mistakes)
    };
    let expired = vec![Mistake::Expired { ago_secs: 100 }];
    assert_eq!(said("1899999900", "1899999900"), (410, expired));
    assert_eq!(said("2000000000000", "2000000000000"), (200, vec![Mistake::Milliseconds]));
    assert_eq!(said("2000000000000", "2000000000"), (403, vec![Mistake::Milliseconds]));
    // Wrong, and over besides.
    let token = token("1899999900/ secret_key");
    let url = format!("/a.ts?md5={token}&expires=1899999900");
    let both = [Mistake::DirectorySigned, Mistake::Expired { ago_secs: 100 }];
    assert_eq!(ask(&ring, &url, None, Effort::Quick).mistakes, both);
}

#[test]
fn two_mistakes_at_once_are_named_by_a_thorough_search() {
    let said = plain(Scope::File, "/a%20b/1.ts", "2000000000/a%20b/1.tssecret_key");
    let left_out = Mistake::TextLeftOut { text: " ".to_owned(), before: "secret" };
    assert_eq!(said, [left_out, Mistake::PathEncoded]);
    let hex: String =
        md5("2000000000/a/ secret_key\n").iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("/a/1.ts?md5={hex}&expires={EXPIRES}");
    let three =
        [Mistake::LineEndSigned, Mistake::Alphabet("hexadecimal"), Mistake::DirectorySigned];
    let ring = ring(Scope::File, Binding::Plain);
    assert_eq!(ask(&ring, &url, None, Effort::Thorough).mistakes, three);
    let quick = Mistake::TokenMalformed("it is longer than 24 characters");
    assert_eq!(ask(&ring, &url, None, Effort::Quick).mistakes, [quick]);
}

#[test]
fn an_older_key_is_named_and_a_foreign_one_is_not_guessed() {
    let of = |id: &str, secret: &[u8], retired_from: Option<u64>| RingKey {
        id: KeyId::new(id),
        scheme: Arc::new(Gcore::new(CdnKey::plain(id, secret), Scope::File)),
        period: KeyPeriod { active_from: UnixTime(0), retired_from: retired_from.map(UnixTime) },
    };
    let ring = SchemeRing::new(vec![
        of("2026-b", b"the new secret", None),
        of("2026-a", SECRET.as_bytes(), Some(1_850_000_000)),
    ]);
    let ring = ring.unwrap();
    let url = |secret: &str| {
        format!("/a.ts?md5={}&expires={EXPIRES}", token(&format!("2000000000/a.ts {secret}")))
    };
    let older = Mistake::OtherKey { id: KeyId::new("2026-a"), is_retired: true };
    assert_eq!(ask(&ring, &url(SECRET), None, Effort::Quick).mistakes, [older]);
    assert!(ask(&ring, &url("the new secret"), None, Effort::Quick).verdict.is_ok());
    let foreign = ask(&ring, &url("another"), None, Effort::Thorough);
    assert_eq!((foreign.verdict, foreign.mistakes), (Err(Refusal::WrongToken), vec![]));
}

#[test]
fn other_layouts_and_schemes_are_explained_too() {
    let key = CdnKey::plain("k", SECRET.as_bytes());
    let layout = |name: &str, scope| {
        let layout = Layout::builtin(name).unwrap();
        SchemeRing::of(Arc::new(LayoutScheme::new(layout, key.clone(), scope).unwrap()))
    };
    let sign = |scheme: &dyn Scheme, url: &str| {
        Link::parse(url).unwrap().sign(scheme, UnixTime(EXPIRES), None).unwrap()
    };
    let bunny = layout("bunny-basic", Scope::File);
    let url = format!("/a.ts?token={}&expires={EXPIRES}", token("secret_key2000000000/a.ts"));
    let said = ask(&bunny, &url, None, Effort::Quick).mistakes;
    assert_eq!(said, [Mistake::Order("path", "time")]);

    let streaming = layout("gcore-streaming", Scope::Tree);
    let token = token("2675_slugsecret_key_2000000000_");
    let url = format!("/videos/2675_slug/{token}/{EXPIRES}/master.m3u8");
    let left_out = Mistake::TextLeftOut { text: "_".to_owned(), before: "secret" };
    assert_eq!(ask(&streaming, &url, None, Effort::Quick).mistakes, [left_out]);

    let hex = CdnKey::plain("k", b"52a152a152a152a1");
    let akamai = Arc::new(Akamai::new(&hex, Scope::File, &Default::default()).unwrap());
    let url = sign(&*akamai, "/a/1.ts").replace("/a/1.ts?", "/a/2.ts?");
    let akamai = SchemeRing::of(akamai);
    let said = ask(&akamai, &url, None, Effort::Thorough).mistakes;
    assert_eq!(said, [Mistake::OtherFile("/a/1.ts".to_owned())]);
    assert_eq!(ask(&akamai, &url, None, Effort::Quick).mistakes, []);
    assert_eq!(ask(&akamai, "/a", None, Effort::Quick).mistakes.len(), 1);

    let bunny = Arc::new(Bunny::new(key, Scope::File, &Default::default()).unwrap());
    let url = sign(&*bunny, "/a/1.ts").replace('&', "&amp;");
    let said = ask(&SchemeRing::of(bunny), &url, None, Effort::Quick).mistakes;
    assert_eq!(said, [Mistake::AmpersandEscaped]);
}

#[test]
fn session_tokens_are_explained() {
    let keys = SessionKeys::new(vec![SessionKey::new(1, [7; 32])]).unwrap();
    let path = |text: &str| ResourcePath::parse(text.as_bytes()).unwrap();
    let manifest = path("/vod/a/master.m3u8");
    let ip: IpAddr = "1.2.3.4".parse().unwrap();
    let seal = |grant: Grant, is_bound: bool, key: &SessionKeys| {
        let claims = SessionClaims {
            grant,
            bound_bits: is_bound.then_some(sluicegate_token::session::BoundBits::V4(32)),
            profile: 0,
            expires: UnixTime(EXPIRES),
            session: SessionId([1; 14]),
        };
        let key = key.signing(NOW).unwrap();
        key.seal(&claims, "vod", &manifest, is_bound.then_some(ip)).as_str().to_owned()
    };
    let said = |token: &str, routes: &[&str], asked: &str, now: u64| {
        let asked = path(asked);
        let places: Vec<_> =
            routes.iter().map(|route| SessionPlace { route, path: &asked }).collect();
        let other = "9.9.9.9".parse().ok();
        explain_session(&keys, token.as_bytes(), &places, other, UnixTime(now)).mistakes
    };
    let folder = seal(Grant::folder_of(&manifest).unwrap(), false, &keys);
    assert_eq!(said(&folder, &["vod"], "/vod/a/1.ts", NOW.0), []);
    assert_eq!(
        said(&folder[..51], &["vod"], "/vod/a/1.ts", NOW.0),
        [Mistake::SessionTokenLength(51)]
    );
    let elsewhere = Mistake::SessionElsewhere { asked: "/vod/b".to_owned() };
    assert_eq!(said(&folder, &["vod"], "/vod/b/1.ts", NOW.0), [elsewhere]);
    let route = Mistake::SessionOfRoute("vod".to_owned());
    assert_eq!(said(&folder, &["live", "vod"], "/vod/a/1.ts", NOW.0), [route]);
    let depth = Mistake::SessionDepth { depth: 2, is_exact: false };
    assert_eq!(said(&folder, &["vod"], "/vod", NOW.0), [depth]);
    let expired = Mistake::Expired { ago_secs: 5 };
    assert_eq!(said(&folder, &["vod"], "/vod/a/1.ts", EXPIRES + 5), [expired]);
    let others = SessionKeys::new(vec![SessionKey::new(9, [7; 32])]).unwrap();
    let foreign = seal(Grant::folder_of(&manifest).unwrap(), false, &others);
    assert_eq!(said(&foreign, &["vod"], "/vod/a/1.ts", NOW.0), [Mistake::SessionKeyUnknown(9)]);
    let bound = seal(Grant::folder_of(&manifest).unwrap(), true, &keys);
    let mistakes = said(&bound, &["vod"], "/vod/a/1.ts", NOW.0);
    assert_eq!(mistakes.last(), Some(&Mistake::SessionBound { bits: 32 }));
}
