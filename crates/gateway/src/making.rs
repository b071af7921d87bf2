//! The plan of a manifest and its body, where these are not there yet: what takes long is made on threads of
//! its own, and what is for all is made once.

use std::sync::Arc;

use sluicegate_token::UnixTime;

use crate::Error;
use crate::app::App;
use crate::compression::{Coding, Payload};
use crate::manifest::{self, Given};
use crate::planned::{self, Asked, CdnTerms, Planned, Rendered, Session};
use crate::policy::Scene;
use crate::session::Admitted;
use crate::templates::{Compiled, Resource};

/// What a plan and a body are made for.
#[derive(Clone, Copy)]
pub(crate) struct Making<'r> {
    pub(crate) app: &'r App,
    pub(crate) admitted: &'r Admitted,
    pub(crate) resource: Resource<'r>,
    pub(crate) compiled: &'r Arc<Compiled>,
    pub(crate) given: &'r Given<'r>,
    pub(crate) now: UnixTime,
    pub(crate) moment: Option<UnixTime>,
}

impl<'r> Making<'r> {
    /// The plan, if it is there, or why there was none a moment ago.
    pub(crate) fn known(&self, scene: Scene<'r>) -> Option<Result<Arc<Planned>, Error>> {
        self.compiled.plans.find(&self.asked(scene))
    }

    fn asked(&self, scene: Scene<'r>) -> Asked<'r> {
        let query = self.given.query;
        let decides = !query.is_empty() && self.compiled.template.reads_its_query();
        let query = if decides { query } else { "" };
        Asked { scene, query, variables: self.given.variables, now: self.moment }
    }

    /// Makes the plan, once for all who ask at one time, and keeps it unless a viewer's own text decides
    /// with what it says.
    ///
    /// # Errors
    /// [`Error::Uri`] if the manifest is refused, [`Error::ManifestBusy`].
    pub(crate) async fn plan(&self, scene: Scene<'r>) -> Result<Arc<Planned>, Error> {
        let (asked, plans) = (self.asked(scene), &self.compiled.plans);
        let templates = self.app.templates();
        // It waits for its turn to be rendered, and nothing else counts it.
        let unkept = |mut planned: Planned| {
            planned.buffer = templates.buffers().try_reserve(plans.size_of(&planned))?;
            Ok(Arc::new(planned))
        };
        if !asked.query.is_empty() {
            return unkept(self.make(&asked).await?);
        }
        let turn = self.resource.patience.wait(plans.turn()).await?;
        if let Some(known) = plans.find(&asked) {
            return known;
        }
        let planned = match self.make(&asked).await {
            Ok(planned) => planned,
            Err(error) => {
                if matches!(error, Error::Uri(_) | Error::Manifest(_)) {
                    plans.refuse(&asked, &error);
                }
                return Err(error);
            }
        };
        if !templates.may_keep_plan(plans.size_of(&planned)) {
            return unkept(planned);
        }
        let planned = Arc::new(planned);
        plans.keep(&asked, &planned);
        drop(turn);
        templates.weigh(self.resource.key, self.compiled).await;
        Ok(planned)
    }

    async fn make(&self, asked: &Asked<'_>) -> Result<Planned, Error> {
        let Compiled { template, url, .. } = &**self.compiled;
        let workers = self.app.templates().workers();
        if workers.is_short(template.source().len()) {
            let most = workers.inline_steps();
            match planned::make(template, url, asked, Some(most)) {
                Err(error) if error.is_work_beyond(most) => {}
                made => return made,
            }
        }
        let (app, admitted) = (self.app.clone(), self.admitted.clone());
        let (compiled, now) = (Arc::clone(self.compiled), self.now);
        let (query, variables) = (asked.query.to_owned(), asked.variables.clone());
        let moment = asked.now;
        let work = move || {
            let scene = manifest::scene(&app, &admitted, now)?;
            let asked = Asked { scene, query: &query, variables: &variables, now: moment };
            planned::make(&compiled.template, &compiled.url, &asked, None)
        };
        workers.run(self.resource.patience, work).await?
    }

    /// Renders what takes long, and once what is for all.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`], and as [`Planned::body`].
    pub(crate) async fn render(
        &self,
        planned: &Arc<Planned>,
        terms: &[Option<CdnTerms<'_>>],
        coding: Coding,
        keys_end: Option<UnixTime>,
    ) -> Result<Payload, Error> {
        let is_shared = planned.is_shared(terms);
        let patience = self.resource.patience;
        let turn = match is_shared {
            true => Some(patience.wait(self.compiled.plans.turn()).await?),
            false => None,
        };
        let (app, admitted) = (self.app.clone(), self.admitted.clone());
        let (compiled, plan, now) = (Arc::clone(self.compiled), Arc::clone(planned), self.now);
        let work = move || {
            let terms = manifest::cdn_terms(&admitted, &compiled.template, now)?;
            let metrics = &app.observer().metrics;
            let signer = app.signer(now)?;
            let session = Session { signer, admitted: &admitted, keys_end, metrics };
            plan.body(&session, &terms, coding, app.limits().gzip_level)
        };
        let rendered = match planned.has_body(terms, coding) {
            // Another one has made it meanwhile.
            true => work()?,
            false => self.app.templates().workers().run(patience, work).await??,
        };
        drop(turn);
        Ok(self.settle(planned, rendered).await)
    }

    /// Weighs what a plan came to hold, and lets its text be compressed once for all tokens.
    pub(crate) async fn settle(&self, planned: &Arc<Planned>, rendered: Rendered) -> Payload {
        let Rendered { payload, has_grown, to_compress } = rendered;
        if has_grown {
            self.app.templates().weigh(self.resource.key, self.compiled).await;
        }
        if let Some(tokens) = to_compress {
            let templates = Arc::clone(self.app.templates());
            let (key, compiled) = (self.resource.key.to_owned(), Arc::clone(self.compiled));
            let planned = Arc::clone(planned);
            tokio::spawn(async move {
                let plan = Arc::clone(&planned);
                let patience = templates.patience();
                let work = move || plan.compress(&tokens);
                let made = templates.workers().run(&patience, work).await;
                match made {
                    Ok(()) => templates.weigh(&key, &compiled).await,
                    Err(_) => planned.compress_later(),
                }
            });
        }
        payload
    }
}
