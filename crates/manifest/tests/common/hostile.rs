//! Manifests in which quantities grow: each alone, and each pair of them. The tests of the command line send
//! some of them through a gateway.

use std::fmt::Write as _;

/// A quantity that a document can have much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    // HLS playlists.
    Uris,
    UriBytes,
    Definitions,
    ValueBytes,
    Uses,
    QueryUses,
    LooseUrls,
    Attributes,
    // DASH manifests.
    Periods,
    Sets,
    Representations,
    Lists,
    SegmentUrls,
    Runs,
    Segments,
    BaseUrls,
    InnerBaseUrls,
    BaseBytes,
    IdBytes,
    Identifiers,
    Width,
    AttributeBytes,
    PrefixBytes,
    Entities,
    PatchLocations,
    Properties,
    // JSON documents.
    Members,
    Depth,
    Clones,
    Parameters,
    TextBytes,
    // WebVTT.
    Cues,
}

use Quantity as Q;

/// The quantities of each format.
pub(crate) const HLS: [Q; 8] = [
    Q::Uris,
    Q::UriBytes,
    Q::Definitions,
    Q::ValueBytes,
    Q::Uses,
    Q::QueryUses,
    Q::LooseUrls,
    Q::Attributes,
];
pub(crate) const MPD: [Q; 18] = [
    Q::Periods,
    Q::Sets,
    Q::Representations,
    Q::Lists,
    Q::SegmentUrls,
    Q::Runs,
    Q::Segments,
    Q::BaseUrls,
    Q::InnerBaseUrls,
    Q::BaseBytes,
    Q::IdBytes,
    Q::Identifiers,
    Q::Width,
    Q::AttributeBytes,
    Q::PrefixBytes,
    Q::Entities,
    Q::PatchLocations,
    Q::Properties,
];
pub(crate) const JSON: [Q; 5] = [Q::Members, Q::Depth, Q::Clones, Q::Parameters, Q::TextBytes];
pub(crate) const VTT: [Q; 2] = [Q::Cues, Q::UriBytes];

/// How much there is of each quantity: little, but for a few of them.
#[derive(Clone, Debug)]
pub(crate) struct Amounts {
    pub(crate) grown: Vec<(Quantity, usize)>,
}

impl Amounts {
    fn of(&self, quantity: Quantity) -> usize {
        self.grown.iter().find(|(grown, _)| *grown == quantity).map_or(1, |(_, amount)| *amount)
    }

    fn has(&self, quantity: Quantity) -> bool {
        self.grown.iter().any(|(grown, _)| *grown == quantity)
    }
}

/// Each quantity alone, and each pair, grown to `amount`.
pub(crate) fn grown(quantities: &[Quantity], amount: usize) -> impl Iterator<Item = Amounts> + '_ {
    quantities.iter().enumerate().flat_map(move |(at, &one)| {
        quantities[at..]
            .iter()
            .map(move |&other| Amounts { grown: vec![(one, amount), (other, amount)] })
    })
}

fn name(len: usize) -> String {
    "n".repeat(len)
}

/// A playlist, and the query of its own URL.
pub(crate) fn playlist(amounts: &Amounts) -> (String, String) {
    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n".to_owned();
    let value = name(amounts.of(Q::ValueBytes));
    for at in 0..amounts.of(Q::Definitions) {
        let _ = writeln!(text, "#EXT-X-DEFINE:NAME=\"v{at}\",VALUE=\"{value}\"");
    }
    text.push_str("#EXT-X-DEFINE:QUERYPARAM=\"q\"\n");
    for at in 0..amounts.of(Q::LooseUrls) {
        let _ = write!(text, "#EXT-X-OTHER:{at} http://other.example/{at}");
        for other in 0..amounts.of(Q::Attributes) {
            let _ = write!(text, ",A{other}=\"http://a.example/{other}\"");
        }
        text.push('\n');
    }
    let mut uri = name(amounts.of(Q::UriBytes));
    if amounts.has(Q::Uses) {
        uri.push_str(&"{$v0}".repeat(amounts.of(Q::Uses)));
    }
    uri.push('?');
    if amounts.has(Q::QueryUses) {
        uri.push_str(&"{$q}".repeat(amounts.of(Q::QueryUses)));
    }
    for at in 0..amounts.of(Q::Uris) {
        let _ = writeln!(text, "#EXTINF:4,\n{at}{uri}");
    }
    (text, format!("q={value}"))
}

