//! Whether the files that an MPD names are the same before and after signing, and open.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_manifest::{Place, SignHost, Template};
use sluicegate_token::{Presented, ResourcePath, Scheme, Scope, UnixTime};
use url::Url;

use crate::common::{self, EXPIRES, NOW};
use crate::fetches::expand;

/// What comparing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sameness {
    /// Every URL of ours opens with the token that it has; so many have one.
    Same { signed: usize },
    /// The manifest is refused.
    Refused,
    /// The second reading does not know what the URLs are.
    Untold(String),
}

/// Signs for the host of `base` and compares.
///
/// # Panics
/// If a URL is missing, changed, without a token or with a wrong one.
pub(crate) fn assert_same_urls(
    name: &str,
    template: &Template,
    base: &Url,
    scope: Scope,
) -> Sameness {
    let gcore = common::gcore(scope);
    let place = Place { now: Some(NOW), ..Place::at(base.clone()) };
    // What is left out for strangers' sake has no URLs to compare.
    let mut policy = SignHost::new(base, &gcore).trusting_strangers(true);
    let Ok(plan) = template.plan(&place, &mut policy) else { return Sameness::Refused };
    let tokens = policy.sign(EXPIRES, None).unwrap();
    let rendered = String::from_utf8(plan.render(&tokens).bytes).unwrap();
    let Ok(source) = std::str::from_utf8(template.source()) else {
        return Sameness::Untold("no UTF-8".to_owned());
    };
    let fetches = |text: &str| fetches(text, base);
    let before = match fetches(source) {
        Ok(before) => before,
        Err(why) => return Sameness::Untold(why),
    };
    let after =
        fetches(&rendered).unwrap_or_else(|why| panic!("{name}, {scope:?}: {why}\n{rendered}"));
    let names: [BTreeSet<_>; 2] = [before.keys().collect(), after.keys().collect()];
    let differing: Vec<_> = names[0].symmetric_difference(&names[1]).collect();
    assert!(differing.is_empty(), "{name}, {scope:?}: {differing:?}\n{rendered}");
    let mut signed = 0;
    for (what, urls) in &after {
        let was: BTreeSet<_> = before[what].iter().map(Url::as_str).collect();
        for url in urls {
            let plain = without_tokens(url.as_str());
            assert!(was.contains(&*plain), "{name}, {scope:?}, {what}: {url} is none of {was:#?}");
            if url == base {
                // A Representation that says nothing of its media.
                continue;
            }
            if url.origin() != base.origin() {
                assert_eq!(plain, url.as_str(), "{name}: a token for another host");
                continue;
            }
            let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
            let presented = Presented::at(&path, url.query().map(str::as_bytes), None);
            let opens = gcore.verify(&presented, UnixTime(1));
            assert!(opens.is_ok(), "{name}, {scope:?}, {what}: {url}: {opens:?}\n{rendered}");
            signed += 1;
        }
        // Alternatives may be left out, or collapse to one: then the manifest says so.
        let are_all = urls.len() == was.len() || !plan.dropped().is_empty();
        assert!(are_all || urls.len() == before[what].len(), "{name}, {what}");
    }
    Sameness::Same { signed }
}

/// The URLs by what they are of. Where all segments are one file, a list names it many times.
fn fetches(text: &str, base: &Url) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let mut fetches = BTreeMap::new();
    let mut last = BTreeMap::new();
    for fetch in expand(text, base, Some(NOW.0))? {
        let plain: Vec<_> = fetch.urls.iter().map(|url| without_tokens(url.as_str())).collect();
        let of = format!("{} {:?}", fetch.representation, fetch.kind);
        let this = (fetch.range.unwrap_or_default(), plain);
        let (sequence, known) = last.entry(of.clone()).or_insert((0, None));
        if known.as_ref() == Some(&this) {
            continue;
        }
        fetches.insert(format!("{of} {sequence:06} {}", this.0), fetch.urls);
        *sequence += 1;
        *known = Some(this);
    }
    Ok(fetches)
}

/// The text without the tokens that signing adds to it.
pub(crate) fn without_tokens(text: &str) -> String {
    const TOKEN_CHARS: usize = 22;
    let end = format!("&expires={EXPIRES}");
    let mut text = text.to_owned();
    while let Some(at) = text.find("md5=") {
        let hash_end = at + "md5=".len() + TOKEN_CHARS;
        assert!(text[hash_end..].starts_with(&end), "{text}");
        text.replace_range(at - 1..hash_end + end.len(), "");
    }
    text
}
