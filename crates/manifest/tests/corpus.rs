//! Real playlists: `SLUICEGATE_CORPUS` names a folder whose `hls/` holds them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "common/corpus_folder.rs"]
mod corpus_folder;
#[path = "common/second_opinion.rs"]
mod second_opinion;

use std::collections::BTreeMap;
use std::path::Path;

use common::Mode;
use corpus_folder::{corpus, reason};
use m3u8_rs::Playlist;
use second_opinion::{parse_fully, with_absolute_assets, without_tokens};
use sluicegate_manifest::{Options, Place, SignHost, Template, undo};
use sluicegate_token::Scope;
use url::Url;

/// The playlists of the corpus by their path in it, in order.
fn playlists(hls: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = common::files_below(hls).into_iter().filter(|path| common::is_playlist(path));
    let playlists: Vec<_> = paths
        .map(|path| {
            let name = path.strip_prefix(hls).unwrap().display().to_string();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    assert!(playlists.len() > 100, "{} playlists are no corpus", playlists.len());
    playlists
}

/// What a playlist gets from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Given {
    imported: Vec<(String, String)>,
    query: Option<String>,
}

/// Why the playlist is refused in the first mode that refuses it.
fn refusal(source: &[u8], given: &Given) -> Option<String> {
    let template = match Template::compile(source.to_vec().into(), &Options::default()) {
        Ok(template) => template,
        Err(error) => return Some(error.to_string()),
    };
    let mut refusal = None;
    for mode in Mode::ALL {
        let mut place = mode.place();
        place.variables.imported.clone_from(&given.imported);
        place.served.set_query(given.query.as_deref());
        match mode.render_at(&template, place) {
            Ok((rendered, _)) => {
                assert_eq!(undo(&rendered.bytes, &rendered.edits), source, "{mode:?}");
                assert!(mode != Mode::Identity || rendered.bytes == source);
            }
            Err(error) => {
                refusal.get_or_insert_with(|| error.to_string());
            }
        }
    }
    refusal
}

/// The playlists that must be refused, by path, each with the reason and with the values without
/// which it is refused, if it is nothing else.
fn listed() -> BTreeMap<String, (String, Option<Given>)> {
    let lines = include_str!("corpus_refused.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default().to_owned();
            let (path, reason, values) = (column(), column(), column());
            let given = (!values.is_empty()).then(|| given(&values));
            (path, (reason, given))
        })
        .collect()
}

/// Reads `import name=value` and `query a=b&c=d`, separated by semicolons.
fn given(values: &str) -> Given {
    let mut given = Given::default();
    for value in values.split("; ") {
        if let Some(query) = value.strip_prefix("query ") {
            given.query = Some(query.to_owned());
        } else {
            let variable = value.strip_prefix("import ").and_then(|text| text.split_once('='));
            let (name, value) = variable.unwrap_or_else(|| panic!("{value}"));
            given.imported.push((name.to_owned(), value.to_owned()));
        }
    }
    given
}

#[test]
fn real_playlists_come_back_byte_for_byte_and_few_are_refused() {
    let Some(hls) = corpus("hls") else { return };
    let listed = listed();
    let playlists = playlists(&hls);
    let mut refused = BTreeMap::new();
    for (name, source) in &playlists {
        let checked = std::panic::catch_unwind(|| {
            let given = listed.get(name).and_then(|(_, given)| given.as_ref());
            let unmet = given.and_then(|given| refusal(source, given));
            assert_eq!(unmet, None, "refused with the values that it needs");
            refusal(source, &Given::default())
        });
        let Ok(refusal) = checked else { panic!("{name}: see above") };
        if let Some(refusal) = refusal {
            println!("{name}\t{}", reason(&refusal));
            refused.insert(name.clone(), reason(&refusal));
        }
    }
    println!("{} playlists, {} refused", playlists.len(), refused.len());
    let expected: BTreeMap<_, _> =
        listed.into_iter().map(|(name, (reason, _))| (name, reason)).collect();
    let unlisted: Vec<_> =
        refused.iter().filter(|row| expected.get(row.0) != Some(row.1)).collect();
    assert!(unlisted.is_empty(), "refused, and not in corpus_refused.tsv: {unlisted:#?}");
    let stale: Vec<_> = expected.iter().filter(|row| refused.get(row.0) != Some(row.1)).collect();
    assert!(stale.is_empty(), "in corpus_refused.tsv, and not refused: {stale:#?}");
    assert!(refused.len() * 20 <= playlists.len(), "more than 5 % are refused");
}

/// A URL for the playlist on the host that its first URI names.
fn home(template: &Template) -> Url {
    let base = common::url(common::BASE);
    let source = template.source();
    let led_to = template.slots().iter().filter_map(|slot| {
        common::lead_to(&base, &source[slot.span()]).filter(|url| url.scheme().starts_with("http"))
    });
    led_to.map(|url| url.join(base.path()).unwrap()).next().unwrap_or(base)
}

/// A second parser reads the same before and after signing, but for the tokens.
#[test]
fn real_playlists_parse_alike_before_and_after_signing() {
    let Some(hls) = corpus("hls") else { return };
    let gcore = common::gcore(Scope::Directory);
    let (mut compared, mut unseen, mut unsigned, mut unread, mut refused) = (0, 0, 0, 0, 0);
    for (name, source) in playlists(&hls) {
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            refused += 1;
            continue;
        };
        let base = home(&template);
        // What is left out for strangers' sake cannot be compared.
        let mut policy = SignHost::new(&base, &gcore).trusting_strangers(true);
        let sign = |policy: &SignHost<'_>| policy.sign(common::EXPIRES, None).unwrap();
        let rendered = match common::render(&template, &Place::at(base.clone()), &mut policy, sign)
        {
            Ok(rendered) => rendered,
            Err(error) => {
                println!("refused {name}: {error}");
                refused += 1;
                continue;
            }
        };
        // Where an attribute list is malformed, m3u8-rs takes the next lines for a part of it.
        let reads_on = |playlist: &Playlist| format!("{playlist:?}").contains("\\n");
        let Some(before) = parse_fully(&source).filter(|before| !reads_on(before)) else {
            println!("m3u8-rs does not read {name}");
            unread += 1;
            continue;
        };
        let after = parse_fully(&rendered.bytes).unwrap_or_else(|| panic!("{name}"));
        unsigned += usize::from(rendered.edits.is_empty());
        // m3u8-rs passes over what comes after the last segment.
        unseen += usize::from(before == after && !rendered.edits.is_empty());
        let [before, after] =
            [before, without_tokens(after)].map(|parsed| with_absolute_assets(parsed, &base));
        assert_eq!(before, after, "{name}");
        compared += 1;
    }
    println!(
        "{compared} compared, of which {unsigned} hold no URI to sign, and m3u8-rs sees none of the \
         signed ones of {unseen}; not compared: {refused} refused, {unread} not read by m3u8-rs"
    );
    assert!(compared * 10 >= 9 * (compared + refused + unread), "less than 90 % are compared");
}
