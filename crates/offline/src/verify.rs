//! Whether the tokens of a signed tree open what they stand at, and whether that is there.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use sluicegate_manifest::{Place, Role, SignHost};
use sluicegate_token::{Placement, Presented, Refusal, ResourcePath, SchemeRing, UnixTime};
use url::Url;

use crate::place::Places;
use crate::sign::{Host, Terms};
use crate::tree::{Source, Tree};

/// Who checks tokens, and when.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Hosts with what they verify tokens by: scheme, host and port count.
    pub hosts: Vec<(Url, SchemeRing)>,
    /// The client that asks.
    pub ip: Option<IpAddr>,
    /// The moment.
    pub now: UnixTime,
}

impl Gate {
    /// For what is signed on these terms, so long from then.
    pub(crate) fn of(terms: &Terms, later: Duration) -> Self {
        let ring = |host: &Host| (host.url.clone(), SchemeRing::of(Arc::clone(&host.scheme)));
        let hosts = terms.hosts.iter().map(ring).collect();
        Self { hosts, ip: terms.ip, now: terms.now.saturating_add(later.as_secs()) }
    }
}

/// One manifest, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// URIs on the hosts that check tokens.
    pub uris: usize,
    /// The last good second of the token that ends first.
    pub expires: Option<UnixTime>,
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Something wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The line, from 1; none if it is the whole file.
    pub line: Option<usize>,
    /// The tag, with its attribute, or `URI line`.
    pub carrier: Option<String>,
    /// What the URI leads to, without its token.
    pub target: Option<String>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a URI or a file.
#[derive(Clone, Debug)]
pub enum Problem {
    /// It cannot be read, or is no manifest.
    Broken(String),
    /// Its token does not open it, or there is none.
    Refused(Refusal),
    /// The file that it leads to is not in the tree.
    Missing,
}

/// A whole tree, checked.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Each manifest, in the order of their paths.
    pub manifests: Vec<Checked>,
    /// Other files that no manifest leads to, by their paths below the folder.
    pub unnamed: Vec<PathBuf>,
}

/// What manifests lead to.
#[derive(Default)]
struct Leads {
    /// Paths below the folder.
    to: BTreeSet<PathBuf>,
    /// Whether some are templates, which stand for more than they spell.
    has_templates: bool,
}

impl Tree {
    /// Checks every URI of all manifests, as served below `places`.
    #[must_use]
    pub fn verify(&self, places: &Places, gate: &Gate) -> Audit {
        let present: BTreeSet<_> = self.sources().map(Source::relative).collect();
        let checked = self.manifests().par_iter().map(|source| {
            let mut leads = Leads::default();
            let checked = check(source, places, gate, &present, &mut leads);
            (checked, leads)
        });
        let all: Vec<(Checked, Leads)> = checked.collect();
        let mut leads = Leads::default();
        let mut manifests = Vec::with_capacity(all.len());
        for (checked, more) in all {
            manifests.push(checked);
            leads.to.extend(more.to);
            leads.has_templates |= more.has_templates;
        }
        let others = self.others().iter().map(Source::relative);
        // A template of DASH names files that it does not spell.
        let unnamed = others.filter(|path| !leads.has_templates && !leads.to.contains(*path));
        let unnamed = unnamed.map(ToOwned::to_owned).collect();
        manifests.sort_by(|one, other| one.path.cmp(&other.path));
        Audit { manifests, unnamed }
    }
}

fn check(
    source: &Source,
    places: &Places,
    gate: &Gate,
    present: &BTreeSet<&Path>,
    leads: &mut Leads,
) -> Checked {
    let mut checked =
        Checked { path: source.path().to_owned(), uris: 0, expires: None, findings: Vec::new() };
    let template = match source.template() {
        Ok(template) => template,
        Err(unusable) => {
            let problem = Problem::Broken(unusable.to_string());
            checked.findings.push(Finding { line: None, carrier: None, target: None, problem });
            return checked;
        }
    };
    let place = Place { now: Some(gate.now), ..Place::at(places.url_of(source.relative())) };
    let mut policy = SignHost::default();
    for decided in template.decisions(&place, &mut policy) {
        let Some(url) = decided.url else { continue };
        let may_be_template = template.format().is_dash()
            && template.carrier(decided.slot).starts_with("SegmentTemplate");
        let (url, is_template) = match may_be_template {
            true => filled(url),
            false => (url, false),
        };
        let Some((_, ring)) = gate.hosts.iter().find(|(host, _)| host.origin() == url.origin())
        else {
            continue;
        };
        let role = decided.slot.role();
        // None of these is fetched from there with a token.
        let is_apart = matches!(
            role,
            Role::BaseUrl | Role::License | Role::OtherPresentation | Role::Information
        );
        if is_apart {
            continue;
        }
        checked.uris += 1;
        let mut wrong = |problem| {
            checked.findings.push(Finding {
                line: Some(decided.slot.line()),
                carrier: Some(template.carrier(decided.slot).into_owned()),
                target: Some(url.path().to_owned()),
                problem,
            });
        };
        match opens(ring, &url, gate) {
            Ok(expires) => {
                let first = checked.expires.map_or(expires, |known| known.min(expires));
                checked.expires = Some(first);
            }
            Err(refusal) => wrong(Problem::Refused(refusal)),
        }
        // A token that stands in the path is no part of a file's name.
        let Some(relative) = places.path_of(&without_token(ring, &url)) else { continue };
        match is_template {
            true => leads.has_templates = true,
            false if !present.contains(&*relative) => wrong(Problem::Missing),
            false => {}
        }
        leads.to.insert(relative);
    }
    checked
}

/// Whether all tokens of one manifest open what they stand at.
pub(crate) fn is_good(source: &Source, places: &Places, gate: &Gate) -> bool {
    let checked = check(source, places, gate, &BTreeSet::new(), &mut Leads::default());
    checked.findings.iter().all(|finding| matches!(finding.problem, Problem::Missing))
}

fn opens(ring: &SchemeRing, url: &Url, gate: &Gate) -> Result<UnixTime, Refusal> {
    let path = ResourcePath::parse(url.path().as_bytes()).map_err(|_| Refusal::NotCovered)?;
    let mut plain = url.clone();
    plain.set_fragment(None);
    let presented = Presented {
        path: &path,
        url: plain.as_str().as_bytes(),
        query: url.query().map(str::as_bytes),
        ip: gate.ip,
    };
    ring.verify(&presented, gate.now).map(|valid| valid.expires)
}

/// The URL as it would be without a token in its path.
fn without_token(ring: &SchemeRing, url: &Url) -> Url {
    let Placement::Path { after } = ring.scheme().placement() else {
        return url.clone();
    };
    let segments: Vec<_> = url.path().split('/').collect();
    let mut plain = url.clone();
    let kept = segments.iter().enumerate().filter(|(at, _)| *at != after + 1);
    plain.set_path(&kept.map(|(_, segment)| *segment).collect::<Vec<_>>().join("/"));
    plain
}

/// The URL of a DASH template as players read it where nothing is filled in, and whether something
/// is (ISO/IEC 23009-1 clause 5.3.9.4.4): `$$` stands for a dollar sign.
fn filled(mut url: Url) -> (Url, bool) {
    let is_template = url.path().replace("$$", "").contains('$');
    if url.path().contains("$$") {
        let path = url.path().replace("$$", "$");
        url.set_path(&path);
    }
    (url, is_template)
}
