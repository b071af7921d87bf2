//! Lines of a playlist with their byte spans (RFC 8216bis section 4.1).

use std::ops::Range;

use memchr::{Memchr, memchr, memchr_iter, memchr2, memchr3};

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
    /// Where the lines end if the source has no CR, as nearly every playlist: one needle is found
    /// faster than two.
    line_feeds: Option<Memchr<'s>>,
}

impl Line {
    pub(crate) fn new(source: &[u8], number: usize, span: Range<usize>) -> Self {
        Self { number, kind: kind(source, &span), span }
    }
}

impl<'s> Lines<'s> {
    /// The lines of `source`; a byte order mark at its start belongs to no line.
    #[must_use]
    pub fn new(source: &'s [u8]) -> Self {
        let line_feeds = memchr(b'\r', source).is_none().then(|| memchr_iter(b'\n', source));
        Self { source, at: start(source), number: 0, line_feeds }
    }

    /// The same of a source that is known to have no CR.
    pub(crate) fn by_line_feeds(source: &'s [u8]) -> Self {
        let line_feeds = Some(memchr_iter(b'\n', source));
        Self { source, at: start(source), number: 0, line_feeds }
    }
}

/// Where the first line begins.
fn start(source: &[u8]) -> usize {
    if source.starts_with(BOM) { BOM.len() } else { 0 }
}

impl Lines<'_> {
    /// The next line's bytes, its end excluded.
    #[inline]
    pub(crate) fn next_span(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if start >= self.source.len() {
            return None;
        }
        let (end, end_len) = match &mut self.line_feeds {
            Some(line_feeds) => (line_feeds.next().unwrap_or(self.source.len()), 1),
            None => self.end_of_any_kind(),
        };
        self.at = end + end_len;
        self.number += 1;
        Some(start..end)
    }

    fn end_of_any_kind(&self) -> (usize, usize) {
        let rest = &self.source[self.at..];
        let len = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let end_len = if rest[len..].starts_with(b"\r\n") { 2 } else { 1 };
        (self.at + len, end_len)
    }

    /// The number of the line that came last.
    #[inline]
    pub(crate) const fn number(&self) -> usize {
        self.number
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let span = self.next_span()?;
        Some(Line::new(self.source, self.number, span))
    }
}

/// What nearly every line of a media playlist is.
pub(crate) enum Frequent {
    /// EXTINF, which holds no URI.
    Duration,
    /// A URI without white space around it.
    Uri,
}

impl Frequent {
    /// None for every other line.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        match (text.first()?, text.last()?) {
            (b'#', _) => text.starts_with(EXTINF).then_some(Self::Duration),
            (b' ' | b'\t', _) | (_, b' ' | b'\t') => None,
            _ => Some(Self::Uri),
        }
    }
}

const EXTINF: &[u8] = b"#EXTINF:";

fn kind(source: &[u8], span: &Range<usize>) -> LineKind {
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
