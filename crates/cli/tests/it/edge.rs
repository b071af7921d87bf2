//! `sluicegate edge`: the statuses of a CDN's edge.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use sluicegate_testkit::fixtures;
use sluicegate_token::SchemeKind;

use crate::folder::Folder;
use crate::run::{Run, program, sluicegate, without_key};
use crate::serving::Serving;

fn start(folder: &Folder, options: &[&str]) -> Serving {
    let mut command = program();
    command.arg("edge").arg(fixtures::streams()).args(["--listen", "127.0.0.1:0"]);
    command.arg("--key-file").arg(folder.path().join("cdn.key"));
    Serving::start(command.args(options), "edge")
}

/// A link's token on another path.
fn moved(link: &str, from: &str, to: &str) -> String {
    assert!(link.contains(from));
    link.replace(from, to)
}

#[test]
fn a_file_token_opens_the_file_alone() {
    let folder = Folder::new();
    let mut edge = start(&folder, &[]);
    let told = format!("edge: {}\nrequests: {}\n", edge.url("/"), edge.url("/_edge/"));
    assert_eq!(edge.stdout(), told);
    let link = folder.sign(&edge.url("/flat/seg-0.ts"), &[]);
    let whole = edge.get(&link);
    let bytes = std::fs::read(fixtures::streams().join("flat/seg-0.ts")).unwrap();
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    let part = edge.get_with(&link, &[("Range", "bytes=188-375")]);
    assert_eq!((part.status, &part.body[..]), (206, &bytes[188..376]));
    let head = edge.request("HEAD", &link, &[]);
    assert_eq!(head.header("content-length"), Some(bytes.len().to_string().as_str()));

    assert_eq!(edge.get(&moved(&link, "seg-0", "seg-1")).status, 403);
    assert_eq!(edge.get("/flat/seg-0.ts").status, 403);
    let expired = folder.sign(&edge.url("/flat/seg-0.ts"), &["--expires", "1"]);
    assert_eq!(edge.get(&expired).status, 410);
    let missing = folder.sign(&edge.url("/flat/none.ts"), &[]);
    assert_eq!(edge.get(&missing).status, 404);

    let log = edge.log(7);
    assert_eq!(log.len(), 7, "{log:?}");
    assert!(log.iter().all(|line| !line.contains("md5=")), "{log:?}");
    edge.signal("TERM");
    assert_eq!(edge.exit_code(), Some(0));
}

#[test]
fn a_directory_token_opens_the_files_beside_and_none_below() {
    let folder = Folder::new();
    let edge = start(&folder, &["--scope", "directory"]);
    let scope = ["--scope", "directory"];
    let link = folder.sign(&edge.url("/subdirs/master.m3u8"), &scope);
    assert_eq!(edge.get(&link).status, 200);
    assert_eq!(edge.get(&moved(&link, "master", "360p/index")).status, 403);
    assert_eq!(edge.get(&moved(&link, "subdirs", "flat")).status, 403);
    let link = folder.sign(&edge.url("/flat/master.m3u8"), &scope);
    assert_eq!(edge.get(&moved(&link, "master.m3u8", "seg-3.ts")).status, 200);
    let of_the_file = folder.sign(&edge.url("/flat/master.m3u8"), &[]);
    assert_eq!(edge.get(&of_the_file).status, 403);
    let expired =
        folder.sign(&edge.url("/flat/master.m3u8"), &["--scope", "directory", "--expires", "1"]);
    assert_eq!(edge.get(&expired).status, 410);
}

#[test]
fn a_bound_link_is_for_its_address() {
    let folder = Folder::new();
    let edge = start(&folder, &["--bind-ip"]);
    let url = edge.url("/flat/master.m3u8");
    for (options, status) in
        [(&["--ip", "127.0.0.1"][..], 200), (&["--ip", "203.0.113.7"], 403), (&[], 403)]
    {
        assert_eq!(edge.get(&folder.sign(&url, options)).status, status, "{options:?}");
    }
}

