//! Templates: text with `{fields}`, and `[parts]` that vanish where a field of theirs is empty.

use thiserror::Error;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Field(Field),
    /// Left out as a whole if one of its fields is empty.
    Part(Vec<Self>),
}

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// The part of the path that is signed.
    Path,
    /// A segment of that part, from 1.
    Segment(usize),
    /// The moment: expiry or issue.
    Time,
    /// How long a token lives from its issue, in seconds.
    Ttl,
    /// The client's address.
    Ip,
    /// The key.
    Secret,
    /// The written hash.
    Token,
    /// One of the layout's own, by its index.
    Own(usize),
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {at}: {problem}")]
pub struct TemplateError {
    /// From 1.
    pub at: usize,
    /// What is wrong.
    pub problem: String,
}

// === impl Template ===

impl Template {
    /// Reads a template. `own` are the names of the layout's own fields.
    pub(crate) fn parse(text: &str, own: &[String]) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut outer: Option<(usize, Vec<Piece>)> = None;
        let mut rest = text.char_indices().enumerate();
        while let Some((count, (at, c))) = rest.next() {
            let wrong = |problem: String| TemplateError { at: count + 1, problem };
            match c {
                '{' => {
                    let name = &text[at + 1..];
                    let end =
                        name.find('}').ok_or_else(|| wrong("'{' is not closed".to_owned()))?;
                    let field = Field::named(&name[..end], own).map_err(wrong)?;
                    pieces.push(Piece::Field(field));
                    for _ in name[..=end].chars() {
                        rest.next();
                    }
                }
                '}' => return Err(wrong("'}' closes nothing".to_owned())),
                '[' if outer.is_some() => {
                    return Err(wrong("a part stands within a part".to_owned()));
                }
                '[' => outer = Some((count + 1, std::mem::take(&mut pieces))),
                ']' => {
                    let (_, before) =
                        outer.take().ok_or_else(|| wrong("']' closes nothing".to_owned()))?;
                    let part = std::mem::replace(&mut pieces, before);
                    if !part.iter().any(|piece| matches!(piece, Piece::Field(_))) {
                        return Err(wrong(
                            "the part holds no field, so it never vanishes".to_owned(),
                        ));
                    }
                    pieces.push(Piece::Part(part));
                }
                c => {
                    let mut bytes = [0; 4];
                    let bytes = c.encode_utf8(&mut bytes).as_bytes();
                    match pieces.last_mut() {
                        Some(Piece::Text(known)) => known.extend_from_slice(bytes),
                        _ => pieces.push(Piece::Text(bytes.to_vec())),
                    }
                }
            }
        }
        match outer {
            Some((at, _)) => Err(TemplateError { at, problem: "'[' is not closed".to_owned() }),
            None => Ok(Self(pieces)),
        }
    }

    /// The fields, in order.
    pub(crate) fn fields(&self) -> Vec<Field> {
        fn collect(pieces: &[Piece], fields: &mut Vec<Field>) {
            for piece in pieces {
                match piece {
                    Piece::Text(_) => {}
                    Piece::Field(field) => fields.push(*field),
                    Piece::Part(part) => collect(part, fields),
                }
            }
        }
        let mut fields = Vec::new();
        collect(&self.0, &mut fields);
        fields
    }

    /// Whether digits at an end of the time could be those of the field beside it.
    pub(crate) fn time_may_shift(&self) -> bool {
        self.neighbours(&|_| true).any(|pair| match pair {
            (before, Field::Time) => before != Field::Secret,
            // A path begins with a slash.
            (Field::Time, after) => !matches!(after, Field::Secret | Field::Path),
            _ => false,
        })
    }

    /// Whether the end of the path could be the beginning of the field behind it, of those that are there.
    pub(crate) fn path_may_shift(&self, is_there: &dyn Fn(Field) -> bool) -> bool {
        self.neighbours(is_there).any(|pair| {
            matches!(pair, (Field::Path | Field::Segment(_), after)
                if !matches!(after, Field::Secret | Field::Path))
        })
    }

    /// Whether nobody can tell where one segment ends and the next begins.
    pub(crate) fn segments_touch(&self) -> bool {
        let mut neighbours = self.neighbours(&|_| true);
        neighbours.any(|pair| matches!(pair, (Field::Segment(_), Field::Segment(_))))
    }

    /// Fields that may stand side by side, or with nothing but digits between, whatever parts vanish.
    fn neighbours(&self, is_there: &dyn Fn(Field) -> bool) -> impl Iterator<Item = (Field, Field)> {
        // Each field or text, with the part that it vanishes with.
        let mut flat: Vec<(&Piece, Option<usize>)> = Vec::new();
        for (at, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Part(part) => flat.extend(part.iter().map(|piece| (piece, Some(at)))),
                piece => flat.push((piece, None)),
            }
        }
        flat.retain(|(piece, _)| !matches!(piece, Piece::Field(field) if !is_there(*field)));
        let mut pairs = Vec::new();
        for (at, (before, its_part)) in flat.iter().enumerate() {
            let Piece::Field(before) = before else { continue };
            for (after, part) in &flat[at + 1..] {
                let may_vanish = part.is_some() && part != its_part;
                let is_mark = match after {
                    Piece::Field(after) => {
                        pairs.push((*before, *after));
                        true
                    }
                    Piece::Text(text) => !text.iter().all(u8::is_ascii_hexdigit),
                    Piece::Part(_) => true,
                };
                if is_mark && !may_vanish {
                    break;
                }
            }
        }
        pairs.into_iter()
    }

    /// Appends the template with its fields filled in.
    pub(crate) fn fill(&self, value: &dyn Fn(Field, &mut Vec<u8>), out: &mut Vec<u8>) {
        fill(&self.0, value, out);
    }

    /// Takes a text apart: the value of each field, in order. None if it has another arrangement. A
    /// value ends where the text behind it begins; `holds` says what may stand in it.
    pub(crate) fn take_apart<'t>(
        &self,
        text: &'t [u8],
        holds: &dyn Fn(Field, u8) -> bool,
    ) -> Option<Vec<(Field, &'t [u8])>> {
        let mut values = Vec::new();
        let mut rest = text;
        let mut pieces = self.0.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(&text[..])?,
                Piece::Field(field) => {
                    let end = match pieces.peek() {
                        Some(Piece::Text(next)) => memchr::memmem::find(rest, next)?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at(end);
                    if !value.iter().all(|&byte| holds(*field, byte)) {
                        return None;
                    }
                    values.push((*field, value));
                    rest = after;
                }
                Piece::Part(_) => return None,
            }
        }
        rest.is_empty().then_some(values)
    }

    /// Whether it can be taken apart: what follows a field cannot stand in it. Else the field.
    pub(crate) fn check_apart(&self, holds: &dyn Fn(Field, u8) -> bool) -> Result<(), String> {
        for pair in self.0.windows(2) {
            match pair {
                [Piece::Field(field), Piece::Text(next)] if holds(*field, next[0]) => {
                    return Err(format!(
                        "'{}' may stand in the value before it, which could then not be told apart",
                        char::from(next[0])
                    ));
                }
                [Piece::Field(_), Piece::Field(_)] => {
                    return Err("two fields stand side by side and cannot be told apart".to_owned());
                }
                _ => {}
            }
        }
        if self.0.iter().any(|piece| matches!(piece, Piece::Part(_))) {
            return Err("'[' stands where nothing can vanish".to_owned());
        }
        Ok(())
    }
}

