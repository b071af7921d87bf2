//! Real MPDs: `SLUICEGATE_CORPUS` names a folder whose `dash/` holds them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "common/corpus_folder.rs"]
mod corpus_folder;
#[path = "common/dash_urls/fetches.rs"]
mod fetches;
#[path = "common/same_urls.rs"]
mod same_urls;

use std::collections::BTreeMap;

use common::{Mode, NOW};
use corpus_folder::{corpus, reason};
use same_urls::{Sameness, assert_same_urls};
use sluicegate_manifest::{Options, Place, SignHost, StripError, Template, strip, undo};
use sluicegate_token::{Gcore, Scope};
use url::Url;

/// The MPDs of the corpus by their path in it, in order.
fn mpds() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = corpus("dash")?;
    let mpds: Vec<_> = common::files_below(&folder)
        .into_iter()
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "mpd" || extension == "xml")
        })
        .map(|path| {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    assert!(mpds.len() > 100, "{} MPDs are no corpus", mpds.len());
    Some(mpds)
}

fn listed() -> BTreeMap<String, String> {
    let lines =
        include_str!("corpus_dash_refused.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once('\t').unwrap();
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

/// A URL for the MPD on the host that its first absolute base URL names, so that much is signed.
fn home(template: &Template) -> Url {
    let base = common::url(common::BASE);
    let source = template.source();
    let absolute = template.slots().iter().find_map(|slot| {
        let text = String::from_utf8_lossy(&source[slot.span()]).into_owned();
        let role = slot.role();
        Url::parse(&text).ok().filter(|url| {
            url.scheme().starts_with("http") && role != sluicegate_manifest::Role::Unclassified
        })
    });
    absolute.map_or(base.clone(), |url| url.join(base.path()).unwrap())
}

#[test]
fn real_mpds_come_back_byte_for_byte_and_few_are_refused() {
    let Some(mpds) = mpds() else { return };
    let mut refused = BTreeMap::new();
    for (name, source) in &mpds {
        let template = match Template::compile(source.clone().into(), &Options::default()) {
            Ok(template) => template,
            Err(error) => {
                refused.insert(name.clone(), reason(&error.to_string()));
                continue;
            }
        };
        // Templates that cannot be written out are refused for tokens a file alone.
        let mut check = |rendered: Result<common::Rendered, _>, scope| match rendered {
            Ok(rendered) => {
                assert_eq!(undo(&rendered.bytes, &rendered.edits), *source, "{name}");
                Some(rendered.bytes)
            }
            Err(error) => {
                let error: sluicegate_manifest::RenderError = error;
                let when = if scope == Some(Scope::File) { "a token a file: " } else { "" };
                let why = format!("{when}{}", reason(&error.to_string()));
                refused.entry(name.clone()).or_insert(why);
                None
            }
        };
        for mode in Mode::ALL {
            let rendered =
                check(mode.render(&template).map(|(rendered, _)| rendered), mode.scope());
            assert!(
                mode != Mode::Identity || rendered.is_none_or(|bytes| bytes == *source),
                "{name}"
            );
        }
        for scope in [Scope::Directory, Scope::File] {
            let place = Place { now: Some(NOW), ..Place::at(home(&template)) };
            check(common::sign_with(&common::gcore(scope), &template, &place), Some(scope));
        }
    }
    for (name, reason) in &refused {
        println!("{name}\t{reason}");
    }
    println!("{} MPDs, {} refused", mpds.len(), refused.len());
    let listed = listed();
    let unlisted: Vec<_> = refused.iter().filter(|row| listed.get(row.0) != Some(row.1)).collect();
    assert!(unlisted.is_empty(), "refused, and not in corpus_dash_refused.tsv: {unlisted:#?}");
    let stale: Vec<_> = listed.iter().filter(|row| refused.get(row.0) != Some(row.1)).collect();
    assert!(stale.is_empty(), "in corpus_dash_refused.tsv, and not refused: {stale:#?}");
}

/// Whatever moved or was written out: the same files are fetched as before.
#[test]
fn real_mpds_name_the_same_urls_before_and_after() {
    let Some(mpds) = mpds() else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, source) in &mpds {
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            continue;
        };
        for scope in [Scope::Directory, Scope::File] {
            for base in [common::url(common::BASE), home(&template)] {
                let found = assert_same_urls(name, &template, &base, scope);
                let found = match found {
                    Sameness::Refused => "refused".to_owned(),
                    Sameness::Untold(why) => {
                        println!("not told: {name}: {why}");
                        "not told by the second reading".to_owned()
                    }
                    Sameness::Same { signed: 0 } => "same, and nothing on the host".to_owned(),
                    Sameness::Same { .. } => "same".to_owned(),
                };
                *counts.entry(found).or_default() += 1;
            }
        }
    }
    println!("{counts:#?}");
    let same = counts.get("same").copied().unwrap_or_default();
    assert!(same > 250, "only {same} were compared");
}

/// A typed parser reads the same before and after, but for the tokens; and these can be taken out.
#[test]
fn real_mpds_parse_alike_where_tokens_were_only_inserted() {
    let Some(mpds) = mpds() else { return };
    let gcore = common::gcore(Scope::Directory);
    let (mut compared, mut moved, mut unread, mut refused) = (0, 0, 0, 0);
    for (name, source) in &mpds {
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            refused += 1;
            continue;
        };
        let base = home(&template);
        let mut policy = SignHost::new(&base, &gcore);
        let place = Place { now: Some(NOW), ..Place::at(base.clone()) };
        let rendered = common::render(&template, &place, &mut policy, |policy| {
            policy.sign(common::EXPIRES, None).unwrap()
        });
        let Ok(rendered) = rendered else {
            refused += 1;
            continue;
        };
        let only_tokens = rendered.edits.iter().all(|edit| {
            let written = &rendered.bytes[edit.output.clone()];
            edit.removed.is_empty() && written.first().is_some_and(|first| b"?&".contains(first))
        });
        if !only_tokens {
            moved += 1;
            continue;
        }
        let after = Template::compile(rendered.bytes.clone().into(), &Options::default()).unwrap();
        let stripped: Result<_, StripError> = strip(&after, Gcore::PARAMETERS);
        assert_eq!(stripped.as_deref(), Ok(&source[..]), "{name}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Ok(before) = dash_mpd_core::parse(&text(source)) else {
            unread += 1;
            continue;
        };
        let after = dash_mpd_core::parse(&text(&rendered.bytes)).unwrap();
        let read = same_urls::without_tokens(&format!("{after:?}"));
        assert_eq!(read, format!("{before:?}"), "{name}");
        compared += 1;
    }
    println!(
        "{compared} compared, {moved} moved, {unread} not read by dash-mpd-core, {refused} refused"
    );
    assert!(compared > 80, "only {compared} were compared");
}
