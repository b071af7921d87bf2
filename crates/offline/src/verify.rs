//! Whether the tokens of a signed tree open what they stand at, and whether that is there.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use sluicegate_manifest::{CompileError, Limits, Place, RefuseReason, Template};
use sluicegate_token::{Presented, Refusal, ResourcePath, SchemeRing, UnixTime};
use url::Url;

use crate::leads::{Lead, files, leads, written_out};
use crate::place::Places;
use crate::sign::{Host, Terms};
use crate::source::Source;
use crate::tree::Tree;

/// Who checks tokens, and when.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Hosts with what they verify tokens by: scheme, host and port count.
    pub hosts: Vec<(Url, SchemeRing)>,
    /// The client that asks.
    pub ip: Option<IpAddr>,
    /// The moment.
    pub now: UnixTime,
    /// The most that a manifest may have of each thing.
    pub limits: Limits,
}

impl Gate {
    /// For what is signed on these terms, so long from then.
    pub(crate) fn of(terms: &Terms, later: Duration) -> Self {
        let ring = |host: &Host| (host.url.clone(), SchemeRing::of(Arc::clone(&host.scheme)));
        let hosts = terms.hosts.iter().map(ring).collect();
        let now = terms.now.saturating_add(later.as_secs());
        Self { hosts, ip: terms.ip, now, limits: terms.limits }
    }
}

/// One manifest, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// URIs on the hosts that check tokens.
    pub uris: usize,
    /// URIs on other hosts, which never get a token.
    pub elsewhere: usize,
    /// The last good second of the token that ends first.
    pub expires: Option<UnixTime>,
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
}

/// A file that a manifest leads players to.
#[derive(Clone, Debug)]
pub struct Request {
    /// The line, from 1; none of a segment that a DASH template stands for.
    pub line: Option<usize>,
    /// The tag, with its attribute, or `URI line`.
    pub carrier: Option<String>,
    /// With its token.
    pub url: Url,
    /// Whether it is a document with URIs of its own.
    pub is_document: bool,
}

