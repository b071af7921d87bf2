//! The ends that live playlists had when their origins were asked last.

use moka::future::Cache;
use sluicegate_manifest::LiveEdge;

use super::{Compiled, Resource, Templates};
use crate::directives::Reload;

/// The end of a live playlist whose server offers delivery directives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) edge: LiveEdge,
    /// The directives of the request that told it, without those of delta updates.
    pub(crate) by: Reload,
}

/// By keys of resources without directives.
pub(super) type Edges = Cache<String, Reached>;

impl Templates {
    /// Remembers the end of a playlist that was just fetched.
    pub(crate) async fn reached_by(
        &self,
        resource: Resource<'_>,
        compiled: &Compiled,
    ) -> Option<Reached> {
        let taken = Reload::take(resource.query);
        let (by, plain) = match &taken {
            Some((by, rest)) => (*by, resource.route.resource_key(resource.place, rest)),
            None => (Reload::default(), resource.key.to_owned()),
        };
        let Some(edge) = compiled.edge else {
            self.edges.invalidate(&plain).await;
            return None;
        };
        let reached = Reached { edge, by: Reload { skip: None, ..by } };
        self.edges.insert(plain, reached).await;
        Some(reached)
    }

    /// The end that a playlist had when it was fetched last.
    pub(crate) async fn reached(&self, plain: &str) -> Option<Reached> {
        self.edges.get(plain).await
    }
}
