//! Golden playlists: `fixtures/hls/<case>/{input.m3u8,expected.m3u8,case.toml}`, byte for byte, and
//! golden documents that playlists name: `fixtures/documents/<case>/{input.*,expected.*,case.toml}`.
//!
//! `UPDATE_GOLDEN=1` writes the expected files anew. A case that is refused has no expected file:
//! its `refused` says a part of the message.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sluicegate_manifest::{Options, Place, Template, Variables, undo};
use sluicegate_token::Scope;

/// What `case.toml` says.
struct Case {
    place: Place,
    scope: Scope,
    refused: Option<String>,
}

impl Case {
    /// Reads lines of `key = "value"`.
    fn parse(text: &str) -> Self {
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once(" = ").expect("key = \"value\"");
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            values.insert(key, value.expect("a quoted value"));
        }
        let base = common::url(values.remove("base").expect("base"));
        let case = Self {
            place: Place {
                served: values.remove("served").map_or_else(|| base.clone(), common::url),
                base,
                variables: Variables::default(),
                now: Some(common::NOW),
                max_steps: None,
            },
            scope: match values.remove("scope") {
                Some("file") => Scope::File,
                Some("directory") => Scope::Directory,
                other => panic!("scope = {other:?}"),
            },
            refused: values.remove("refused").map(str::to_owned),
        };
        assert!(values.is_empty(), "unknown keys: {values:?}");
        case
    }

    fn render(&self, source: &[u8]) -> Result<common::Rendered, String> {
        let template = Template::compile(source.to_vec().into(), &Options::default())
            .map_err(|error| error.to_string())?;
        common::sign_with(&common::gcore(self.scope), &template, &self.place)
            .map_err(|error| error.to_string())
    }

    /// Says what is wrong, if anything is.
    fn check(&self, folder: &Path, is_update: bool) -> Result<(), String> {
        let input_path = ["m3u8", "json", "vtt", "mpd"]
            .map(|extension| folder.join("input.m3u8").with_extension(extension));
        let input_path = input_path.iter().find(|path| path.exists()).ok_or("no input")?;
        let source = fs::read(input_path).map_err(|error| error.to_string())?;
        let extension = input_path.extension().unwrap_or_default();
        let expected_path = folder.join("expected").with_extension(extension);
        let rendered = match (self.render(&source), &self.refused) {
            (Ok(rendered), None) => rendered,
            (Err(error), Some(part)) if error.contains(part) && !expected_path.exists() => {
                return Ok(());
            }
            (Ok(_), Some(part)) => return Err(format!("was not refused: {part}")),
            (Err(error), _) => return Err(error),
        };
        if undo(&rendered.bytes, &rendered.edits) != source {
            return Err("undo does not give the input".to_owned());
        }
        if is_update {
            return fs::write(expected_path, rendered.bytes).map_err(|error| error.to_string());
        }
        let expected = fs::read(expected_path).map_err(|error| error.to_string())?;
        if rendered.bytes == expected {
            return Ok(());
        }
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\\n\n");
        Err(format!("--- expected\n{}\n--- found\n{}", text(&expected), text(&rendered.bytes)))
    }
}

#[test]
fn every_golden_playlist_is_rendered_byte_for_byte() {
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases = 0;
    let mut failures = Vec::new();
    let folders = ["hls", "documents", "dash"]
        .map(|name| common::files_below(&common::fixtures().join(name)));
    for file in folders.into_iter().flatten() {
        if file.file_name().unwrap() != "case.toml" {
            continue;
        }
        let folder = file.parent().unwrap();
        cases += 1;
        let case = Case::parse(&fs::read_to_string(&file).unwrap());
        if let Err(why) = case.check(folder, is_update) {
            let name = folder.file_name().unwrap().to_string_lossy();
            failures.push(format!("{name}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases > 20, "only {cases} cases were found");
}
