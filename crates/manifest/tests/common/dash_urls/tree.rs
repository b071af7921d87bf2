//! Elements of an MPD by their local names, and what the levels of a Representation inherit.

use roxmltree::{Document, Node, ParsingOptions};

const XLINK: &str = "http://www.w3.org/1999/xlink";
const RESOLVES_TO_ZERO: &str = "urn:mpeg:dash:resolve-to-zero:2013";

/// Reads a document as browsers do: entities of its own are replaced, nothing is fetched.
pub(super) fn parse(text: &str) -> Result<Document<'_>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| format!("XML: {error}"))
}

/// Whether the standard gives this element its meaning, whatever its prefix is. Older packagers
/// write the namespace in capitals, or none.
pub(super) fn is_dash(node: Node<'_, '_>) -> bool {
    let schema = "urn:mpeg:dash:schema:mpd";
    node.is_element()
        && node.tag_name().namespace().is_none_or(|namespace| {
            namespace.get(..schema.len()).is_some_and(|start| start.eq_ignore_ascii_case(schema))
        })
}

/// The children of that name. Those that are replaced by nothing are not there.
pub(super) fn all<'a, 'd>(parent: Node<'a, 'd>, name: &str) -> Vec<Node<'a, 'd>> {
    let is_named = |child: &Node<'_, '_>| is_dash(*child) && child.tag_name().name() == name;
    parent
        .children()
        .filter(is_named)
        .filter(|child| xlink(*child) != Some(RESOLVES_TO_ZERO))
        .collect()
}

pub(super) fn xlink<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.attribute((XLINK, "href")).map(str::trim)
}

/// The text of an element, in CDATA sections too, without the white space around it.
pub(super) fn text(node: Node<'_, '_>) -> String {
    let pieces = node.children().filter(Node::is_text).filter_map(|piece| piece.text());
    pieces.collect::<String>().trim().to_owned()
}

pub(super) fn integer(node: Node<'_, '_>, name: &str) -> Result<Option<i128>, String> {
    let Some(value) = node.attribute(name) else { return Ok(None) };
    // Some packagers write `2000.0`, and players read it as a number.
    let whole = value.trim().split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0'));
    let whole = whole.map_or(value.trim(), |(whole, _)| whole);
    let value: i64 = whole.parse().map_err(|_| format!("@{name} = {value:?}"))?;
    Ok(Some(i128::from(value)))
}

/// The elements of one kind around a Representation, the nearest first. Each attribute and each
/// child is inherited by itself.
pub(super) struct Inherited<'a, 'd>(Vec<Node<'a, 'd>>);

impl<'a, 'd> Inherited<'a, 'd> {
    /// `levels` begins with the Representation.
    pub(super) fn new(levels: &[Node<'a, 'd>], kind: &str) -> Self {
        // Of several in one place, which is not allowed, dash.js keeps the last.
        Self(levels.iter().filter_map(|level| all(*level, kind).pop()).collect())
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|element| element.attribute(name))
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i128>, String> {
        let holder = self.0.iter().find(|element| element.attribute(name).is_some());
        holder.map_or(Ok(None), |holder| integer(*holder, name))
    }

    pub(super) fn child(&self, name: &str) -> Option<Node<'a, 'd>> {
        self.0.iter().find_map(|element| all(*element, name).into_iter().next())
    }

    /// The children of the nearest element that has any.
    pub(super) fn children(&self, name: &str) -> Vec<Node<'a, 'd>> {
        let children = self.0.iter().map(|element| all(*element, name));
        children.into_iter().find(|children| !children.is_empty()).unwrap_or_default()
    }
}
