//! Which other texts may have been hashed.

use super::Mistake;
use crate::layout::template::{Field, Piece, Template};

/// The message as people get it wrong, the likeliest first.
pub(super) fn candidates(right: &Template) -> Vec<(Mistake, Template)> {
    let mut found = Vec::new();
    found.extend(without_a_text(right));
    found.extend(with_a_space(right));
    for end in [&b"\n"[..], b"\r\n"] {
        let mut pieces = right.0.clone();
        pieces.push(Piece::Text(end.to_vec()));
        found.push((Mistake::LineEndSigned, Template(pieces)));
    }
    // `echo "secret" > key`, and the file as it is before the rest.
    let mut after_secret = right.0.clone();
    if let Some(at) = after_secret.iter().position(|piece| *piece == Piece::Field(Field::Secret)) {
        after_secret.insert(at + 1, Piece::Text(b"\n".to_vec()));
        found.push((Mistake::LineEndSigned, Template(after_secret)));
    }
    found.extend(dressed_secrets(right));
    found.extend(swapped(right));
    found
}

/// Quotes or spaces around the secret, as files of settings bring them.
fn dressed_secrets(right: &Template) -> Vec<(Mistake, Template)> {
    const DRESSES: [(&str, &str, &str); 5] = [
        ("", " ", "a space behind it"),
        (" ", "", "a space before it"),
        (" ", " ", "spaces around it"),
        ("\"", "\"", "quotes around it"),
        ("'", "'", "quotes around it"),
    ];
    let secret = Piece::Field(Field::Secret);
    let Some(at) = right.0.iter().position(|piece| *piece == secret) else { return Vec::new() };
    let dress = |(before, after, what): (&str, &str, &'static str)| {
        let mut pieces = right.0.clone();
        pieces.insert(at + 1, Piece::Text(after.into()));
        pieces.insert(at, Piece::Text(before.into()));
        (Mistake::SecretDressed(what), Template(pieces))
    };
    DRESSES.into_iter().map(dress).collect()
}

/// One of its texts left out.
fn without_a_text(right: &Template) -> impl Iterator<Item = (Mistake, Template)> {
    right.0.iter().enumerate().filter_map(|(at, piece)| {
        let Piece::Text(text) = piece else { return None };
        let before = match right.0.get(at + 1) {
            Some(Piece::Field(field)) => name(*field),
            _ => "end",
        };
        let mut pieces = right.0.clone();
        pieces.remove(at);
        let text = String::from_utf8_lossy(text).into_owned();
        Some((Mistake::TextLeftOut { text, before }, Template(pieces)))
    })
}

/// A space before the secret, as other CDNs have it.
fn with_a_space(right: &Template) -> Option<(Mistake, Template)> {
    let at = right.0.iter().position(|piece| *piece == Piece::Field(Field::Secret))?;
    let is_there = at > 0 && right.0[at - 1] == Piece::Text(b" ".to_vec());
    let mut pieces = right.0.clone();
    pieces.insert(at, Piece::Text(b" ".to_vec()));
    (!is_there).then_some((Mistake::SpaceAdded, Template(pieces)))
}

/// Two of its fields in each other's places.
fn swapped(right: &Template) -> Vec<(Mistake, Template)> {
    let fields = right.0.iter().enumerate().filter_map(|(at, piece)| match piece {
        Piece::Field(field) => Some((at, *field)),
        _ => None,
    });
    let fields = fields.collect::<Vec<_>>();
    let mut found = Vec::new();
    for (count, &(one, first)) in fields.iter().enumerate() {
        for &(other, second) in &fields[count + 1..] {
            let mut pieces = right.0.clone();
            pieces.swap(one, other);
            found.push((Mistake::Order(name(first), name(second)), Template(pieces)));
        }
    }
    found
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::Path => "path",
        Field::Segment(_) => "path segment",
        Field::Time => "time",
        Field::Ttl => "lifetime",
        Field::Ip => "address",
        Field::Secret => "secret",
        Field::Token => "token",
        Field::Own(_) => "field",
    }
}