#[test]
fn a_folder_that_is_none_is_a_failure() {
    let folder = Folder::new();
    for (name, told) in [("missing", "No such file"), ("cdn.key", "Not a directory")] {
        let path = folder.path().join(name);
        let run = Run::of(sluicegate().arg("edge").arg(&path));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        let begin = format!("sluicegate: cannot serve the folder {}: {told}", path.display());
        assert!(run.stderr.starts_with(&begin), "{}", run.stderr);
    }
}

#[test]
fn without_a_key_it_says_where_to_put_one() {
    let run = Run::of(without_key().arg("edge").arg(fixtures::streams()));
    assert_eq!((run.code, run.stdout.as_str()), (64, ""));
    assert!(
        run.stderr.contains("no key: set SLUICEGATE_KEY, or pass --key-file"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_port_in_use_is_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let run = Run::of(sluicegate().arg("edge").arg(fixtures::streams()).args(["--listen", &addr]));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let begin = format!("sluicegate: cannot listen on {addr}: the port is in use; ");
    assert!(run.stderr.starts_with(&begin), "{}", run.stderr);
}

/// A signed tree is all that a stand-in for a CDN needs, whatever that's scheme is.
#[test]
fn a_signed_tree_opens_under_every_scheme() {
    let film = tempfile::tempdir().unwrap();
    for stream in ["subdirs", "number"] {
        copy(&fixtures::streams().join(stream), &film.path().join(stream));
    }
    let mut tried = 0;
    for kind in SchemeKind::all() {
        let folder = Folder::new();
        let key = key_for(&kind, &folder);
        for scope in kind.scopes() {
            opens_a_signed_tree(film.path(), kind.name(), &scope.to_string(), &key);
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

fn opens_a_signed_tree(film: &Path, scheme: &str, scope: &str, key: &Path) {
    let mut terms = vec!["--scheme", scheme, "--scope", scope, "--key-file", key.to_str().unwrap()];
    if scheme == "cloudfront" {
        terms.extend(["--field", "key_pair_id=K1"]);
    }
    let out = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("edge").arg(out.path()).args(["--listen", "127.0.0.1:0"]).args(&terms);
    let edge = Serving::start(&mut command, "edge");
    let base = edge.url("/vod/");
    let mut command = without_key();
    command.args(["manifest", "sign", "--copy", "--base-url", &base]).args(&terms).arg(film);
    let run = Run::of(command.arg("--out").arg(out.path().join("vod")));
    assert_eq!(run.code, 0, "{scheme} {scope}: {}", run.stderr);
    let verify = || {
        let mut command = without_key();
        command.args(["manifest", "verify", "--http", "--json", "--base-url", &base]);
        Run::of(command.arg(out.path().join("vod")))
    };
    let run = verify();
    assert_eq!(run.code, 0, "{scheme} {scope}: {}", run.stdout);
    let uris = run.json()["uris"].as_u64().unwrap();
    assert!(uris > 20, "{scheme} {scope}: {}", run.stdout);
    // Unsigned manifests in the place of signed ones lead to nothing that opens.
    copy(film, &out.path().join("vod"));
    let run = verify();
    let shown = edge.get("/_edge/requests").text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let paths = ["served", "refused"].into_iter().flat_map(|kind| shown[kind].as_array().unwrap());
    for path in paths.map(|event| event["path"].as_str().unwrap()) {
        assert!(path.split('/').all(|segment| segment.len() < 22), "{scheme} {scope}: {path}");
    }
    let refused = run.json()["problems"].as_array().unwrap().len() as u64;
    assert_eq!((run.code, refused), (1, uris), "{scheme} {scope}: {}", run.stdout);
}

/// A key that the scheme takes, in a file.
fn key_for(kind: &SchemeKind, folder: &Folder) -> PathBuf {
    match kind.name() {
        "cloudfront" => {
            let path = folder.path().join("rsa.key");
            let mut command = std::process::Command::new("openssl");
            command.args(["genpkey", "-quiet", "-algorithm", "RSA", "-out"]).arg(&path);
            assert!(command.status().unwrap().success());
            path
        }
        "fastly" => folder.write("base64.key", "ZmFzdGx5LWtleS1vZi10aGUtdGVzdHM=\n"),
        "akamai" => folder.write("hex.key", "aabbccddeeff00112233445566778899\n"),
        _ => folder.path().join("cdn.key"),
    }
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in fixtures::files_below(from) {
        let to = to.join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}
