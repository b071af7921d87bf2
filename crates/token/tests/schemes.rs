//! Every scheme against its vectors: `fixtures/token/vectors.json`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde::Deserialize;
use sluicegate_token::{
    Binding, CdnKey, Layout, Link, Presented, Refusal, Scheme, SchemeError, SchemeKind,
    SchemeOptions, Scope, UnixTime,
};

#[derive(Deserialize)]
struct Vectors {
    schemes: Vec<Vector>,
}

#[derive(Clone, Debug, Deserialize)]
struct Vector {
    name: String,
    scheme: String,
    layout: Option<String>,
    key: String,
    url: String,
    expires: u64,
    ip: Option<IpAddr>,
    scope: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    signed: String,
    source: String,
    kind: String,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../fixtures/token/vectors.json")).unwrap();
    vectors.schemes
}

impl Vector {
    fn scope(&self) -> Scope {
        match self.scope.as_deref() {
            None => Scope::File,
            Some("directory") => Scope::Directory,
            Some("tree") => Scope::Tree,
            Some(other) => panic!("{other}"),
        }
    }

    fn kind(&self) -> SchemeKind {
        match &self.layout {
            Some(text) => SchemeKind::Layout(Layout::parse(text).unwrap()),
            None => SchemeKind::named(&self.scheme).unwrap_or_else(|| panic!("{}", self.scheme)),
        }
    }

    fn scheme_with(&self, key: &str) -> Result<Arc<dyn Scheme>, SchemeError> {
        let binding = if self.ip.is_some() { Binding::Ip } else { Binding::Plain };
        let key = CdnKey::new("vector", key.as_bytes(), binding);
        let (scope, fields) = (Some(self.scope()), self.fields.clone());
        self.kind().with_key(key, &SchemeOptions { scope, fields, ..SchemeOptions::default() })
    }

    fn scheme(&self) -> Arc<dyn Scheme> {
        self.scheme_with(&self.key).unwrap()
    }

    fn verify(&self, url: &str, ip: Option<IpAddr>, now: u64) -> Result<u64, Refusal> {
        let link = Link::parse(url).unwrap();
        let url = link.without_fragment();
        let presented =
            Presented { path: link.path(), url: url.as_bytes(), query: link.query(), ip };
        self.scheme().verify(&presented, UnixTime(now)).map(|valid| valid.expires.0)
    }

    fn has_end(&self) -> bool {
        !self.name.contains("without an expiry")
    }
}

#[test]
fn every_vector_signs_and_verifies() {
    for vector in vectors() {
        let Vector { name, url, ip, expires, .. } = &vector;
        let signed = Link::parse(url).unwrap().sign(&*vector.scheme(), UnixTime(*expires), *ip);
        assert_eq!(signed.as_deref(), Ok(vector.signed.as_str()), "{name}");
        let verified = vector.verify(&vector.signed, *ip, expires - 1);
        let last = if vector.has_end() { *expires } else { u64::MAX };
        assert_eq!(verified, Ok(last), "{name}");
        if vector.has_end() {
            let over = vector.verify(&vector.signed, *ip, expires + 1);
            assert_eq!(over, Err(Refusal::Expired { ago_secs: 1 }), "{name}");
        }
    }
}

#[test]
fn every_scheme_has_a_vector_and_every_vector_a_source() {
    let vectors = vectors();
    let tested: BTreeSet<_> = vectors.iter().map(|vector| vector.scheme.clone()).collect();
    let known: BTreeSet<_> = SchemeKind::all().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(tested, known);
    for vector in &vectors {
        assert!(!vector.source.is_empty(), "{}", vector.name);
        assert!(["published", "derived"].contains(&vector.kind.as_str()), "{}", vector.name);
    }
}

#[test]
fn batches_sign_as_one_by_one() {
    for vector in vectors() {
        let scheme = vector.scheme();
        let link = Link::parse(&vector.url).unwrap();
        let url = link.without_fragment();
        let target = sluicegate_token::Target { path: link.path(), url: url.as_bytes() };
        let signed = scheme.signed_part(&target);
        let mut list = sluicegate_token::ByteList::default();
        list.push(&signed);
        list.push(&signed);
        let (mut one, mut tokens) = (Vec::new(), sluicegate_token::ByteList::default());
        scheme.write_token(&signed, UnixTime(vector.expires), vector.ip, &mut one).unwrap();
        scheme.write_tokens(&list, UnixTime(vector.expires), vector.ip, &mut tokens).unwrap();
        assert_eq!(tokens.iter().collect::<Vec<_>>(), [&one[..], &one[..]], "{}", vector.name);
    }
}