/// What players of a manifest that is served at `url` ask for, each URL once; of a live one what is
/// there at `now`. DASH templates that stand for more than can be told are left out.
#[must_use]
pub fn requests(template: &Template, url: Url, now: UnixTime) -> Vec<Request> {
    let place = Place { now: Some(now), ..Place::at(url) };
    let mut seen = BTreeSet::new();
    let leads = files(template, &place).into_iter();
    let leads = leads.filter(|lead| !lead.is_template && !lead.may_be_missing);
    let requests = leads.filter_map(|lead| {
        seen.insert(lead.url.clone()).then(|| Request {
            line: lead.line(),
            carrier: lead.carrier(template),
            url: lead.url,
            is_document: lead.role.is_document(),
        })
    });
    requests.collect()
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
    /// It cannot be read.
    Unreadable(String),
    /// It is no manifest, or exceeds a limit.
    Broken(CompileError),
    /// It cannot be told what it leads to.
    Unresolved(RefuseReason),
    /// Its token does not open it, or there is none.
    Refused(Refusal),
    /// The file that it leads to is not in the tree.
    Missing,
    /// A server answers with this status.
    Status(u16),
    /// No server answers.
    Unanswered(String),
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
struct Named {
    /// Paths below the folder.
    paths: BTreeSet<PathBuf>,
    /// Whether there is a template that stands for more than can be told.
    is_open: bool,
}

impl Tree {
    /// Checks every URI of all manifests, as served below `places`.
    #[must_use]
    pub fn verify(&self, places: &Places, gate: &Gate) -> Audit {
        let present: BTreeSet<_> = self.sources().map(Source::relative).collect();
        let checked = self.manifests().par_iter().map(|source| {
            let mut named = Named::default();
            let checked = check(source, places, gate, &present, &mut named);
            (checked, named)
        });
        let all: Vec<(Checked, Named)> = checked.collect();
        let mut named = Named::default();
        let mut manifests = Vec::with_capacity(all.len());
        for (checked, more) in all {
            manifests.push(checked);
            named.paths.extend(more.paths);
            named.is_open |= more.is_open;
        }
        let others = self.others().iter().map(Source::relative);
        let unnamed = others.filter(|path| !named.is_open && !named.paths.contains(*path));
        let unnamed = unnamed.map(ToOwned::to_owned).collect();
        manifests.sort_by(|one, other| one.path.cmp(&other.path));
        Audit { manifests, unnamed }
    }
}

impl Gate {
    /// Checks the tokens of one manifest that is served at `url`.
    #[must_use]
    pub fn check(&self, path: &Path, template: &Template, url: Url) -> Checked {
        self.check_leads(path, template, &self.place(url)).0
    }

    fn check_leads(&self, path: &Path, template: &Template, place: &Place) -> (Checked, Vec<Lead>) {
        let mut checked = Checked::of(path);
        let leads = leads(template, place, |slot, reason| {
            checked.uris += 1;
            checked.findings.push(Finding {
                line: Some(slot.line()),
                carrier: Some(template.carrier(slot).into_owned()),
                // It may hold a token.
                target: None,
                problem: Problem::Unresolved(reason),
            });
        });
        for lead in &leads {
            let Some(ring) = self.ring(&lead.url) else {
                checked.elsewhere += 1;
                continue;
            };
            checked.uris += 1;
            match opens(ring, &lead.url, self) {
                Ok(expires) => {
                    let first = checked.expires.map_or(expires, |known| known.min(expires));
                    checked.expires = Some(first);
                }
                Err(refusal) => {
                    let problem = Problem::Refused(refusal);
                    checked.findings.push(Finding::of(template, lead, ring, problem));
                }
            }
        }
        (checked, leads)
    }

    fn place(&self, url: Url) -> Place {
        Place { now: Some(self.now), ..Place::at(url) }
    }

    /// What verifies the tokens of a URL's host.
    fn ring(&self, url: &Url) -> Option<&SchemeRing> {
        let origin = url.origin();
        self.hosts.iter().find(|(host, _)| host.origin() == origin).map(|(_, ring)| ring)
    }
}

impl Checked {
    /// Nothing is wrong with it yet.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), uris: 0, elsewhere: 0, expires: None, findings: Vec::new() }
    }

    /// What cannot be had, or is no manifest.
    #[must_use]
    pub fn broken(path: &Path, problem: Problem) -> Self {
        let finding = Finding { line: None, carrier: None, target: None, problem };
        Self { findings: vec![finding], ..Self::of(path) }
    }
}

impl Finding {
    fn of(template: &Template, lead: &Lead, ring: &SchemeRing, problem: Problem) -> Self {
        let target = ring.scheme().placement().path_without_secrets(lead.url.path());
        Self {
            line: lead.line(),
            carrier: lead.carrier(template),
            target: Some(target.into_owned()),
            problem,
        }
    }
}

fn check(
    source: &Source,
    places: &Places,
    gate: &Gate,
    present: &BTreeSet<&Path>,
    named: &mut Named,
) -> Checked {
    let template = match source.template(&gate.limits) {
        Ok(template) => template,
        Err(unusable) => return Checked::broken(source.shown(), unusable.into()),
    };
    let place = gate.place(places.url_of(source.relative()));
    let (mut checked, spelled) = gate.check_leads(source.shown(), &template, &place);
    for lead in written_out(&template, &place, spelled) {
        let Some(ring) = gate.ring(&lead.url) else { continue };
        named.is_open |= lead.is_template;
        // A token that stands in the path is no part of a file's name.
        let Some(relative) = places.path_of(&without_token(ring, &lead.url)) else { continue };
        let is_missing = !lead.is_template && !lead.may_be_missing && !present.contains(&*relative);
        if is_missing {
            checked.findings.push(Finding::of(&template, &lead, ring, Problem::Missing));
        }
        named.paths.insert(relative);
    }
    checked.findings.sort_by_key(|finding| finding.line);
    checked
}

/// Whether all tokens of one manifest open what they stand at.
pub(crate) fn is_good(source: &Source, places: &Places, gate: &Gate) -> bool {
    let url = places.url_of(source.relative());
    source
        .template(&gate.limits)
        .is_ok_and(|template| gate.check(source.path(), &template, url).findings.is_empty())
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
    let mut plain = url.clone();
    let path = ring.scheme().placement().path_without_token(url.path().as_bytes());
    plain.set_path(&String::from_utf8_lossy(&path));
    plain
}
