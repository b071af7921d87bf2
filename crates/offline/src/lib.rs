//! Manifests that are signed when they are published: a folder in, a folder out.
//!
//! [`Tree::find`] finds the manifests among files and folders, by their content; [`Tree::sign`] signs
//! each for the URL at which a CDN will serve it, and writes it whole or not at all; [`Tree::verify`]
//! checks every token of what was signed. The engine and its rules are those of `sluicegate-manifest`.

mod atomic;
mod leads;
mod open;
mod output;
mod place;
mod sign;
mod source;
mod tree;
mod verify;
mod watch;

pub use atomic::{Durability, WriteError, replace};
pub use open::{Links, is_not_regular, open};
pub use output::{Done, Others, Outcome, Output};
pub use place::Places;
pub use sign::{Host, SignError, Signed, Terms, sign};
pub use source::looks_like_manifest;
pub use tree::{Tree, TreeError};
pub use verify::{Audit, Checked, Finding, Gate, Problem, Request, requests};
pub use watch::{News, Stopper, Watch, WatchError};