/// What stands behind the host.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |slash| &rest[slash..])
}

fn any_vector() -> impl Strategy<Value = Vector> {
    proptest::sample::select(vectors())
}

proptest! {
    /// One changed character of the signed URL. Accepted is what means the same: the last character
    /// of a hash in base64 has spare bits, a wide scope opens neighbours, and the address that some
    /// write into the URL is for people.
    #[test]
    fn a_changed_character_is_refused(
        vector in any_vector(), at in any::<prop::sample::Index>(), to in "[a-zA-Z0-9]",
    ) {
        let at = at.index(vector.signed.len());
        if vector.signed[at..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric()) {
            return Ok(());
        }
        let mut changed = vector.signed.clone();
        changed.replace_range(at..=at, &to);
        if changed.eq_ignore_ascii_case(&vector.signed) {
            return Ok(());
        }
        // What is no URL any more, as with half an escape, no server looks at.
        if Link::parse(&changed).is_err() {
            return Ok(());
        }
        if vector.verify(&changed, vector.ip, vector.expires - 1).is_err() {
            return Ok(());
        }
        let ends_hash = vector.signed[at + 1..].is_empty()
            || vector.signed[at + 1..].starts_with(['&', ',', '=', '/', '%']);
        let query_at = vector.signed.find('?').unwrap_or(vector.signed.len());
        // Most hash the path alone.
        let path_at = vector.signed.len() - path_of(&vector.signed).len();
        let is_neighbour = at < query_at && (vector.scope() != Scope::File || vector.name.contains("$hls_uri"));
        let is_ip = vector.signed.find("&ip=").is_some_and(|ip| at > ip);
        prop_assert!(ends_hash || is_neighbour || is_ip || at < path_at, "{}: {changed}", vector.name);
    }

    #[test]
    fn nothing_makes_verifying_panic(
        vector in any_vector(), path in "/[ -~]{0,40}", query in proptest::option::of("[ -~]{0,60}"),
        now in any::<u64>(),
    ) {
        let Ok(parsed) = sluicegate_token::ResourcePath::parse(path.as_bytes()) else { return Ok(()) };
        let presented = Presented {
            path: &parsed,
            url: path.as_bytes(),
            query: query.as_deref().map(str::as_bytes),
            ip: vector.ip,
        };
        prop_assert!(vector.scheme().verify(&presented, UnixTime(now)).is_err());
    }

    #[test]
    fn another_key_address_or_path_is_refused(
        vector in any_vector(), key in "[a-z]{8}", last in 1..200_u8, name in "[a-z]{1,8}",
    ) {
        let before = vector.expires - 1;
        let link = Link::parse(&vector.signed).unwrap();
        let url = link.without_fragment();
        let presented = |ip| Presented {
            path: link.path(), url: url.as_bytes(), query: link.query(), ip,
        };
        // Keys in hexadecimal, base64 or PEM are no words.
        let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        for key in [key, hex] {
            let Ok(other) = vector.scheme_with(&key) else { continue };
            let verdict = other.verify(&presented(vector.ip), UnixTime(before));
            prop_assert_eq!(verdict, Err(Refusal::WrongToken));
        }
        if vector.ip.is_some() {
            let other = IpAddr::from([198, 51, 100, last]);
            let verdict = vector.scheme().verify(&presented(Some(other)), UnixTime(before));
            let refusals = [Err(Refusal::WrongToken), Err(Refusal::OtherClient)];
            prop_assert!(refusals.contains(&verdict), "{:?}", verdict);
            let verdict = vector.scheme().verify(&presented(None), UnixTime(before));
            prop_assert_eq!(verdict, Err(Refusal::NoClientAddress));
        }
        let file = vector.url.rsplit('/').next().unwrap();
        let moved = vector.signed.replacen(file, &format!("{name}/{file}"), 1);
        if vector.scope() != Scope::Tree && !file.is_empty() {
            prop_assert!(vector.verify(&moved, vector.ip, before).is_err(), "{}", moved);
        }
    }
}

