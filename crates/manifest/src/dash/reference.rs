//! References as they are written: plain, or with the identifiers of a template (clause 5.3.9.4.4).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;

/// What stands for an identifier that differs from segment to segment while its URL is decided. A
/// URL keeps it as it is, and `%0Nd` never gets near a decoder of percent escapes.
const STAND_IN: char = '~';

/// The longest text of a 64-bit number, in octal digits.
const LONGEST_NUMBER: usize = 22;

/// The longest text that stands in for an identifier: `~N-N~` with numbers of seven digits.
const LONGEST_STAND_IN: usize = 18;

/// A reference, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    text: String,
    is_template: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// End of the piece in the text.
    end: usize,
    is: Is,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Text,
    /// `$$`
    Dollar,
    Identifier(Identifier, Format),
}

/// What an identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identifier {
    RepresentationId,
    Bandwidth,
    Number,
    Time,
    SubNumber,
}

/// `%0[width]d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    width: usize,
    radix: Radix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Radix {
    Decimal,
    Octal,
    LowerHex,
    UpperHex,
}

/// What is known of a Representation or a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) representation_id: Option<Rc<str>>,
    pub(crate) bandwidth: Option<u64>,
    pub(crate) number: Option<u64>,
    pub(crate) time: Option<u64>,
}

/// A reference with values in the place of identifiers.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// What every text that stands for an identifier begins with; its number and `~` follow.
    mark: String,
    /// Each identifier that nothing is known for, as it is written.
    stand_ins: Vec<String>,
    /// For each piece, where it ends in `text`.
    ends: Vec<usize>,
    /// Whether one of them differs from segment to segment.
    pub(crate) differs_by_segment: bool,
    /// Whether one of them is what nothing is known of.
    pub(crate) lacks_representation: bool,
}

// === impl Is ===

impl Is {
    const fn differs_by_segment(self) -> bool {
        matches!(
            self,
            Self::Identifier(Identifier::Number | Identifier::Time | Identifier::SubNumber, _)
        )
    }
}

// === impl Reference ===

impl Reference {
    /// A reference in which `$` means nothing.
    pub(crate) fn plain(text: String) -> Self {
        let pieces = vec![Piece { end: text.len(), is: Is::Text }];
        Self { text, is_template: false, pieces }
    }

    /// A template of one file for each Representation: only its identifiers count there.
    pub(crate) fn template_of_one(text: String) -> Self {
        Self::parse(text, false)
    }

    /// A template. What is no identifier stays text, as players leave it.
    pub(crate) fn template(text: String) -> Self {
        Self::parse(text, true)
    }

    fn parse(text: String, of_segments: bool) -> Self {
        let mut pieces = Vec::new();
        let mut plain = 0;
        let mut at = 0;
        while let Some(start) = text[at..].find('$').map(|found| at + found) {
            let Some(end) = text[start + 1..].find('$').map(|found| start + 1 + found) else {
                break;
            };
            let found = identifier(&text[start + 1..end]);
            let Some(is) = found.filter(|is| of_segments || !is.differs_by_segment()) else {
                // The second one may begin an identifier.
                at = end;
                continue;
            };
            if start > plain {
                pieces.push(Piece { end: start, is: Is::Text });
            }
            pieces.push(Piece { end: end + 1, is });
            plain = end + 1;
            at = plain;
        }
        if plain < text.len() || pieces.is_empty() {
            pieces.push(Piece { end: text.len(), is: Is::Text });
        }
        Self { text, is_template: true, pieces }
    }

