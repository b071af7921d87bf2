//! The body of the target `verify`: requests of any bytes against every scheme.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use sluicegate_token::{
    Binding, CdnKey, Effort, Link, Presented, Refusal, ResourcePath, Scheme, SchemeKind,
    SchemeOptions, SchemeRing, SessionKey, SessionKeys, SessionPlace, UnixTime, explain,
    explain_session,
};

const NOW: UnixTime = UnixTime(1_700_000_000);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// More takes longer and finds nothing new.
const MAX_BYTES: usize = 4096;

/// Whatever is asked for, verifying and explaining never panic, and what was signed is accepted.
///
/// The first byte chooses the scheme, the second whether an address is known, the rest is the URL.
pub fn verify(data: &[u8]) {
    let [choice, flags, url @ ..] = data else { return };
    if url.len() > MAX_BYTES {
        return;
    }
    let schemes = schemes();
    let (ring, is_bound) = &schemes[usize::from(*choice) % schemes.len()];
    let ip = (flags & 1 == 1 || *is_bound).then_some(CLIENT);
    any_request(ring, url, ip);
    any_session(url, ip);
    if let Ok(text) = std::str::from_utf8(url) {
        what_is_signed_opens(ring, text, ip.filter(|_| *is_bound));
    }
}

fn any_request(ring: &SchemeRing, url: &[u8], ip: Option<IpAddr>) {
    let end = url.iter().position(|&byte| byte == b'?').unwrap_or(url.len());
    let (raw, query) = (&url[..end], url.get(end + 1..));
    let Ok(path) = ResourcePath::parse(raw) else { return };
    let presented = Presented { path: &path, url: raw, query, ip };
    for now in [UnixTime(0), NOW, UnixTime(u64::MAX)] {
        let verdict = ring.verify(&presented, now);
        let explained = explain(ring, &presented, now, Effort::Quick);
        assert_eq!(explained.verdict, verdict);
        assert!(!explained.to_string().is_empty());
        assert!(verdict.is_ok() || matches!(explained.status, 400..=499));
    }
}

fn any_session(text: &[u8], ip: Option<IpAddr>) {
    static KEYS: OnceLock<SessionKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        SessionKeys::new(vec![SessionKey::new(1, [7; SessionKey::LEN])]).expect("one key")
    });
    let path = ResourcePath::parse(b"/vod/a/master.m3u8").expect("a path");
    let place = SessionPlace { route: "vod", path: &path };
    let token = &text[..text.len().min(52)];
    let explained = explain_session(keys, token, &[place], ip, NOW);
    assert!(explained.verdict.is_err(), "nobody guesses a MAC");
}

fn what_is_signed_opens(ring: &SchemeRing, text: &str, ip: Option<IpAddr>) {
    let Ok(link) = Link::parse(text) else { return };
    let scheme = &ring.keys()[0].scheme;
    let expires = NOW.saturating_add(600);
    let Ok(signed) = link.sign(&**scheme, expires, ip) else { return };
    let link = Link::parse(&signed).expect("what was signed is a link");
    let url = link.without_fragment();
    let presented = Presented { path: link.path(), url: url.as_bytes(), query: link.query(), ip };
    match ring.verify(&presented, NOW) {
        Ok(valid) => assert!(valid.expires >= expires || scheme.lifetime_secs().is_some()),
        // Servers resolve dots before they look for a token in the path, and fields may be absent.
        Err(refusal) => assert!(
            matches!(refusal, Refusal::Missing(_)) && url.contains('/'),
            "{refusal}: {signed}"
        ),
    }
}

/// Every scheme, for plain links and for bound ones.
fn schemes() -> &'static [(SchemeRing, bool)] {
    static SCHEMES: OnceLock<Vec<(SchemeRing, bool)>> = OnceLock::new();
    SCHEMES.get_or_init(|| {
        let of = |kind: &SchemeKind, binding: Binding| -> Option<Arc<dyn Scheme>> {
            let secret = match kind.name() {
                "akamai" => "52a152a152a1".to_owned(),
                "fastly" => "c2VjcmV0LW9mLWEtY2Ru".to_owned(),
                "cloudfront" => rsa_key(),
                _ => "secret-of-a-cdn".to_owned(),
            };
            let fields = match kind.name() {
                "cloudfront" => BTreeMap::from([("key_pair_id".to_owned(), "K1".to_owned())]),
                _ => BTreeMap::new(),
            };
            let key = CdnKey::new("k", secret.as_bytes(), binding);
            kind.with_key(key, &SchemeOptions { fields, ..SchemeOptions::default() }).ok()
        };
        let each = |kind: SchemeKind| {
            [Binding::Plain, Binding::Ip].into_iter().filter_map(move |binding| {
                Some((SchemeRing::of(of(&kind, binding)?), binding == Binding::Ip))
            })
        };
        SchemeKind::all().flat_map(each).collect()
    })
}

/// The RSA key of the vectors.
fn rsa_key() -> String {
    let vectors = include_str!("../../fixtures/token/vectors.json");
    let start = vectors.find("-----BEGIN PRIVATE KEY").expect("a vector has one");
    let end = vectors[start..].find('"').expect("it ends");
    vectors[start..start + end].replace("\\n", "\n")
}
