//! In which other ways a query may be read.

use percent_encoding::percent_decode;

use super::Mistake;
use crate::query;

/// The query as it is, and then as it may have been meant.
pub(super) fn of(shown: &[u8], own: &[&str]) -> Vec<(Option<Mistake>, Vec<u8>)> {
    let mut readings = vec![(None, shown.to_vec())];
    let mut add = |mistake: Mistake, reading: Vec<u8>| {
        if !readings.iter().any(|(_, known)| *known == reading) {
            readings.push((Some(mistake), reading));
        }
    };
    add(Mistake::AmpersandEscaped, replaced(shown, b"&amp;", b"&"));
    add(Mistake::SecondQuestionMark, replaced(shown, b"?", b"&"));
    for &name in own {
        let count = query::count(shown, name);
        for kept in 1..count.min(8) {
            let name_bytes = name.as_bytes();
            let mut seen = 0;
            let reading = query::without(shown, |found| {
                let is_it = found.eq_ignore_ascii_case(name_bytes);
                seen += usize::from(is_it);
                is_it && seen != kept + 1
            });
            add(Mistake::ParameterDoubled(name.to_owned()), reading);
        }
    }
    if own.len() > 1 && own.iter().all(|name| query::count(shown, name) > 1) {
        // A second token as a whole.
        let mut seen = vec![0; own.len()];
        let reading = query::without(shown, |found| {
            let at = own.iter().position(|name| found.eq_ignore_ascii_case(name.as_bytes()));
            at.is_some_and(|at| {
                seen[at] += 1;
                seen[at] == 1
            })
        });
        add(Mistake::ParameterDoubled(own.join("' and '")), reading);
    }
    let decoded: Vec<u8> = percent_decode(shown).collect();
    if own.iter().any(|name| query::count(shown, name) == 0) {
        add(Mistake::QueryEncoded, decoded);
    }
    readings
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
