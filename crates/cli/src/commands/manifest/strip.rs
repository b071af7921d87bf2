//! `sluicegate manifest strip`: a signed manifest without its tokens.

use anyhow::anyhow;
use sluicegate_manifest::{StripError, strip};

use super::{Input, LimitArgs};
use crate::exit::{Exit, Failed, Outcome};
use crate::output::{self, printable};
use crate::scheme_args::SchemeArgs;

const EXAMPLES: &str = "\
Examples:
  sluicegate manifest strip signed.m3u8 > master.m3u8
  sluicegate manifest strip - < signed.m3u8 | sluicegate manifest inspect -

Gives back, byte for byte, what `sluicegate manifest sign` read, wherever that only inserted tokens
(templates of a DASH manifest that moved, or were written out, stay where they are now).
It goes by the text alone and needs no key: parameters of these names on other hosts go, too.";

/// Take the tokens out of a signed manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(args: &Args) -> Outcome {
    let stripped = stripped(&args.input, &args.scheme, &args.limits)?;
    output::bytes(&stripped)?;
    Ok(Exit::Ok)
}

/// A manifest without its tokens.
pub(super) fn stripped(
    input: &Input,
    scheme: &SchemeArgs,
    limits: &LimitArgs,
) -> Result<Vec<u8>, Failed> {
    let kind = scheme.kind()?;
    if kind.parameters().is_empty() {
        return Err(Failed::usage(anyhow!(
            "'{}' puts its token into the path, which does not show what was there before",
            kind.name()
        )));
    }
    let template = input.template(limits)?;
    strip(&template, &kind.parameters()).map_err(|error| not_stripped(input, &error))
}

fn not_stripped(input: &Input, error: &StripError) -> Failed {
    let error = anyhow!(
        "{}: {}; `sluicegate manifest sign` did not write that: take its parameters out by hand, \
         or start from the unsigned manifest",
        input.name(),
        printable(&error.to_string())
    );
    Failed { exit: Exit::Refused, error }
}
