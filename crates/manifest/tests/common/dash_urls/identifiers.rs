//! Templates of URLs and their identifiers (ISO/IEC 23009-1, 5.3.9.4.4).

/// What identifiers stand for. Without a value an identifier stays as it is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) bandwidth: Option<i128>,
    pub(super) number: Option<i128>,
    pub(super) time: Option<i128>,
    pub(super) sub_number: Option<i128>,
}

/// Whether URLs of a template differ from segment to segment.
pub(super) fn varies(template: &str) -> bool {
    ["Number", "Time"].into_iter().any(|name| names(template, name))
}

/// Whether an identifier stands in a template.
pub(super) fn names(template: &str, wanted: &str) -> bool {
    let mut is_there = false;
    substitute(template, |name, _| {
        is_there |= name == wanted;
        let all = ["RepresentationID", "Bandwidth", "Number", "Time", "SubNumber"];
        if all.contains(&name) { Value::Unknown } else { Value::NoIdentifier }
    });
    is_there
}

pub(super) fn fill(template: &str, values: Values<'_>) -> String {
    substitute(template, |name, width| {
        let number = match name {
            "RepresentationID" => return values.id.map_or(Value::Unknown, Value::Text),
            "Bandwidth" => values.bandwidth,
            "Number" => values.number,
            "Time" => values.time,
            "SubNumber" => values.sub_number,
            _ => return Value::NoIdentifier,
        };
        number.map_or(Value::Unknown, |number| Value::Number(number, width))
    })
}

enum Value<'a> {
    Text(&'a str),
    /// With its width.
    Number(i128, usize),
    /// It stays with its dollars.
    Unknown,
    /// It is plain text, and the dollar behind it may begin an identifier.
    NoIdentifier,
}

/// Goes from dollar to dollar: between two stands an identifier, nothing, or plain text.
fn substitute<'a>(template: &str, mut value: impl FnMut(&str, usize) -> Value<'a>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut pieces = template.split('$');
    filled.push_str(pieces.next().unwrap_or_default());
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        // The last piece has no dollar behind it.
        let found = match piece.split_once("%0") {
            _ if pieces.peek().is_none() => Value::NoIdentifier,
            None if piece.is_empty() => Value::Text("$"),
            None => value(piece, 1),
            Some((name, format)) => format
                .strip_suffix('d')
                .and_then(|width| width.parse().ok())
                .filter(|width| *width <= 64)
                .map_or(Value::NoIdentifier, |width| value(name, width)),
        };
        match found {
            Value::Text(text) => filled.push_str(text),
            Value::Number(number, width) => filled.push_str(&format!("{number:0width$}")),
            Value::Unknown => filled.push_str(&format!("${piece}$")),
            Value::NoIdentifier => {
                filled.push('$');
                filled.push_str(piece);
                continue;
            }
        }
        filled.push_str(pieces.next().unwrap_or_default());
    }
    filled
}
