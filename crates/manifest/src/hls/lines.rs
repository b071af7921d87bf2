//! Lines of a playlist with their byte spans (RFC 8216bis section 4.1).

use std::ops::Range;

use memchr::{memchr2, memchr3};

use crate::detect::BOM;

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Line number, from 1.
    pub number: usize,
    /// The line's bytes, its end excluded.
    pub span: Range<usize>,
    /// What the line is.
    pub kind: LineKind,
}

/// What a line is; spans are bytes of the whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing but white space.
    Blank,
    /// `#` not followed by `EXT`.
    Comment,
    /// `#EXT...`, without the white space around it: players that trim lines read an indented tag
    /// too.
    Tag {
        /// The name, from `#` up to the first `:`, space, tab or the end.
        name: Range<usize>,
        /// What follows the name and its `:`, if there is one.
        value: Range<usize>,
    },
    /// A URI, without the white space around it.
    Uri(Range<usize>),
}

/// Iterates over the lines of a playlist. LF, CRLF and a lone CR end a line, and nothing else does.
#[derive(Clone, Debug)]
pub struct Lines<'s> {
    source: &'s [u8],
    at: usize,
    number: usize,
}

impl<'s> Lines<'s> {
    /// The lines of `source`; a byte order mark at its start belongs to no line.
    #[must_use]
    pub fn new(source: &'s [u8]) -> Self {
        let at = if source.starts_with(BOM) { BOM.len() } else { 0 };
        Self { source, at, number: 0 }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let rest = self.source.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let span = self.at..self.at + len;
        let end_len = match &rest[len..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        self.at = span.end + end_len;
        self.number += 1;
        Some(Line { number: self.number, kind: kind(self.source, &span), span })
    }
}

fn kind(source: &[u8], span: &Range<usize>) -> LineKind {
    let text = &source[span.clone()];
    // Nearly every line is one of these two: a duration, or a URI without white space around it.
    if text.starts_with(EXTINF) {
        let name_end = span.start + EXTINF.len();
        return LineKind::Tag { name: span.start..name_end - 1, value: name_end..span.end };
    }
    if let (Some(first), Some(last)) = (text.first(), text.last())
        && !matches!(first, b'#' | b' ' | b'\t')
        && !matches!(last, b' ' | b'\t')
    {
        return LineKind::Uri(span.clone());
    }
    any_kind(source, span)
}

const EXTINF: &[u8] = b"#EXTINF:";

fn any_kind(source: &[u8], span: &Range<usize>) -> LineKind {
    let trimmed = trim(source, span.clone());
    let text = &source[trimmed.clone()];
    if text.starts_with(b"#EXT") {
        let name_len = memchr3(b':', b' ', b'\t', text).unwrap_or(text.len());
        let name_end = trimmed.start + name_len;
        let value_start = name_end + usize::from(text.get(name_len) == Some(&b':'));
        return LineKind::Tag { name: trimmed.start..name_end, value: value_start..trimmed.end };
    }
    match text.first() {
        None => LineKind::Blank,
        Some(b'#') => LineKind::Comment,
        Some(_) => LineKind::Uri(trimmed),
    }
}

/// The span without the spaces and tabs at its ends.
pub(crate) fn trim(source: &[u8], span: Range<usize>) -> Range<usize> {
    let text = &source[span.clone()];
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let lead = text.iter().take_while(|byte| is_space(byte)).count();
    let tail = text[lead..].iter().rev().take_while(|byte| is_space(byte)).count();
    span.start + lead..span.end - tail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<String> {
        Lines::new(source.as_bytes())
            .map(|line| match line.kind {
                LineKind::Blank => "blank".to_owned(),
                LineKind::Comment => "comment".to_owned(),
                LineKind::Tag { name, value } => format!("{}|{}", &source[name], &source[value]),
                LineKind::Uri(uri) => format!("uri {}", &source[uri]),
            })
            .collect()
    }

    #[test]
    fn every_line_end_is_known() {
        assert_eq!(kinds("#EXTM3U\r\na\rb\n\nc"), ["#EXTM3U|", "uri a", "uri b", "blank", "uri c"]);
    }

    #[test]
    fn tags_split_at_the_first_colon() {
        assert_eq!(kinds("#EXT-X-KEY:URI=\"http://h/k\""), ["#EXT-X-KEY|URI=\"http://h/k\""]);
        assert_eq!(kinds("#EXT-X-ENDLIST \n"), ["#EXT-X-ENDLIST|"]);
    }

    #[test]
    fn white_space_ends_a_name_that_no_colon_ended() {
        assert_eq!(
            kinds("#EXTM3U x-tvg-url=\"http://h/x\""),
            ["#EXTM3U| x-tvg-url=\"http://h/x\""]
        );
    }

    #[test]
    fn an_indented_tag_is_a_tag() {
        assert_eq!(kinds(" \t#EXT-X-MAP:URI=\"i\" \n"), ["#EXT-X-MAP|URI=\"i\""]);
    }

    #[test]
    fn comments_are_no_uris() {
        assert_eq!(kinds("## made by\n#USP-X:1\n #x\n"), ["comment"; 3]);
    }

    #[test]
    fn white_space_around_a_uri_is_outside_it_and_other_spaces_are_inside() {
        assert_eq!(kinds(" \ta b.ts \t\n"), ["uri a b.ts"]);
        assert_eq!(kinds("a\u{3000}b.ts\n"), ["uri a\u{3000}b.ts"]);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_line() {
        assert_eq!(kinds("\u{feff}#EXTM3U\n"), ["#EXTM3U|"]);
    }
}
