//! What became of the manifests of a tree, for people and for scripts.

use std::collections::BTreeMap;

use serde::Serialize;
use sluicegate_manifest::RenderError;
use sluicegate_offline::{Done, Outcome, SignError};

use super::super::{manifests, not_compiled, refusal, uris, with_limits};
use super::{kept_by_reason, kept_note, left_out_notes};
use crate::output::printable;

/// All manifests of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    manifests: Vec<Row>,
    /// How many were signed.
    signed: usize,
    /// How many were good for long enough.
    still_good: usize,
    /// How many were not.
    failed: usize,
    /// The tokens of all.
    tokens: usize,
}

/// One manifest.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    path: String,
    /// Below the output folder.
    output: String,
    /// URIs with a token.
    signed: usize,
    /// URIs that stay, by the reason.
    kept: BTreeMap<String, usize>,
    /// The last good second of the tokens that end first, as Unix time.
    expires: Option<u64>,
    warnings: Vec<String>,
    /// Why nothing was written.
    problem: Option<String>,
}

impl Report {
    pub(super) fn of(done: &[Done]) -> Self {
        let manifests: Vec<_> = done
            .iter()
            .filter(|done| !matches!(done.outcome, Outcome::Taken))
            .map(Row::of)
            .collect();
        let failed = manifests.iter().filter(|row| row.problem.is_some()).count();
        let tokens = manifests.iter().map(|row| row.signed).sum();
        let is_good = |done: &&Done| matches!(done.outcome, Outcome::StillGood);
        let still_good = done.iter().filter(is_good).count();
        let signed = manifests.len() - failed - still_good;
        Self { signed, still_good, failed, tokens, manifests }
    }

    pub(super) fn summary(&self) -> String {
        let mut text = format!("{} signed, {}", manifests(self.signed), uris(self.tokens));
        if self.still_good > 0 {
            text += &format!("; {} good for longer", manifests(self.still_good));
        }
        if self.failed > 0 {
            text += &format!("; {} not", manifests(self.failed));
        }
        text
    }
}

impl Row {
    pub(super) fn of(done: &Done) -> Self {
        let mut row = Self {
            path: done.path.display().to_string(),
            output: done.relative.display().to_string(),
            signed: 0,
            kept: BTreeMap::new(),
            expires: None,
            warnings: Vec::new(),
            problem: failure(done),
        };
        if let Outcome::Signed(signed) = &done.outcome {
            row.signed = signed.tokens;
            row.expires = signed.expires.map(|at| at.0);
            let kept = kept_by_reason(&signed.kept).into_iter();
            row.kept = kept.map(|(reason, count)| (reason.to_string(), count)).collect();
            row.warnings = warnings(done);
        }
        row
    }
}

/// What a person should know of a file, in lines.
pub(super) fn remarks(done: &Done) -> impl Iterator<Item = String> {
    let name = printable(&done.path.to_string_lossy()).into_owned();
    let remarks = failure(done).into_iter().chain(warnings(done)).chain(kept(done));
    remarks.map(move |remark| format!("{name}: {remark}"))
}

/// What a person should know of a signed manifest.
fn warnings(done: &Done) -> Vec<String> {
    let Outcome::Signed(signed) = &done.outcome else { return Vec::new() };
    let mut warnings: Vec<_> = left_out_notes(signed).collect();
    if let Some(length) = signed.outlives_tokens {
        warnings.push(format!(
            "it plays for {}, and its tokens end before: give a longer --ttl",
            humantime::format_duration(std::time::Duration::from_secs(length.as_secs()))
        ));
    }
    warnings
}

/// Why a file was not written.
pub(super) fn failure(done: &Done) -> Option<String> {
    match &done.outcome {
        Outcome::Signed(_) | Outcome::StillGood | Outcome::Taken => None,
        Outcome::Unreadable(error) => Some(format!("cannot be read: {error}")),
        Outcome::Broken(error) => Some(printable(&not_compiled(error)).into_owned()),
        Outcome::Refused(error) => Some(printable(&problem(error)).into_owned()),
        Outcome::Unwritten(error) => Some(error.to_string()),
    }
}

/// What stays unsigned, in a line.
fn kept(done: &Done) -> Option<String> {
    match &done.outcome {
        Outcome::Signed(signed) => kept_note(&signed.kept),
        _ => None,
    }
}

/// Why a manifest is not signed, and what to do.
pub(super) fn problem(error: &SignError) -> String {
    match error {
        SignError::Uri(RenderError::Refused { line, offset, carrier, role, reason }) => {
            format!("line {line} (byte {offset}), {carrier}, {role}: {}", refusal(reason))
        }
        SignError::Uri(error) => with_limits(error.to_string(), error.limits()),
        error => error.to_string(),
    }
}
