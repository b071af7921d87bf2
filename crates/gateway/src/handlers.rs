//! What each request is answered with.

pub(crate) mod auth;
pub(crate) mod entry;
pub(crate) mod health;
pub(crate) mod media;
pub(crate) mod sessions;
