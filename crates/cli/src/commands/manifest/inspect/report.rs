//! How the URIs are shown: a table, or JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use sluicegate_manifest::{Role, Template};

use super::super::uris;
use crate::output::{self, Stream, Tone, coloured, printable};

/// One URI.
pub(super) struct Row<'t> {
    pub(super) line: usize,
    pub(super) role: Role,
    pub(super) carrier: Cow<'t, str>,
    pub(super) reference: String,
    pub(super) url: Option<String>,
    pub(super) is_classified: bool,
    pub(super) verdict: Verdict,
    pub(super) why: String,
}

/// What signing would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Sign,
    /// A DASH template becomes a list of segments.
    Expand,
    Keep,
    /// The part that bears it is not written.
    Omit,
    Refuse,
}

/// What there was in all.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    uris: usize,
    roles: BTreeMap<String, usize>,
    decisions: Decisions,
    unclassified: usize,
}

#[derive(Debug, Default, Serialize)]
struct Decisions {
    sign: usize,
    expand: usize,
    keep: usize,
    omit: usize,
    refuse: usize,
}

/// Takes the rows as they come.
pub(super) trait Report {
    fn row(&mut self, row: &Row<'_>) -> anyhow::Result<()>;
    fn end(self, summary: &Summary) -> anyhow::Result<()>;
}

/// Columns for people.
pub(super) struct Table {
    out: Stream,
    widths: Widths,
}

/// `{"uris":[...],"summary":{...}}` on one line.
pub(super) struct Json {
    out: Stream,
    is_first: bool,
}

/// Characters of each column, known before anything is decided.
struct Widths {
    line: usize,
    role: usize,
    carrier: usize,
    decision: usize,
    reference: usize,
}

/// A longer reference pushes what follows it to the right.
const MAX_REFERENCE_WIDTH: usize = 48;

// === impl Verdict ===

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Expand => "expand",
            Self::Keep => "keep",
            Self::Omit => "omit",
            Self::Refuse => "refuse",
        }
    }
}

// === impl Summary ===

impl Summary {
    pub(super) fn count(&mut self, row: &Row<'_>) {
        self.uris += 1;
        *self.roles.entry(row.role.to_string()).or_default() += 1;
        self.unclassified += usize::from(!row.is_classified);
        *match row.verdict {
            Verdict::Sign => &mut self.decisions.sign,
            Verdict::Expand => &mut self.decisions.expand,
            Verdict::Keep => &mut self.decisions.keep,
            Verdict::Omit => &mut self.decisions.omit,
            Verdict::Refuse => &mut self.decisions.refuse,
        } += 1;
    }

    /// Whether the manifest could be signed and every URI stands where one is known to.
    pub(super) const fn is_good(&self) -> bool {
        self.decisions.refuse == 0 && self.unclassified == 0
    }
}

// === impl Table ===

impl Table {
    pub(super) fn begin(template: &Template) -> anyhow::Result<Self> {
        let mut table = Self { out: Stream::to_stdout(), widths: Widths::of(template) };
        if !template.slots().is_empty() {
            table.columns(
                "LINE",
                "ROLE",
                "CARRIER",
                ("DECISION", None),
                "REFERENCE",
                "URL; WHY",
            )?;
        }
        Ok(table)
    }

    fn columns(
        &mut self,
        line: &str,
        role: &str,
        carrier: &str,
        (decision, tone): (&str, Option<Tone>),
        reference: &str,
        rest: &str,
    ) -> anyhow::Result<()> {
        let Widths { line: l, role: r, carrier: c, decision: d, reference: f } = self.widths;
        let decision = format!("{decision:d$}");
        let decision = tone.map_or(decision.clone(), |tone| coloured(&decision, tone));
        let text =
            format!("{line:>l$}  {role:r$}  {carrier:c$}  {decision}  {reference:f$}  {rest}\n");
        self.out.write(&text)
    }
}

impl Widths {
    fn of(template: &Template) -> Self {
        let mut widths = Self { line: 4, role: 4, carrier: 7, decision: 8, reference: 9 };
        for slot in template.slots() {
            widths.role = widths.role.max(slot.role().to_string().len());
            widths.carrier = widths.carrier.max(template.carrier(slot).chars().count());
            widths.reference = widths.reference.max(slot.span().len());
        }
        let last = template.slots().last().map_or(0, sluicegate_manifest::Slot::line);
        widths.line = widths.line.max(last.to_string().len());
        widths.reference = widths.reference.min(MAX_REFERENCE_WIDTH);
        widths
    }
}

impl Report for Table {
    fn row(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        let tone = match row.verdict {
            Verdict::Sign | Verdict::Expand => Some(Tone::Good),
            Verdict::Keep | Verdict::Omit => None,
            Verdict::Refuse => Some(Tone::Bad),
        };
        let rest = match &row.url {
            Some(url) => format!("{url}; {}", row.why),
            None => format!("-; {}", row.why),
        };
        self.columns(
            &row.line.to_string(),
            &row.role.to_string(),
            &printable(&row.carrier),
            (row.verdict.word(), tone),
            &printable(&row.reference),
            &printable(&rest),
        )
    }

    fn end(mut self, summary: &Summary) -> anyhow::Result<()> {
        let Decisions { sign, expand, keep, omit, refuse } = summary.decisions;
        let roles: Vec<_> =
            summary.roles.iter().map(|(role, count)| format!("{count} {role}")).collect();
        if !roles.is_empty() {
            self.out.write("\n")?;
        }
        let what = if roles.is_empty() { String::new() } else { format!(": {}", roles.join(", ")) };
        self.out.write(&format!("{}{what}\n", uris(summary.uris)))?;
        let expand = if expand > 0 { format!("{expand} to write out, ") } else { String::new() };
        let omitted = if omit > 0 { format!("{omit} to omit, ") } else { String::new() };
        let counts =
            format!("{sign} to sign, {expand}{keep} to keep, {omitted}{refuse} to refuse\n");
        self.out.write(&counts)?;
        self.out.finish()
    }
}

// === impl Json ===

#[derive(Serialize)]
struct JsonRow<'r> {
    line: usize,
    role: String,
    carrier: &'r str,
    reference: &'r str,
    /// None if it is not fetched, or not known.
    url: Option<&'r str>,
    decision: Verdict,
    why: &'r str,
}

impl Json {
    pub(super) fn begin() -> anyhow::Result<Self> {
        let mut out = Stream::to_stdout();
        out.write("{\"uris\":[")?;
        Ok(Self { out, is_first: true })
    }
}

impl Report for Json {
    fn row(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            self.out.write(",")?;
        }
        self.out.write(&output::json_text(&JsonRow {
            line: row.line,
            role: row.role.to_string(),
            carrier: &row.carrier,
            reference: &row.reference,
            url: row.url.as_deref(),
            decision: row.verdict,
            why: &row.why,
        })?)
    }

    fn end(mut self, summary: &Summary) -> anyhow::Result<()> {
        let summary = output::json_text(summary)?;
        self.out.write(&format!("],\"summary\":{summary}}}\n"))?;
        self.out.finish()
    }
}
