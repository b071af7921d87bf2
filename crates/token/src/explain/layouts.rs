//! The search for schemes that are data: what was hashed, in which form, and how the URL is read.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use subtle::ConstantTimeEq as _;

use super::{Effort, Mistake, addresses, are_milliseconds, messages, paths, readings};
use crate::layout::digest::{Algorithm, Output};
use crate::layout::scheme::Hashed;
use crate::layout::template::{Field, Template};
use crate::layout::{Place, digest};
use crate::{Binding, LayoutScheme, Presented, Refusal, Scheme as _, SchemeRing, UnixTime};

/// The most mistakes at once that a thorough search tries.
const MOST_MISTAKES: usize = 3;

/// One way to differ from what is right: the first of each list is none.
type Ways<T> = Vec<(Option<Mistake>, T)>;

/// What a URL shows under one reading.
struct Read {
    hash: Vec<u8>,
    time: Vec<u8>,
    ttl: Option<Vec<u8>>,
    own: Vec<Cow<'static, str>>,
}

/// Everything that may differ.
struct Ground {
    keys: Ways<LayoutScheme>,
    reads: Ways<Read>,
    messages: Ways<Template>,
    paths: Ways<Vec<u8>>,
    addresses: Ways<Vec<u8>>,
    /// What is put behind the time, or cut from it.
    times: Ways<Scale>,
}

#[derive(Clone, Copy)]
enum Scale {
    Same,
    Up,
    Down,
}

/// Which way of each is taken.
#[derive(Clone, Copy, Default)]
struct Choice {
    key: usize,
    read: usize,
    message: usize,
    path: usize,
    address: usize,
    time: usize,
}

/// The fewest mistakes under which the token is right. None if nothing fits, or the scheme is no
/// data.
pub(super) fn search(
    ring: &SchemeRing,
    presented: &Presented<'_>,
    now: UnixTime,
    effort: Effort,
) -> Option<Vec<Mistake>> {
    let mut ground = ground(ring, presented, now)?;
    let most = if effort == Effort::Quick { 1 } else { MOST_MISTAKES };
    let found = (0..=most).find_map(|count| ground.with(count));
    let found = found.or_else(|| {
        let scheme = &ground.keys.first()?.1;
        let scope = scheme.scope();
        if effort == Effort::Quick {
            return None;
        }
        // The path with the token taken out was read before.
        let mut rest = None;
        let lenient = |_: Field, _: u8| true;
        let target = scheme.read(presented, &mut rest, &lenient).ok()?.target;
        let right = ground.paths.first()?.1.clone();
        let neighbours = paths::neighbours(&right, &target, scope);
        let first = ground.paths.first().map(|(_, path)| (None, path.clone()));
        let neighbours = neighbours.into_iter().map(|(mistake, path)| (Some(mistake), path));
        ground.paths = first.into_iter().chain(neighbours).collect();
        ground.messages.truncate(1);
        ground.addresses.truncate(2);
        ground.times.truncate(1);
        (1..=2).find_map(|count| ground.with(count))
    });
    let found = found.or_else(|| {
        let ip = presented.ip.filter(|_| effort == Effort::Thorough)?;
        let scheme = &ground.keys.first()?.1;
        if !scheme.parts().binds_ip() {
            return None;
        }
        let form = scheme.written_form();
        let others = addresses::neighbours(ip, form);
        let others = others.into_iter().map(|(mistake, bytes)| (Some(mistake), bytes));
        ground.addresses.truncate(1);
        ground.addresses.extend(others);
        ground.paths.truncate(2);
        ground.with(1)
    });
    let (choice, mut mistakes) = found?;
    mistakes.extend(ground.end(&choice, now));
    Some(mistakes)
}

/// What is odd about the token of a request that is let in.
pub(super) fn oddities(
    ring: &SchemeRing,
    presented: &Presented<'_>,
    now: UnixTime,
) -> Vec<Mistake> {
    let Some(scheme) = ring.scheme().as_layout() else { return Vec::new() };
    let mut rest = None;
    let Ok(shown) = scheme.read(presented, &mut rest, &|_, _| true) else { return Vec::new() };
    let mut odd = Vec::new();
    if scheme.parts().output == Output::Base64url && shown.token.ends_with(b"=") {
        odd.push(Mistake::Padding);
    }
    if scheme.parts().time.is_issue
        && let Some(moment) = scheme.parts().time.text.read(shown.time)
        && moment > now
    {
        odd.push(match are_milliseconds(moment, now) {
            true => Mistake::Milliseconds,
            false => Mistake::NotYetValid { in_secs: moment.0 - now.0 },
        });
    }
    odd
}