    /// Whether a `$` means something in it.
    pub(crate) const fn is_template(&self) -> bool {
        self.is_template
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The most bytes that it has with these values filled in: widths and identifiers can make it much
    /// longer than it is written.
    pub(crate) fn filled_len(&self, values: &Values) -> usize {
        let mut start = 0;
        let lens = self.pieces.iter().map(|piece| {
            let written = piece.end - std::mem::replace(&mut start, piece.end);
            match piece.is {
                Is::Text => written,
                Is::Dollar => 1,
                Is::Identifier(Identifier::RepresentationId, _) => {
                    values.representation_id.as_ref().map_or(LONGEST_STAND_IN, |id| id.len())
                }
                Is::Identifier(_, format) => format.width.max(LONGEST_NUMBER),
            }
        });
        lens.fold(0, usize::saturating_add)
    }

    /// Fills in what is known.
    pub(crate) fn fill(&self, values: &Values) -> Filled {
        self.fill_beside(values, &mut std::iter::empty())
    }

    /// The same; what stands for an identifier is in none of `others`, which it may come to stand
    /// in one URL with.
    pub(crate) fn fill_beside(
        &self,
        values: &Values,
        others: &mut dyn Iterator<Item = &str>,
    ) -> Filled {
        // What stands in first is a slash, so that pieces come to stand beside each other.
        let filled = self.fill_with("/".to_owned(), values);
        if filled.stand_ins.is_empty() {
            return filled;
        }
        self.fill_with(mark_beside(&filled.text, others), values)
    }

    fn fill_with(&self, mark: String, values: &Values) -> Filled {
        let mut filled = Filled {
            mark,
            text: String::with_capacity(self.text.len()),
            stand_ins: Vec::new(),
            ends: Vec::with_capacity(self.pieces.len()),
            differs_by_segment: false,
            lacks_representation: false,
        };
        let mut start = 0;
        for piece in &self.pieces {
            let written = &self.text[start..piece.end];
            start = piece.end;
            match piece.is {
                Is::Text => filled.text.push_str(written),
                Is::Dollar => filled.text.push('$'),
                Is::Identifier(identifier, format) => {
                    let number = match identifier {
                        Identifier::RepresentationId => None,
                        Identifier::Bandwidth => values.bandwidth,
                        Identifier::Number => values.number,
                        Identifier::Time => values.time,
                        Identifier::SubNumber => None,
                    };
                    match (identifier, &values.representation_id, number) {
                        (Identifier::RepresentationId, Some(id), _) => filled.text.push_str(id),
                        (_, _, Some(number)) => format.write(number, &mut filled.text),
                        _ => filled.stand_in(identifier, written),
                    }
                }
            }
            filled.ends.push(filled.text.len());
        }
        filled
    }

    /// The template's own text from `at` of the filled text on, if it is to be had: not from within
    /// a value.
    pub(crate) fn tail(&self, filled: &Filled, at: usize) -> Option<&str> {
        let piece = filled.ends.iter().position(|&end| end > at);
        let Some(piece) = piece else { return Some("") };
        let start_of = |ends: &mut dyn Iterator<Item = usize>| match piece {
            0 => 0,
            _ => ends.nth(piece - 1).unwrap_or(0),
        };
        let filled_start = start_of(&mut filled.ends.iter().copied());
        let written_start = start_of(&mut self.pieces.iter().map(|piece| piece.end));
        if at == filled_start {
            Some(&self.text[written_start..])
        } else if self.pieces[piece].is == Is::Text {
            Some(&self.text[written_start + (at - filled_start)..])
        } else {
            None
        }
    }
}

// === impl Filled ===

impl Filled {
    fn stand_in(&mut self, identifier: Identifier, written: &str) {
        match identifier {
            Identifier::RepresentationId | Identifier::Bandwidth => {
                self.lacks_representation = true;
            }
            Identifier::Number | Identifier::Time | Identifier::SubNumber => {
                self.differs_by_segment = true;
            }
        }
        let text = format!("{}{}{STAND_IN}", self.mark, self.stand_ins.len());
        self.text.push_str(&text);
        self.stand_ins.push(written.to_owned());
    }

    /// Whether something stands in for an identifier in this text.
    pub(crate) fn is_standing_in(&self, text: &str) -> bool {
        !self.stand_ins.is_empty() && text.contains(&self.mark)
    }

    /// A URL's text as a template: identifiers in their places, and every other `$` doubled.
    pub(crate) fn restore(&self, text: &str) -> String {
        if self.stand_ins.is_empty() {
            return text.replace('$', "$$");
        }
        let mut pieces = text.split(&self.mark);
        let mut restored = pieces.next().unwrap_or_default().replace('$', "$$");
        for piece in pieces {
            let (number, rest) = piece.split_once(STAND_IN).unwrap_or((piece, ""));
            let written = number.parse().ok().and_then(|at: usize| self.stand_ins.get(at));
            restored.push_str(written.map_or("", String::as_str));
            restored.push_str(&rest.replace('$', "$$"));
        }
        restored
    }
}

/// The first `~N-` that is in none of the texts.
fn mark_beside(text: &str, others: &mut dyn Iterator<Item = &str>) -> String {
    let number = |after: &str| {
        let (number, _) = after.split_once('-')?;
        number.parse::<usize>().ok()
    };
    let mut taken: BTreeSet<usize> = text.split(STAND_IN).skip(1).filter_map(number).collect();
    others.for_each(|other| taken.extend(other.split(STAND_IN).skip(1).filter_map(number)));
    let free = taken.iter().zip(0..).take_while(|(taken, at)| *taken == at).count();
    format!("{STAND_IN}{free}-")
}

// === impl Format ===

impl Format {
    const PLAIN: Self = Self { width: 1, radix: Radix::Decimal };

