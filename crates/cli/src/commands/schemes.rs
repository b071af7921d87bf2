//! `sluicegate schemes`: which schemes there are, and how each is written.

use serde::Serialize;
use sluicegate_token::{Layout, SchemeKind, Scope};

use crate::exit::{Exit, Failed, Outcome};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  sluicegate schemes
  sluicegate schemes alibaba-a
  sluicegate schemes nginx > mine.toml    # begin a layout of your own with one that is near
  sluicegate schemes --json | jq -r '.[].name'

A name goes to --scheme. Those that are data are printed as their file, which --scheme takes, too.
docs/schemes.md describes each with an example.";

/// List the schemes, or print one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The scheme to print
    #[arg(value_name = "NAME", conflicts_with = "json")]
    name: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed<'k> {
    name: &'k str,
    title: &'k str,
    scopes: Vec<String>,
    parameters: Vec<&'k str>,
    fields: Vec<Field<'k>>,
}

#[derive(Serialize)]
struct Field<'k> {
    name: &'k str,
    default: &'k str,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(name) = &args.name {
        print(name)?;
        return Ok(Exit::Ok);
    }
    let kinds: Vec<_> = SchemeKind::all().collect();
    if args.json {
        output::json(&kinds.iter().map(Listed::of).collect::<Vec<_>>())?;
        return Ok(Exit::Ok);
    }
    let width = kinds.iter().map(|kind| kind.name().len()).max().unwrap_or_default();
    for kind in &kinds {
        let scopes: Vec<_> = kind.scopes().iter().map(Scope::to_string).collect();
        let (name, title, scopes) = (kind.name(), kind.title(), scopes.join(", "));
        output::line(&format!("{name:width$}  {title} ({scopes})"))?;
    }
    Ok(Exit::Ok)
}

fn print(name: &str) -> Result<(), Failed> {
    if let Some(text) = Layout::builtin_text(name) {
        return Ok(output::bytes(text.as_bytes())?);
    }
    let kind = SchemeKind::named(name).ok_or_else(|| {
        Failed::usage(anyhow::anyhow!(
            "there is no scheme '{name}': `sluicegate schemes` lists them"
        ))
    })?;
    output::line(&format!("{}: {}", kind.name(), kind.title()))?;
    output::line("It is written in code. Fields, each with its default:")?;
    for (name, default) in kind.fields() {
        output::line(&format!("  {name} = \"{default}\""))?;
    }
    Ok(())
}

impl<'k> Listed<'k> {
    fn of(kind: &'k SchemeKind) -> Self {
        Self {
            name: kind.name(),
            title: kind.title(),
            scopes: kind.scopes().iter().map(Scope::to_string).collect(),
            parameters: kind.parameters(),
            fields: kind
                .fields()
                .into_iter()
                .map(|(name, default)| Field { name, default })
                .collect(),
        }
    }
}