/// One link for a network: Gcore binds to /24 and /16, and IPv6 hosts change their lower half.
#[test]
fn a_link_may_be_bound_to_a_network() {
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let scheme = |name: &str, form: &str| {
        let key = CdnKey::bound("k", b"secret_key");
        let ip = Some(form.parse().unwrap());
        let options = SchemeOptions { ip, ..SchemeOptions::default() };
        SchemeKind::named(name).unwrap().with_key(key, &options).unwrap()
    };
    // As signed with the address itself, in the form that the CDN hashes.
    let exact = scheme("gcore", "address");
    let link = Link::parse("/images/1.jpg").unwrap();
    let sign = |scheme: &dyn Scheme, client: &str| {
        link.sign(scheme, UnixTime(2_147_483_647), Some(ip(client))).unwrap()
    };
    assert_eq!(sign(&*scheme("gcore", "address/24"), "1.2.3.4"), sign(&*exact, "1.2.3.0"));
    for name in ["gcore", "gcore-streaming", "gcore-mp4", "nginx", "bunny-basic", "onapp"] {
        for (form, client, inside, outside) in [
            ("address/24", "1.2.3.4", "1.2.3.250", "1.2.4.4"),
            ("cidr/16", "1.2.3.4", "1.2.200.1", "1.3.3.4"),
            ("leading/16/64", "2001:db8:0:1::5", "2001:db8:0:1:ffff::9", "2001:db8:0:2::5"),
            ("octets/32/64", "2001:db8:0:1::5", "2001:db8:0:1::", "2001:db8::5"),
        ] {
            // It writes the address into the URL.
            if (name, form) == ("onapp", "octets/32/64") {
                continue;
            }
            let scheme = scheme(name, form);
            let link = Link::parse("/videos/1_a/b.mp4").unwrap();
            let signed = link.sign(&*scheme, UnixTime(2_147_483_647), Some(ip(client))).unwrap();
            let link = Link::parse(&signed).unwrap();
            let verify = |client: &str| {
                let presented = Presented {
                    path: link.path(),
                    url: signed.as_bytes(),
                    query: link.query(),
                    ip: Some(ip(client)),
                };
                scheme.verify(&presented, UnixTime(1_900_000_000)).map(|_| ())
            };
            assert_eq!(verify(client), Ok(()), "{name} {form}");
            assert_eq!(verify(inside), Ok(()), "{name} {form}");
            assert_eq!(verify(outside), Err(Refusal::WrongToken), "{name} {form}");
        }
    }
}

