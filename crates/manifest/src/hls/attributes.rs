//! Attribute lists with byte spans (RFC 8216bis section 4.2).

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use super::lines::trim;
use crate::Quoting;

/// One `NAME=value` of a tag; spans are bytes of the whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: Range<usize>,
    /// The value, its quotes excluded.
    pub value: Range<usize>,
    /// How the value stands there.
    pub quoting: Quoting,
}

/// A quoted value does not end on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnterminatedQuote {
    /// Byte offset of the opening quote.
    pub offset: usize,
}

/// Iterates over the attributes of one tag's value.
///
/// Spaces around names and values are passed over, as old writers put them after commas; a piece
/// without `=` is no attribute and is passed over too. Where a comma is missing before the next
/// `NAME=`, that attribute is found nevertheless, since players that search a line find it.
#[derive(Clone, Debug)]
pub struct Attributes<'s> {
    source: &'s [u8],
    rest: Range<usize>,
}

impl<'s> Attributes<'s> {
    /// The attributes of `value`, a range of `source`.
    #[must_use]
    pub fn new(source: &'s [u8], value: Range<usize>) -> Self {
        Self { source, rest: value }
    }

    fn value(&mut self) -> Result<(Range<usize>, Quoting), UnterminatedQuote> {
        let text = &self.source[self.rest.clone()];
        let lead = skip(text, 0, |byte| matches!(byte, b' ' | b'\t'));
        if text.get(lead) == Some(&b'"') {
            let offset = self.rest.start + lead;
            let start = offset + 1;
            let Some(len) = memchr(b'"', &self.source[start..self.rest.end]) else {
                self.rest.start = self.rest.end;
                return Err(UnterminatedQuote { offset });
            };
            let after = trim(self.source, start + len + 1..self.rest.end);
            self.rest.start = after.start + usize::from(self.source[after].starts_with(b","));
            return Ok((start..start + len, Quoting::Double));
        }
        let (len, joint_len) = bare_len(text, lead);
        let value = trim(self.source, self.rest.start..self.rest.start + len);
        self.rest.start += len + joint_len;
        Ok((value, Quoting::Bare))
    }
}

/// The length of the unquoted value at the start of `text`, and of the comma after it. Spaces
/// belong to it unless another `NAME=` follows them.
fn bare_len(text: &[u8], lead: usize) -> (usize, usize) {
    let mut at = lead;
    while let Some(len) = memchr3(b',', b' ', b'\t', &text[at..]) {
        at += len;
        if text[at] == b',' {
            return (at, 1);
        }
        let name = skip(text, at, |byte| matches!(byte, b' ' | b'\t'));
        let name_end = skip(text, name, |byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let sign = skip(text, name_end, |byte| matches!(byte, b' ' | b'\t'));
        if name < name_end && text.get(sign) == Some(&b'=') {
            return (at, 0);
        }
        at = name_end;
    }
    (text.len(), 0)
}

/// The first place at or after `from` whose byte is not as `is` says.
fn skip(text: &[u8], from: usize, is: impl Fn(&u8) -> bool) -> usize {
    from + text[from..].iter().take_while(|byte| is(byte)).count()
}

impl Iterator for Attributes<'_> {
    type Item = Result<Attribute, UnterminatedQuote>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = &self.source[self.rest.clone()];
            let at = memchr2(b'=', b',', text)?;
            let name = trim(self.source, self.rest.start..self.rest.start + at);
            let is_attribute = text[at] == b'=';
            self.rest.start += at + 1;
            if !is_attribute {
                continue;
            }
            return Some(self.value().map(|(value, quoting)| Attribute { name, value, quoting }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> Vec<(String, String, Quoting)> {
        Attributes::new(value.as_bytes(), 0..value.len())
            .map(|attribute| attribute.unwrap())
            .map(|a| (value[a.name].to_owned(), value[a.value].to_owned(), a.quoting))
            .collect()
    }

    fn pairs(value: &str) -> Vec<(String, String)> {
        list(value).into_iter().map(|(name, value, _)| (name, value)).collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn commas_and_equal_signs_inside_quotes_belong_to_the_value() {
        assert_eq!(
            pairs(r#"CODECS="avc1.4d, mp4a.40",URI="http://h/?a=b,c",BANDWIDTH=5"#),
            expected(&[
                ("CODECS", "avc1.4d, mp4a.40"),
                ("URI", "http://h/?a=b,c"),
                ("BANDWIDTH", "5")
            ])
        );
    }

    #[test]
    fn spaces_around_names_and_values_are_passed_over() {
        assert_eq!(
            pairs(r#"PROGRAM-ID=1, BANDWIDTH=5 , URI = "k" ,X=1"#),
            expected(&[("PROGRAM-ID", "1"), ("BANDWIDTH", "5"), ("URI", "k"), ("X", "1")])
        );
    }

    #[test]
    fn pieces_without_a_value_are_no_attributes() {
        assert_eq!(pairs("CODECS=a,b,,X=\"\""), expected(&[("CODECS", "a"), ("X", "")]));
        assert_eq!(pairs(""), expected(&[]));
        assert_eq!(pairs("4.0,title"), expected(&[]));
    }

    #[test]
    fn an_attribute_after_a_missing_comma_is_found() {
        let expected = expected(&[("A", "x y"), ("URI", "k")]);
        for value in ["A=\"x y\"URI=\"k\"", "A=\"x y\" URI=k", "A=x y URI=\"k\"", "A=x y\tURI =k"] {
            assert_eq!(pairs(value), expected, "{value}");
        }
    }

    #[test]
    fn quoting_is_told() {
        let quotings: Vec<_> = list("A=\"x\",B=y").into_iter().map(|(.., q)| q).collect();
        assert_eq!(quotings, [Quoting::Double, Quoting::Bare]);
    }

    #[test]
    fn an_unterminated_quote_is_an_error_with_its_place() {
        let source = "A=1,URI=\"k.key";
        let last = Attributes::new(source.as_bytes(), 0..source.len()).last();
        assert_eq!(last, Some(Err(UnterminatedQuote { offset: 8 })));
    }
}