fn fill(pieces: &[Piece], value: &dyn Fn(Field, &mut Vec<u8>), out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Field(field) => value(*field, out),
            Piece::Part(part) => {
                let is_empty = |piece: &Piece| {
                    let Piece::Field(field) = piece else { return false };
                    let mut filled = Vec::new();
                    value(*field, &mut filled);
                    filled.is_empty()
                };
                if !part.iter().any(is_empty) {
                    fill(part, value, out);
                }
            }
        }
    }
}

// === impl Field ===

impl Field {
    fn named(name: &str, own: &[String]) -> Result<Self, String> {
        if let Some(number) = name.strip_prefix("segment.") {
            let number = number.parse().ok().filter(|number| *number > 0);
            return number.map(Self::Segment).ok_or_else(|| {
                format!("{{{name}}}: a segment has a number from 1, as in {{segment.2}}")
            });
        }
        Ok(match name {
            "path" => Self::Path,
            "time" => Self::Time,
            "ttl" => Self::Ttl,
            "ip" => Self::Ip,
            "secret" => Self::Secret,
            "token" => Self::Token,
            name => {
                let index = own.iter().position(|known| known == name);
                return index.map(Self::Own).ok_or_else(|| {
                    format!(
                        "{{{name}}} is no field; there are path, segment.N, time, ttl, ip, secret, \
                         token, and those that [fields] names"
                    )
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::parse(text, &["uid".to_owned()])
    }

    fn filled(text: &str, ip: &str) -> String {
        let mut out = Vec::new();
        let value = |field, out: &mut Vec<u8>| match field {
            Field::Ip => out.extend_from_slice(ip.as_bytes()),
            field => out.extend_from_slice(format!("{field:?}").as_bytes()),
        };
        parse(text).unwrap().fill(&value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_filled_and_parts_vanish() {
        assert_eq!(filled("{time}{path}{ip} {secret}", ""), "TimePath Secret");
        assert_eq!(filled("{time}[:{ip}]:{uid}", "1.2.3.4"), "Time:1.2.3.4:Own(0)");
        assert_eq!(filled("{time}[:{ip}]:{segment.2}", ""), "Time:Segment(2)");
    }

    #[test]
    fn a_broken_template_tells_its_place() {
        for (text, at) in [
            ("{path", 1),
            ("è{pth}", 2),
            ("{path}}", 7),
            ("a]", 2),
            ("[{ip}", 1),
            ("[[{ip}]]", 2),
            ("ab[c]", 5),
            ("{segment.0}", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_text_is_taken_apart() {
        let holds = |field, byte: u8| field != Field::Time || byte.is_ascii_digit();
        let template = parse("{time}-{uid}-{token}").unwrap();
        let values = template.take_apart(b"12-x-a-b", &holds).unwrap();
        let values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [&b"12"[..], b"x", b"a-b"]);
        for bad in ["12", "12-x", "1x-y-z", ""] {
            assert_eq!(template.take_apart(bad.as_bytes(), &holds), None, "{bad}");
        }
        assert!(template.check_apart(&|_, byte| byte != b'-').is_ok());
        assert!(template.check_apart(&|_, _| true).is_err());
        assert!(parse("{time}{token}").unwrap().check_apart(&|_, _| false).is_err());
    }
}
