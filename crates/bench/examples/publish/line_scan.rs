//! What a script does: every line that is no tag is a URI, hashed on its own; quoted URIs by `URI="`.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};
use rayon::prelude::*;
use walkdir::WalkDir;

use crate::tree::{EXPIRES, SECRET};

/// Signs all playlists of a folder, on all cores; gives the number of URIs.
pub(crate) fn sign(input: &Path, out: Option<&Path>) -> anyhow::Result<usize> {
    let entries = WalkDir::new(input).into_iter().filter_map(Result::ok);
    let files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    let counts = files.par_iter().map(|path| -> anyhow::Result<usize> {
        let relative = path.strip_prefix(input)?;
        let folder = format!("/vod/{}/", relative.parent().unwrap_or(Path::new("")).display());
        let (text, count) = sign_text(&fs::read_to_string(path)?, &folder);
        if let Some(out) = out {
            let to = out.join(relative);
            fs::create_dir_all(to.parent().unwrap_or(out))?;
            let unfinished = to.with_extension("tmp");
            fs::write(&unfinished, text)?;
            fs::rename(unfinished, to)?;
        }
        Ok(count)
    });
    counts.sum()
}

fn sign_text(text: &str, folder: &str) -> (String, usize) {
    let mut signed = String::with_capacity(text.len() * 2);
    let mut count = 0;
    for line in text.lines() {
        match line.split_once("URI=\"") {
            _ if !line.starts_with('#') => {
                signed.push_str(line);
                push_token(&mut signed, folder, line);
                count += 1;
            }
            Some((before, rest)) => {
                let (uri, after) = rest.split_once('"').unwrap_or((rest, ""));
                signed.push_str(before);
                signed.push_str("URI=\"");
                signed.push_str(uri);
                push_token(&mut signed, folder, uri);
                signed.push('"');
                signed.push_str(after);
                count += 1;
            }
            None => signed.push_str(line),
        }
        signed.push('\n');
    }
    (signed, count)
}

fn push_token(signed: &mut String, folder: &str, uri: &str) {
    let mut hash = Md5::new();
    hash.update(EXPIRES.to_string());
    hash.update(folder);
    hash.update(uri);
    hash.update(" ");
    hash.update(SECRET);
    signed.push_str("?md5=");
    URL_SAFE_NO_PAD.encode_string(hash.finalize(), signed);
    signed.push_str("&expires=");
    signed.push_str(&EXPIRES.to_string());
}
