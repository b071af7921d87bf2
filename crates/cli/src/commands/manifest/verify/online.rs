//! Asks servers: fetches manifests by their URLs, with all that they lead to, and requests every URI.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use sluicegate_gateway::Fetcher;
use sluicegate_manifest::Template;
use sluicegate_offline::{Checked, Finding, Places, Problem, Request, Tree, requests};
use sluicegate_token::UnixTime;
use url::{Origin, Url};

use super::super::{LimitArgs, shown};
use crate::output::Progress;

/// Requests what manifests lead to, some at a time.
pub(super) struct Online {
    pub(super) fetcher: Fetcher,
    /// The hosts that are asked.
    pub(super) origins: Vec<Origin>,
    /// How many requests run at once.
    pub(super) at_once: usize,
    pub(super) now: UnixTime,
    pub(super) limits: LimitArgs,
    pub(super) progress: Progress,
}

/// A manifest from a server.
pub(super) struct Fetched {
    pub(super) name: PathBuf,
    /// Or what is wrong with it.
    pub(super) template: Result<(Template, Url), Problem>,
}

impl Online {
    /// Requests every URI of a tree's manifests.
    pub(super) async fn ask_tree(&self, tree: &Tree, places: &Places) -> Vec<Checked> {
        let mut all = Vec::new();
        for (path, served) in tree.served(places, &self.limits.limits()) {
            all.push(match served {
                Ok((template, url)) => self.ask(Checked::of(path), &template, url).await,
                Err(problem) => Checked::broken(path, problem),
            });
        }
        all
    }

    /// Requests every URI of fetched manifests.
    pub(super) async fn ask_fetched(&self, fetched: Vec<Fetched>) -> Vec<Checked> {
        let mut all = Vec::new();
        for Fetched { name, template } in fetched {
            all.push(match template {
                Ok((template, url)) => self.ask(Checked::of(&name), &template, url).await,
                Err(problem) => Checked::broken(&name, problem),
            });
        }
        all
    }

    async fn ask(&self, mut checked: Checked, template: &Template, url: Url) -> Checked {
        let wanted = requests(template, url, self.now);
        let (wanted, elsewhere): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|request| self.is_ours(&request.url));
        checked.elsewhere = elsewhere.len();
        checked.uris = wanted.len();
        let answers = stream::iter(wanted).map(async |request| {
            let problem = self.problem(&request.url).await;
            self.progress.one_more();
            problem.map(|problem| finding(request, problem))
        });
        // In the order of the text, however they are answered.
        checked.findings =
            answers.buffered(self.at_once).filter_map(async |found| found).collect().await;
        checked
    }

    fn is_ours(&self, url: &Url) -> bool {
        self.origins.contains(&url.origin())
    }

    async fn problem(&self, url: &Url) -> Option<Problem> {
        match self.fetcher.status(url).await {
            Ok(200..=299) => None,
            Ok(status) => Some(Problem::Status(status)),
            Err(error) => Some(Problem::Unanswered(error.to_string())),
        }
    }

    /// Fetches manifests, and the documents on their hosts that they lead to.
    pub(super) async fn fetch(&self, first: &[Url]) -> Vec<Fetched> {
        let mut seen: BTreeSet<Url> = first.iter().cloned().collect();
        let mut queue: VecDeque<Url> = first.iter().cloned().collect();
        let mut all = Vec::new();
        while let Some(url) = queue.pop_front() {
            let fetched = self.fetch_one(url).await;
            self.progress.one_more();
            if let Ok((template, url)) = &fetched.template {
                let leads = requests(template, url.clone(), self.now).into_iter();
                let documents = leads.filter(|lead| lead.is_document && self.is_ours(&lead.url));
                queue.extend(documents.map(|lead| lead.url).filter(|url| seen.insert(url.clone())));
            }
            all.push(fetched);
        }
        all
    }

    async fn fetch_one(&self, url: Url) -> Fetched {
        let name = PathBuf::from(shown::url(&url));
        let options = self.limits.for_fetched();
        let template = match self.fetcher.document(url, options.limits.max_bytes).await {
            Ok(document) => {
                let template = Template::compile(document.bytes, &options);
                template.map(|template| (template, document.url)).map_err(Problem::Broken)
            }
            Err(sluicegate_gateway::Error::OriginStatus(status)) => Err(Problem::Status(status)),
            Err(error) => Err(Problem::Unanswered(error.to_string())),
        };
        Fetched { name, template }
    }
}

fn finding(request: Request, problem: Problem) -> Finding {
    let Request { line, carrier, url, .. } = request;
    Finding { line, carrier, target: Some(shown::path(&url)), problem }
}
