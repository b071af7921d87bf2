//! `sluicegate sign --batch`: a line in, a line out, in constant memory.

use std::io::{self, BufRead as _, BufReader, Read as _};

use anyhow::Context as _;
use serde::Serialize;
use sluicegate_token::Link;

use super::Signer;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Progress, Stream};

/// A longer line is no URL; it is read over, so that memory stays bounded.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// How many failures are told one by one.
const MOST_TOLD: u64 = 20;

#[derive(Serialize)]
struct NotSigned<'e> {
    line: u64,
    error: &'e str,
}

/// Signs standard input to standard output.
pub(super) fn run(signer: &Signer<'_>, json: bool) -> Outcome {
    let mut input = BufReader::with_capacity(1 << 20, io::stdin().lock());
    let mut output = Stream::to_stdout();
    let progress = Progress::of("links");
    let (mut number, mut failed) = (0_u64, 0_u64);
    let mut line = Vec::new();
    while read_line(&mut input, &mut line).context("cannot read standard input")? {
        number += 1;
        let signed = match sign(signer, &line, json) {
            _ if line.is_empty() => String::new(),
            Ok(signed) => signed,
            Err(problem) => {
                failed += 1;
                if failed <= MOST_TOLD {
                    progress.note(&format!("sluicegate: line {number}: {problem}"));
                }
                match json {
                    true => output::json_text(&NotSigned { line: number, error: &problem })?,
                    false => String::new(),
                }
            }
        };
        output.write(&signed)?;
        output.write("\n")?;
        if output.is_gone() {
            break;
        }
        progress.at(number);
    }
    output.finish()?;
    progress.finish();
    if failed > MOST_TOLD {
        output::note(&format!("sluicegate: {} further lines were not signed", failed - MOST_TOLD));
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Refused })
}

fn sign(signer: &Signer<'_>, line: &[u8], json: bool) -> Result<String, String> {
    // What is printed is never the line itself: it may hold a token.
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    if line.len() as u64 >= MAX_LINE_BYTES {
        return Err(format!("it is longer than {MAX_LINE_BYTES} bytes"));
    }
    let link = Link::parse(text).map_err(|error| error.to_string())?;
    let signed = signer.sign(&link).map_err(|error| error.to_string())?;
    if json {
        return signer.json(&link, &signed).map_err(|error| error.to_string());
    }
    Ok(signed)
}

/// Reads a line without its end. False at the end of the input.
fn read_line(input: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE_BYTES {
        input.skip_until(b'\n')?;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(true)
}
