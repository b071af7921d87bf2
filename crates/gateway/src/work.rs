//! The steps that the plans of one manifest take together.

use sluicegate_manifest::{Place, Plan, RefuseReason, RenderError, Template, UriPolicy};

/// Steps for the plans of one manifest: as many as a single plan may take.
#[derive(Debug)]
pub(crate) struct Work {
    limit: usize,
    left: usize,
}

impl Work {
    /// All that a manifest may take: `max_steps` at most.
    pub(crate) fn of(template: &Template, max_steps: Option<usize>) -> Self {
        let limit = template.max_steps().min(max_steps.unwrap_or(usize::MAX));
        Self { limit, left: limit }
    }

    /// Plans a manifest, or what is left of it, with the steps that are left.
    ///
    /// # Errors
    /// As [`Template::plan`].
    pub(crate) fn plan(
        &mut self,
        template: &Template,
        place: &mut Place,
        policy: &mut dyn UriPolicy,
    ) -> Result<Plan, RenderError> {
        place.max_steps = Some(self.left);
        let mut planned = template.plan(place, policy);
        if let Err(RenderError::Refused { reason: RefuseReason::TooMuchWork { limit }, .. }) =
            &mut planned
            && *limit == self.left
        {
            *limit = self.limit;
        }
        let plan = planned?;
        self.left = self.left.saturating_sub(plan.steps());
        Ok(plan)
    }

    /// The refusal of a manifest that takes more.
    pub(crate) const fn refusal(&self) -> RefuseReason {
        RefuseReason::TooMuchWork { limit: self.limit }
    }

    /// All steps, of which some may be taken.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }
}
