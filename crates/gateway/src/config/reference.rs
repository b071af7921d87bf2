//! The tables of docs/configuration.md, from the shapes of [`super::raw`] and what is said of their
//! fields there.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// A table of the file, or what stands in several.
struct Table<'s> {
    name: &'s str,
    keys: Vec<Key>,
}

struct Key {
    name: String,
    meaning: String,
    default: Option<String>,
}

/// What is between a table's rows and its name in the source: `Signing` is the macro's.
fn tables(source: &str) -> Vec<Table<'_>> {
    let mut tables: Vec<Table<'_>> = Vec::new();
    let (mut is_open, mut is_read, mut derives) = (false, false, false);
    let (mut said, mut rename) = (Vec::new(), None);
    for line in source.lines().map(str::trim) {
        if let Some(attribute) = line.strip_prefix("#[") {
            derives |= attribute.starts_with("derive") && attribute.contains("Deserialize");
            let renamed =
                attribute.split("rename = \"").nth(1).and_then(|text| text.split('"').next());
            rename = renamed.map(str::to_owned).or(rename);
            continue;
        }
        if let Some(text) = line.strip_prefix("///") {
            said.push(text.trim());
            continue;
        }
        let name = line.strip_prefix("pub(super) struct ").and_then(|rest| rest.strip_suffix(" {"));
        let own = ["Entry {", "Cdn {"].contains(&line).then(|| line.trim_end_matches(" {"));
        if let Some(name) = name.or(own) {
            let name = if name == "$table" { "Signing" } else { name };
            // What is not read from a file has no words for its users.
            (is_open, is_read) = (true, derives || own.is_some());
            if is_read {
                tables.push(Table { name, keys: Vec::new() });
            }
        } else if line == "}" {
            is_open = false;
        } else if let Some((field, _)) = line.split_once(':').filter(|_| is_open && is_read) {
            let field = field.trim_start_matches("pub(super) ");
            let is_name = field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_name && line.ends_with(',') {
                let table = tables.last_mut().expect("it is open");
                table.keys.push(key(rename.take().unwrap_or_else(|| field.to_owned()), &said));
            }
        }
        (said, derives, rename) = (Vec::new(), false, None);
    }
    tables.retain(|table| !table.keys.is_empty());
    tables
}

fn key(name: String, said: &[&str]) -> Key {
    let text = said.join(" ");
    let (meaning, default) = match text.split_once(" Default: ") {
        Some((meaning, default)) => (meaning.to_owned(), Some(default)),
        None => (text, None),
    };
    let plain = |text: &str| text.trim().trim_end_matches('.').to_owned();
    Key { name, meaning: plain(&meaning), default: default.map(plain) }
}

fn markdown(table: &Table<'_>) -> String {
    let has_defaults = table.keys.iter().any(|key| key.default.is_some());
    let mut text = match has_defaults {
        true => "| key | default | meaning |\n| --- | --- | --- |\n".to_owned(),
        false => "| key | meaning |\n| --- | --- |\n".to_owned(),
    };
    for Key { name, meaning, default } in &table.keys {
        match (has_defaults, default.as_deref().unwrap_or_default()) {
            (true, default) => writeln!(text, "| `{name}` | {default} | {meaning} |").unwrap(),
            (false, _) => writeln!(text, "| `{name}` | {meaning} |").unwrap(),
        }
    }
    text.replace("|  |", "| |")
}

/// The documentation with the table behind each `<!-- Name -->`, and the names that it has.
fn rendered(documentation: &str, tables: &[Table<'_>]) -> (String, BTreeSet<String>) {
    let (mut text, mut named) = (String::new(), BTreeSet::new());
    let mut lines = documentation.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        let name = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        let Some(table) = tables.iter().find(|table| Some(table.name) == name) else { continue };
        named.insert(table.name.to_owned());
        while lines.next_if(|line| line.starts_with('|')).is_some() {}
        text += &markdown(table);
    }
    (text, named)
}

#[test]
fn the_documentation_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let documentation = std::fs::read_to_string(&path).unwrap();
    let tables = tables(include_str!("raw.rs"));
    for table in &tables {
        for key in &table.keys {
            assert!(!key.meaning.is_empty(), "nothing is said of {}: {}", table.name, key.name);
        }
    }
    let (text, named) = rendered(&documentation, &tables);
    let missing: Vec<_> =
        tables.iter().map(|table| table.name).filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/configuration.md has no <!-- Name --> of {missing:?}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        assert!(text == documentation, "docs/configuration.md is out of date: make golden");
    }
}

/// A default that is documented is what a file without the key means.
#[test]
fn the_documented_defaults_hold() {
    let folder = tempfile::tempdir().unwrap();
    for (name, key) in [
        ("session.key", "c2Vzc2lvbi1rZXktb2YtdGhlLXRlc3RraXQtMzItYnk"),
        ("entry.key", "entry-secret-of-this-test"),
        ("cdn.key", "cdn-secret-of-this-test"),
    ] {
        std::fs::write(folder.path().join(name), key).unwrap();
    }
    let all = tables(include_str!("raw.rs"));
    let mut tried = 0;
    for table in &all {
        for key in &table.keys {
            let Some(default) = key.default.as_deref() else { continue };
            let value = default.trim_matches('`');
            let literal: Option<String> = match value {
                _ if value.parse::<u64>().is_ok() || value == "false" => Some(value.to_owned()),
                _ if value.starts_with('[') => Some(value.to_owned()),
                _ if default.starts_with('`') && !value.contains(['`', ' ']) => {
                    Some(format!("\"{value}\""))
                }
                _ => None,
            };
            let Some(literal) = literal else { continue };
            let config = |line: &str| {
                let at = |name: &str| if name == table.name { line } else { "" };
                // A route with a CDN has no default.
                let segments = match line.starts_with("segments ") {
                    true => "",
                    false => "segments = \"gateway\"\n",
                };
                // Keys of several tables stand in the first.
                let text = format!(
                    "{}\n[session]\nkey = {{ file = \"session.key\" }}\n{}\n\
                     [session.store]\nurl = \"redis://127.0.0.1/0\"\n{}\n\
                     [limits]\n{}\n[timeouts]\n{}\n[stop]\n{}\n\
                     [[route]]\nid = \"vod\"\norigin = \"http://127.0.0.1:1/\"\n{segments}{}\n\
                     [route.health]\n{}\n[route.keys]\n{}\n\
                     [route.entry]\nkey = {{ file = \"entry.key\" }}\n{}{}\n\
                     [route.cdn]\nkey = {{ file = \"cdn.key\" }}\nbase_url = \"http://127.0.0.1:2/\"\n{}\n",
                    at("Config"),
                    at("Session"),
                    at("Store"),
                    at("Limits"),
                    at("Timeouts"),
                    at("Stop"),
                    at("Route"),
                    at("Health"),
                    at("Keys"),
                    at("Entry"),
                    at("Signing"),
                    at("Cdn"),
                );
                let parsed = super::Config::parse(&text, folder.path(), Path::new("gateway.toml"));
                format!("{:?}", parsed.unwrap_or_else(|error| panic!("{}: {error}", key.name)))
            };
            let line = format!("{} = {literal}", key.name);
            assert_eq!(config(&line), config(""), "{}: {line}", table.name);
            tried += 1;
        }
    }
    assert!(tried >= 40, "{tried}");
}
