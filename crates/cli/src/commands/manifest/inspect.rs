//! `sluicegate manifest inspect`: every URI of a manifest, and what signing would do with it.

mod cut;
mod report;

use anyhow::Context as _;
use sluicegate_gateway::Fetcher;
use sluicegate_manifest::{Decided, Decision, Lines, Place, Role, SignHost, Template};
use sluicegate_token::{CdnKey, Gcore, Scope};
use url::Url;

use self::report::{Json, Report, Row, Summary, Table, Verdict};
use super::hosts::ThirdParty;
use super::{BaseUrl, Input, LimitArgs, parse_base_url, refusal};
use crate::exit::{Exit, Failed, Outcome};
use crate::output;
use crate::runtime::run_to_end;

const EXAMPLES: &str = "\
Examples:
  sluicegate manifest inspect --base-url https://cdn.example.com/videos/a/ master.m3u8
  sluicegate manifest inspect https://cdn.example.com/videos/a/master.m3u8
  sluicegate manifest inspect --json master.m3u8 | jq '.uris[] | select(.decision == \"refuse\")'
  sluicegate manifest inspect --base-url https://cdn.example.com/a/ --third-party refuse a.mpd
  sluicegate manifest inspect --limit max_uri_bytes=65536 master.m3u8

Says for each URI what `sluicegate manifest sign` would do, and why. Values of queries are cut to
'…': they may be tokens. Exit code 1 if a URI would be refused, or stands where none is known to.";

/// What stands for the manifest's host if nobody tells it; RFC 2606 keeps the name free.
const NOWHERE: &str = "https://manifest.invalid/";

/// List the URIs of a manifest and what would become of them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// Where players fetch the manifest, or its folder with a '/' at the end
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    base_url: Option<BaseUrl>,
    /// What signing does with other hosts, and with parts that make players send them the manifest's URL or
    /// its tokens
    #[arg(long, value_enum, default_value_t = ThirdParty::Keep)]
    third_party: ThirdParty,
    #[command(flatten)]
    limits: LimitArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let (template, fetched_from) = match args.input.url() {
        Some(url) => {
            let options = args.limits.for_fetched();
            let document = run_to_end(Fetcher::new()?.document(url, options.limits.max_bytes))?
                .with_context(|| format!("cannot fetch {}", args.input.name()))?;
            (args.input.compile(document.bytes.to_vec(), &options)?, Some(document.url))
        }
        None => (args.input.template(&args.limits)?, None),
    };
    let is_known = args.base_url.is_some() || fetched_from.is_some();
    let base = match (&args.base_url, fetched_from) {
        (Some(base), _) => args.input.own_url(base)?,
        (None, Some(url)) => url,
        (None, None) => Url::parse(NOWHERE)?,
    };
    if !is_known {
        output::note(
            "without --base-url, relative references are not resolved and every host is foreign",
        );
    }
    let summary = if args.json {
        inspect(&template, base, args.third_party, Json::begin()?)?
    } else {
        inspect(&template, base, args.third_party, Table::begin(&template)?)?
    };
    Ok(if summary.is_good() { Exit::Ok } else { Exit::Refused })
}

/// Reports each URI as it is decided, so that a long manifest needs no more memory than itself.
fn inspect(
    template: &Template,
    base: Url,
    third_party: ThirdParty,
    mut report: impl Report,
) -> Result<Summary, Failed> {
    // Nothing is signed with it: it only asks which URIs would be.
    let scheme = Gcore::new(CdnKey::plain("none", b"none"), Scope::Directory);
    let mut policy = SignHost::new(&base, &scheme)
        .trusting_strangers(third_party == ThirdParty::Trust)
        .refusing_strangers(third_party == ThirdParty::Refuse);
    let place = Place::at(base);
    let mut summary = Summary::default();
    for decided in template.decisions(&place, &mut policy) {
        let row = row(template, decided);
        summary.count(&row);
        report.row(&row)?;
    }
    // What is refused leaves nothing out.
    if let Ok(plan) = template.plan(&place, &mut policy) {
        for &at in plan.withheld() {
            let row = left_out(template, at);
            summary.count(&row);
            report.row(&row)?;
        }
    }
    report.end(&summary)?;
    Ok(summary)
}

/// A part of the manifest that signing leaves out.
fn left_out(template: &Template, at: usize) -> Row<'_> {
    let source = template.source();
    let text = source[at..].trim_ascii_start();
    let is_name =
        |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'=' | b':' | b'"');
    let start = usize::from(text.starts_with(b"<") || text.starts_with(b"#"));
    let is_xml = text.starts_with(b"<");
    let name: Vec<_> = text[start..]
        .iter()
        .copied()
        .take_while(|byte| is_name(byte) || is_xml && *byte == b':')
        .collect();
    Row {
        line: Lines::new(&source[..=at]).count(),
        role: Role::Unclassified,
        carrier: String::from_utf8_lossy(&name).into_owned().into(),
        reference: String::new(),
        url: None,
        is_classified: true,
        verdict: Verdict::Omit,
        why: "players would tell another host the manifest's URL or its tokens, or read it differently; \
              `--third-party trust` keeps it"
            .to_owned(),
    }
}

fn row<'t>(template: &'t Template, decided: Decided<'_>) -> Row<'t> {
    let Decided { slot, url, decision } = decided;
    let (verdict, why) = match decision {
        Decision::Deliver { token: Some(_), .. } => {
            (Verdict::Sign, "on the manifest's host".to_owned())
        }
        // In DASH it is the references below it that are fetched.
        Decision::Deliver { token: None, .. } => {
            (Verdict::Keep, "what is relative to it is signed".to_owned())
        }
        Decision::Expand => (Verdict::Expand, "a token for each segment".to_owned()),
        Decision::Keep(reason) => (Verdict::Keep, reason.to_string()),
        Decision::Refuse(reason) => (Verdict::Refuse, refusal(&reason)),
    };
    Row {
        line: slot.line(),
        role: slot.role(),
        carrier: template.carrier(&slot).into_owned().into(),
        reference: cut::reference(&template.source()[slot.span()]),
        url: url
            .filter(|url| !url.as_str().starts_with(NOWHERE))
            .map(|url| cut::reference(url.as_str().as_bytes())),
        is_classified: slot.role() != Role::Unclassified,
        verdict,
        why,
    }
}
