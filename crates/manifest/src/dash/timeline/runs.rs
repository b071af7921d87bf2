//! The `S` of a SegmentTimeline (clause 5.3.9.6.2).

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An `S`: segments of one duration in a row.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) time: Option<u64>,
    pub(super) number: Option<u64>,
    pub(super) duration: u64,
    /// -1 up to the next one, or to the end.
    pub(super) repeat: i64,
}

/// Those of the timeline at `span`, which may have `limit`.
pub(super) fn runs(source: &[u8], span: Range<usize>, limit: usize) -> Result<Vec<Run>, String> {
    let text = String::from_utf8_lossy(&source[span]);
    let mut reader = Reader::from_str(&text);
    let mut runs = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Empty(tag) | Event::Start(tag)) if tag.local_name().as_ref() == "S" => {
                if runs.len() == limit {
                    return Err(super::too_many(limit));
                }
                runs.push(run(&tag)?);
            }
            Ok(Event::Eof) => return Ok(runs),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn run(tag: &BytesStart<'_>) -> Result<Run, String> {
    let value = |name: &str| -> Result<Option<i64>, String> {
        let Ok(Some(found)) = tag.try_get_attribute(name) else { return Ok(None) };
        found.value.trim().parse().map(Some).map_err(|_| format!("S@{name} is no number"))
    };
    let positive = |name: &str| -> Result<Option<u64>, String> {
        let negative = |_| format!("S@{name} is negative");
        value(name)?.map(u64::try_from).transpose().map_err(negative)
    };
    if positive("k")?.is_some_and(|parts| parts > 1) {
        return Err("it has sequences of segments (S@k)".to_owned());
    }
    Ok(Run {
        time: positive("t")?,
        number: positive("n")?,
        duration: positive("d")?.unwrap_or(0),
        repeat: value("r")?.unwrap_or(0),
    })
}