fn ground(ring: &SchemeRing, presented: &Presented<'_>, now: UnixTime) -> Option<Ground> {
    let keys = super::keys(ring, now).into_iter();
    // None if the scheme is no data.
    let keys = keys.map(|(mistake, key)| Some((mistake, key.scheme.as_layout()?)));
    let keys: Ways<LayoutScheme> = keys.collect::<Option<_>>()?;
    let scheme = &keys.first()?.1;
    let parts = scheme.parts();
    let own = scheme.parameters();
    let lenient = |_: Field, _: u8| true;
    let mut reads: Ways<Read> = Vec::new();
    let mut target_of_first = None;
    let shown = presented.query.unwrap_or_default();
    let queries = match &parts.place {
        Place::Query(_) => readings::of(shown, &own),
        Place::Path { .. } => vec![(None, shown.to_vec())],
    };
    for (mistake, query) in &queries {
        let presented = Presented { query: Some(query), ..*presented };
        let mut rest = None;
        let Ok(shown) = scheme.read(&presented, &mut rest, &lenient) else { continue };
        let target = (shown.target.path.clone(), shown.target.url.to_vec());
        target_of_first.get_or_insert(target);
        for (of_token, hash) in hashes(shown.token, parts.output, parts.algorithm) {
            let read = Read {
                hash,
                time: shown.time.to_vec(),
                ttl: shown.ttl.map(<[u8]>::to_vec),
                own: shown.own.iter().map(|value| Cow::Owned(value.to_string())).collect(),
            };
            reads.push((mistake.clone().or(of_token), read));
        }
    }
    let (path, url) = target_of_first?;
    let target = crate::Target { path: &path, url: &url };
    let right = scheme.signed_part(&target).into_owned();
    let scope = scheme.scope();
    let host = Presented { url: presented.url, ..*presented };
    let paths = paths::candidates(&right, &target, &host, scope, &own);
    // An address that should be signed and is not known leaves no right text.
    let ip = match scheme.key().binding() {
        Binding::Plain => Vec::new(),
        Binding::Ip => presented.ip.map(|ip| scheme.written_ip(Some(ip))).unwrap_or_default(),
    };
    let is_unknown = scheme.key().binding() == Binding::Ip && presented.ip.is_none();
    let first_address = is_unknown.then_some(Mistake::AddressLeftOut);
    let addresses = match parts.binds_ip() {
        true => addresses::candidates(&ip, presented.ip),
        false => Vec::new(),
    };
    Some(Ground {
        reads,
        messages: ways(parts.message.clone(), messages::candidates(&parts.message)),
        paths: ways(right, paths),
        addresses: std::iter::once((first_address, ip))
            .chain(addresses.into_iter().map(|(mistake, bytes)| (Some(mistake), bytes)))
            .collect(),
        times: vec![
            (None, Scale::Same),
            (Some(Mistake::MillisecondsSigned), Scale::Up),
            (Some(Mistake::Milliseconds), Scale::Down),
        ],
        keys,
    })
}

fn ways<T>(right: T, wrong: Vec<(Mistake, T)>) -> Ways<T> {
    let wrong = wrong.into_iter().map(|(mistake, way)| (Some(mistake), way));
    std::iter::once((None, right)).chain(wrong).collect()
}

/// What a token's text may stand for.
fn hashes(token: &[u8], output: Output, algorithm: Algorithm) -> Vec<(Option<Mistake>, Vec<u8>)> {
    let mut found: Vec<(Option<Mistake>, Vec<u8>)> = Vec::new();
    let mut add = |mistake: Option<Mistake>, hash: Option<Vec<u8>>| {
        let hash = hash.filter(|hash| hash.len() == algorithm.len());
        if let Some(hash) = hash.filter(|hash| !found.iter().any(|(_, known)| known == hash)) {
            found.push((mistake, hash));
        }
    };
    // nginx looks at no text that is longer.
    let is_too_long = output == Output::Base64url && token.len() > algorithm.len().div_ceil(3) * 4;
    if !is_too_long && token.iter().all(|&byte| output.holds(byte) || byte == b'=') {
        add(None, output.read(token));
    }
    let decoded: Vec<u8> = percent_decode(token).collect();
    if decoded != token {
        add(Some(Mistake::TokenEncoded), output.read(&decoded));
    }
    let spaces: Vec<u8> = decoded.iter().map(|&b| if b == b' ' { b'+' } else { b }).collect();
    for (name, alphabet) in [
        ("hexadecimal", Output::Hex),
        ("standard base64", Output::Base64),
        ("base64url", Output::Base64url),
    ] {
        add(Some(Mistake::Alphabet(name)), alphabet.read(&spaces));
    }
    // The hexadecimal text of the hash in base64: `openssl md5 | base64`.
    let text = digest::Output::Base64.read(&spaces);
    let text = text.or_else(|| digest::Output::Base64url.read(&spaces));
    let inner = text.as_deref().map(<[u8]>::trim_ascii).and_then(digest::read_hex);
    add(Some(Mistake::Alphabet("base64 of the hexadecimal text")), inner);
    found
}

