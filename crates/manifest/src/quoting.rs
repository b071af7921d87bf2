//! How a reference stands in its document.

/// What surrounds a reference, which decides how it is read and what may be written in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// In HLS between double quotes: no double quote, no line end.
    Double,
    /// In HLS without quotes, up to the next comma.
    Bare,
    /// The whole line: no line end.
    Line,
    /// A JSON string between its quotes, with JSON's escapes.
    Json,
    /// The value of an XML attribute between double quotes.
    XmlDouble,
    /// The value of an XML attribute between single quotes.
    XmlSingle,
    /// The text of an XML element, which may hold CDATA sections and comments among it.
    XmlText,
    /// The inside of the one CDATA section that an XML element's text consists of.
    XmlCdata,
}

impl Quoting {
    /// Whether the reference stands in XML.
    pub(crate) const fn is_xml(self) -> bool {
        matches!(self, Self::XmlDouble | Self::XmlSingle | Self::XmlText | Self::XmlCdata)
    }
}