    fn write(self, number: u64, out: &mut String) {
        let width = self.width;
        let written = match self.radix {
            Radix::Decimal => write!(out, "{number:0width$}"),
            Radix::Octal => write!(out, "{number:0width$o}"),
            Radix::LowerHex => write!(out, "{number:0width$x}"),
            Radix::UpperHex => write!(out, "{number:0width$X}"),
        };
        debug_assert!(written.is_ok());
    }
}

/// What stands between two `$`.
fn identifier(text: &str) -> Option<Is> {
    if text.is_empty() {
        return Some(Is::Dollar);
    }
    let (name, format) = match text.split_once('%') {
        Some((name, format)) => (name, parse_format(format)?),
        None => (text, Format::PLAIN),
    };
    let identifier = match name {
        // It should have no format; players do not look at one.
        "RepresentationID" => Identifier::RepresentationId,
        "Bandwidth" => Identifier::Bandwidth,
        "Number" => Identifier::Number,
        "Time" => Identifier::Time,
        "SubNumber" => Identifier::SubNumber,
        _ => return None,
    };
    Some(Is::Identifier(identifier, format))
}

/// `0[width]d`; players know further letters, as old editions did.
fn parse_format(format: &str) -> Option<Format> {
    let digits = format.strip_prefix('0')?;
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    let radix = match &digits[end..] {
        "d" | "i" | "u" => Radix::Decimal,
        "o" => Radix::Octal,
        "x" => Radix::LowerHex,
        "X" => Radix::UpperHex,
        _ => return None,
    };
    // No name of a file is longer.
    let width = digits[..end].parse().ok().filter(|&width| width <= 255)?;
    Some(Format { width, radix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, values: &Values) -> Filled {
        Reference::template(template.to_owned()).fill(values)
    }

    #[test]
    fn identifiers_are_filled_in() {
        let values = Values {
            representation_id: Some("v1".into()),
            bandwidth: Some(800_000),
            number: Some(7),
            time: Some(90_000),
        };
        for (template, text) in [
            ("$RepresentationID$/seg-$Number%05d$.m4s", "v1/seg-00007.m4s"),
            ("$Bandwidth$/$Time$", "800000/90000"),
            ("$$a$Number$$$", "$a7$"),
            ("a$b$Number$c", "a$b7c"),
            ("$Foo$-$Number$", "$Foo$-7"),
            // As the regular expressions of players read it.
            ("$Foo$$Number$", "$Foo$Number$"),
            ("$Number%d$", "$Number%d$"),
            ("$Number%02x$", "07"),
            ("$Number", "$Number"),
            ("$RepresentationID%05d$", "v1"),
        ] {
            assert_eq!(filled(template, &values).text, text, "{template}");
        }
        assert_eq!(Reference::plain("$Number$".to_owned()).fill(&values).text, "$Number$");
    }

    #[test]
    fn what_is_not_known_comes_back_as_it_was() {
        let template = "a~$RepresentationID$/$Number%05d$-$Time$.m4s?x=$$";
        let values = Values { representation_id: Some("v$".into()), ..Values::default() };
        let filled = filled(template, &values);
        assert_eq!(filled.text, "a~v$/~0-0~-~0-1~.m4s?x=$");
        assert!(filled.differs_by_segment && !filled.lacks_representation);
        assert_eq!(filled.restore(&filled.text), "a~v$$/$Number%05d$-$Time$.m4s?x=$$");
        let values = Values { representation_id: Some("0-x".into()), ..Values::default() };
        let reference = Reference::template("~$RepresentationID$/$Number$".to_owned());
        let filled = reference.fill_beside(&values, &mut ["http://h/~1-/"].into_iter());
        assert_eq!(filled.text, "~0-x/~2-0~");
        assert_eq!(filled.restore("http://h/~1-/~0-x/~2-0~"), "http://h/~1-/~0-x/$Number$");
    }

    #[test]
    fn a_tail_is_the_templates_own() {
        let reference = Reference::template("d/$RepresentationID$-$Number$.m4s".to_owned());
        let values = Values { representation_id: Some("x/v1".into()), ..Values::default() };
        let filled = reference.fill(&values);
        assert_eq!(filled.text, "d/x/v1-~0-0~.m4s");
        assert_eq!(reference.tail(&filled, 2), Some("$RepresentationID$-$Number$.m4s"));
        assert_eq!(reference.tail(&filled, 4), None);
        assert_eq!(reference.tail(&filled, 7), Some("$Number$.m4s"));
        assert_eq!(reference.tail(&filled, filled.text.len()), Some(""));
    }
}