impl Ground {
    /// The first choice with so many mistakes that makes the hash of the URL.
    fn with(&self, count: usize) -> Option<(Choice, Vec<Mistake>)> {
        let mut mistakes = Vec::new();
        self.choose(0, count, Choice::default(), &mut mistakes)
    }

    /// Chooses of the dimension `at` and of those behind it.
    fn choose(
        &self,
        at: usize,
        left: usize,
        choice: Choice,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<(Choice, Vec<Mistake>)> {
        let mut go = |ways: Vec<Option<Mistake>>, set: fn(&mut Choice, usize)| {
            for (way, mistake) in ways.into_iter().enumerate() {
                let cost = usize::from(mistake.is_some());
                if cost > left {
                    continue;
                }
                let mut choice = choice;
                set(&mut choice, way);
                mistakes.extend(mistake);
                if let Some(found) = self.choose(at + 1, left - cost, choice, mistakes) {
                    return Some(found);
                }
                mistakes.truncate(mistakes.len() - cost);
            }
            None
        };
        match at {
            0 => go(names(&self.keys), |choice, way| choice.key = way),
            1 => go(names(&self.messages), |choice, way| choice.message = way),
            2 => go(names(&self.reads), |choice, way| choice.read = way),
            3 => go(names(&self.addresses), |choice, way| choice.address = way),
            4 => go(names(&self.times), |choice, way| choice.time = way),
            5 => go(names(&self.paths), |choice, way| choice.path = way),
            // Fewer mistakes were tried before.
            _ if left > 0 => None,
            _ => self.fits(&choice).then(|| (choice, mistakes.clone())),
        }
    }

    fn fits(&self, choice: &Choice) -> bool {
        let scheme = &self.keys[choice.key].1;
        let read = &self.reads[choice.read].1;
        let Some(time) = scaled(&read.time, self.times[choice.time].1) else { return false };
        let ttl = scheme_ttl(scheme, read);
        let hashed = Hashed {
            signed: &self.paths[choice.path].1,
            time: &time,
            ttl: &ttl,
            ip: &self.addresses[choice.address].1,
            own: &read.own,
        };
        scheme.hash(&self.messages[choice.message].1, &hashed).ct_eq(&read.hash).into()
    }

    /// What is to be said of the time of a token that was found right.
    fn end(&self, choice: &Choice, now: UnixTime) -> Option<Mistake> {
        let scheme = &self.keys[choice.key].1;
        let read = &self.reads[choice.read].1;
        let time = match self.times[choice.time].1 {
            Scale::Down => scaled(&read.time, Scale::Down)?,
            _ => Cow::Borrowed(&read.time[..]),
        };
        let moment = scheme.parts().time.text.read(&time)?;
        if are_milliseconds(moment, now) {
            return Some(Mistake::Milliseconds);
        }
        let ttl = std::str::from_utf8(&scheme_ttl(scheme, read)).ok()?.parse().ok()?;
        let last = scheme.last_second(moment, ttl, read.ttl.is_some());
        match crate::scheme::check_expiry(last, now) {
            Err(Refusal::Expired { ago_secs }) => Some(Mistake::Expired { ago_secs }),
            _ => None,
        }
    }
}

fn names<T>(ways: &Ways<T>) -> Vec<Option<Mistake>> {
    ways.iter().map(|(mistake, _)| mistake.clone()).collect()
}

fn scheme_ttl(scheme: &LayoutScheme, read: &Read) -> Vec<u8> {
    read.ttl.clone().unwrap_or_else(|| scheme.default_ttl_secs().to_string().into_bytes())
}

/// The time's text in milliseconds, or that of milliseconds in seconds.
fn scaled(time: &[u8], scale: Scale) -> Option<Cow<'_, [u8]>> {
    let is_number = !time.is_empty() && time.iter().all(u8::is_ascii_digit);
    match scale {
        Scale::Same => Some(Cow::Borrowed(time)),
        Scale::Up => is_number.then(|| Cow::Owned([time, b"000"].concat())),
        Scale::Down => {
            let end = time.len().checked_sub(3).filter(|&end| is_number && end >= 9)?;
            Some(Cow::Borrowed(&time[..end]))
        }
    }
}