#[test]
fn no_token_in_a_path_is_shown() {
    let mut tried = 0;
    for vector in vectors() {
        let placement = vector.scheme().placement();
        let sluicegate_token::Placement::Path { after, segments } = placement else { continue };
        let link = Link::parse(&vector.signed).unwrap();
        let path = std::str::from_utf8(link.path().as_bytes()).unwrap();
        let shown = placement.path_without_secrets(path);
        let taken: Vec<_> = path.split('/').skip(after + 1).take(segments).collect();
        assert!(
            taken.iter().any(|segment| segment.len() >= 16 && !shown.contains(segment)),
            "{path}"
        );
        assert_eq!(shown.split('/').count(), path.split('/').count());
        assert!(shown.ends_with(path.rsplit('/').next().unwrap()), "{shown}");
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
}

/// Where nothing stands between path, time and lifetime in the hash, a link could be read in two ways.
#[test]
fn digits_do_not_move_from_one_part_of_a_link_to_another() {
    const ENDS: u64 = 1_790_000_000;
    let now = UnixTime(ENDS - 60);
    let key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";
    let signed = |name: &str, path: &str| {
        let vector = Vector {
            scheme: name.to_owned(),
            key: key.to_owned(),
            ip: None,
            scope: None,
            layout: None,
            ..vectors().remove(0)
        };
        let link = Link::parse(path).unwrap();
        let signed = link.sign(&*vector.scheme(), UnixTime(ENDS), None).unwrap();
        assert!(vector.verify(&signed, None, now.0).is_ok(), "{name} {signed}");
        (vector, signed)
    };
    // The link for one path; how another path may be had from it, and another end.
    for (name, path, changes) in [
        ("fastly", "/v/master.m3u8", &[("m3u8", "m3u"), ("=1790000000", "=81790000000")][..]),
        ("fastly", "/v/1", &[("/v/1", "/v/11"), ("=1790000000", "=790000000")]),
        ("fastly", "/v/a0", &[("a0", "a"), ("=1790000000", "=01790000000")]),
        ("cloudflare", "/v/master.m3u8", &[("m3u8", "m3u"), ("=1789989200", "=81789989200")]),
        ("bunny-basic", "/v/master.m3u8", &[("m3u8", "m3u"), ("=1790000000", "=81790000000")]),
        ("bunny", "/v/master.m3u8", &[("m3u8", "m3u"), ("=1790000000", "=81790000000")]),
        ("bunny", "/v/a?5=5", &[("=1790000000", "=17900000005"), ("5=5", "=5")]),
        ("nginx-hmac", "/v/a", &[("=1789996400", "=178999640"), ("e=3600", "e=03600")]),
        ("nginx-hmac", "/v/a", &[("=1789996400", "=1"), ("e=3600", "e=7899964003600")]),
        ("nginx-hmac", "/v/a", &[("=1789996400", "=17899964003"), ("e=3600", "e=600")]),
        ("nginx-hmac", "/v/a", &[("=1789996400", "=1789996400360"), ("e=3600", "e=0")]),
        ("nginx-hmac", "/v/a8", &[("a8", "a"), ("=1789996400", "=8178999640"), ("e=", "e=0")]),
    ] {
        let (vector, signed) = signed(name, path);
        let changed = changes.iter().fold(signed.clone(), |url, (from, to)| {
            assert!(url.contains(from), "{name} {url} {from}");
            url.replacen(from, to, 1)
        });
        for now in [now, UnixTime(ENDS + 86_400)] {
            let verdict = vector.verify(&changed, None, now.0);
            assert!(verdict.is_err(), "{name} {signed} {changed}");
        }
    }
}

/// One token may be written in many ways, and is the same by its mark.
#[test]
fn however_a_token_is_written_its_mark_is_the_same() {
    let vector = |name: &str| vectors().into_iter().find(|vector| vector.scheme == name).unwrap();
    let mark = |vector: &Vector, url: &str| {
        let link = Link::parse(url).unwrap();
        let url = link.without_fragment();
        let presented = Presented {
            path: link.path(),
            url: url.as_bytes(),
            query: link.query(),
            ip: vector.ip,
        };
        let valid = vector.scheme().verify(&presented, UnixTime(1));
        valid.map(|valid| valid.mark)
    };
    let mut marks = Vec::new();
    for name in ["gcore", "nginx", "fastly", "akamai", "cloudfront", "bunny", "nginx-secret"] {
        let vector = vector(name);
        let own = mark(&vector, &vector.signed).unwrap();
        assert_eq!(format!("{own:?}"), "TokenMark(..)");
        let spelled = match name {
            "gcore" | "nginx" => vector.signed.replace("&expires", "==&expires"),
            "fastly" | "akamai" | "nginx-secret" => {
                let at = vector.signed.rfind(|c: char| "abcdef".contains(c)).unwrap();
                let (before, after) = vector.signed.split_at(at);
                format!("{before}{}{}", after[..1].to_uppercase(), &after[1..])
            }
            _ => format!("{}&x=1", vector.signed),
        };
        if let Ok(again) = mark(&vector, &spelled) {
            assert_eq!(own, again, "{name} {spelled}");
        } else {
            assert!(!["gcore", "akamai"].contains(&name), "{name} {spelled}");
        }
        marks.push(own);
    }
    assert!(marks.iter().enumerate().all(|(at, mark)| !marks[..at].contains(mark)));
}

/// Bunny hashes its parameters joined by `&` and `=`, so one could be hidden in another.
#[test]
fn a_parameter_is_no_part_of_another() {
    let vector = Vector {
        scheme: "bunny".to_owned(),
        key: "229248f0-f007-4bf9-ba1f-bbf1b4ad9d40".to_owned(),
        ip: None,
        scope: None,
        layout: None,
        fields: BTreeMap::from([
            ("limit".to_owned(), "5".to_owned()),
            ("countries".to_owned(), "US".to_owned()),
        ]),
        ..vectors().remove(0)
    };
    let link = Link::parse("/v/a.m3u8").unwrap();
    let signed = link.sign(&*vector.scheme(), UnixTime(1_790_000_000), None).unwrap();
    assert!(vector.verify(&signed, None, 1_789_000_000).is_ok(), "{signed}");
    let hidden = signed.replace("limit=5", "limit=5%26token_countries%3DUS");
    let hidden = hidden.replace("token_countries=US&", "");
    assert_ne!(hidden, signed);
    assert!(matches!(vector.verify(&hidden, None, 1_789_000_000), Err(Refusal::MalformedToken(_))));
}