/// An MPD.
pub(crate) fn mpd(amounts: &Amounts) -> String {
    let prefix = match amounts.of(Q::PrefixBytes) {
        1 => String::new(),
        len => name(len) + ":",
    };
    let xmlns = match prefix.trim_end_matches(':') {
        "" => "xmlns".to_owned(),
        bound => format!("xmlns:{bound}"),
    };
    let seconds = amounts.of(Q::Segments).max(2);
    let mut text = format!(
        "<{prefix}MPD {xmlns}='urn:mpeg:dash:schema:mpd:2011' type='static' \
         mediaPresentationDuration='PT{seconds}S'>"
    );
    let base = name(amounts.of(Q::BaseBytes));
    for at in 0..amounts.of(Q::BaseUrls) {
        let _ = write!(text, "<{prefix}BaseURL>{at}{base}/</{prefix}BaseURL>");
    }
    for at in 0..amounts.of(Q::PatchLocations) {
        let _ = write!(text, "<{prefix}PatchLocation>p{at}.mpp</{prefix}PatchLocation>");
    }
    let entities = "&amp;".repeat(amounts.of(Q::Entities));
    let mut media = "$RepresentationID$".repeat(amounts.of(Q::Identifiers));
    let width = amounts.of(Q::Width).min(255);
    media.push_str(&format!("$Number%0{width}d$").repeat(amounts.of(Q::Width).min(2_000)));
    let id = name(amounts.of(Q::IdBytes));
    let attribute = name(amounts.of(Q::AttributeBytes));
    for period in 0..amounts.of(Q::Periods) {
        let _ = write!(text, "<{prefix}Period start='PT{period}S'>");
        for _ in 0..amounts.of(Q::Sets) {
            let _ = write!(text, "<{prefix}AdaptationSet x='{attribute}' height='9'>");
            for at in 0..amounts.of(Q::Properties) {
                let _ = write!(text, "<{prefix}Other url='http://other.example/{at}'/>");
            }
            for _ in 0..amounts.of(Q::Lists) {
                template_or_list(amounts, &mut text, &prefix, &media, &entities);
            }
            for representation in 0..amounts.of(Q::Representations) {
                let _ = write!(
                    text,
                    "<{prefix}Representation id='{representation}{id}' bandwidth='9'>"
                );
                for at in 0..amounts.of(Q::InnerBaseUrls) {
                    let _ = write!(text, "<{prefix}BaseURL>{at}{base}/</{prefix}BaseURL>");
                }
                let _ = write!(text, "</{prefix}Representation>");
            }
            let _ = write!(text, "</{prefix}AdaptationSet>");
        }
        let _ = write!(text, "</{prefix}Period>");
    }
    let _ = write!(text, "</{prefix}MPD>");
    text
}

fn template_or_list(
    amounts: &Amounts,
    text: &mut String,
    prefix: &str,
    media: &str,
    entities: &str,
) {
    if amounts.has(Q::SegmentUrls) {
        let _ = write!(text, "<{prefix}SegmentList duration='1'>");
        for at in 0..amounts.of(Q::SegmentUrls) {
            let _ = write!(text, "<{prefix}SegmentURL media='{at}.m4s?{entities}'/>");
        }
        let _ = write!(text, "</{prefix}SegmentList>");
        return;
    }
    let _ = write!(text, "<{prefix}SegmentTemplate media='{media}.m4s?{entities}' ");
    if amounts.has(Q::Runs) {
        let _ = write!(text, "><{prefix}SegmentTimeline>");
        for _ in 0..amounts.of(Q::Runs) {
            let _ = write!(text, "<{prefix}S d='1'/>");
        }
        let _ = write!(text, "</{prefix}SegmentTimeline></{prefix}SegmentTemplate>");
    } else {
        let _ = write!(text, "duration='1'/>");
    }
}

/// A steering manifest with clones, and members that nobody knows.
pub(crate) fn json(amounts: &Amounts) -> String {
    let filler = name(amounts.of(Q::TextBytes));
    let mut text = "{\"VERSION\":1,\"TTL\":300,\"RELOAD-URI\":\"steer\",".to_owned();
    for at in 0..amounts.of(Q::Members) {
        let _ = write!(text, "\"x{at}\":\"http://other.example/{filler}\",");
    }
    let depth = amounts.of(Q::Depth);
    let _ = write!(text, "\"deep\":{}\"{filler}\"{},", "[".repeat(depth), "]".repeat(depth));
    text.push_str("\"PATHWAY-PRIORITY\":[\"a\"],\"PATHWAY-CLONES\":[");
    for at in 0..amounts.of(Q::Clones) {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"BASE-ID\":\"a\",\"ID\":\"c{at}\",\"URI-REPLACEMENT\":{{\"PARAMS\":{{"
        );
        for at in 0..amounts.of(Q::Parameters) {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\"p{at}\":\"{filler}\"");
        }
        text.push_str("}}}");
    }
    text.push_str("]}");
    text
}

/// A track of thumbnails.
pub(crate) fn vtt(amounts: &Amounts) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    let uri = name(amounts.of(Q::UriBytes));
    for at in 0..amounts.of(Q::Cues) {
        let _ = write!(text, "00:00.000 --> 00:01.000\n{uri}{at}.jpg#xywh=0,0,1,1\n\n");
    }
    text
}
