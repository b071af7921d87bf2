//! The scripts that backends copy print what `sluicegate sign` prints, byte for byte.

use std::path::PathBuf;
use std::process::Command;

use sluicegate_testkit::require_tools;

use crate::run::{KEY, Run, sluicegate};

/// Links as the scripts' pages ask for them: escaped as a browser sends them, without `//` or
/// dots, and not signed yet.
const LINKS: &[&str] = &[
    "/",
    "/a",
    "/images/1.jpg",
    "/videos/video-1/master.m3u8",
    "/videos/video-1/",
    "/live/133529_2/chunklist.m3u8?lang=it",
    "/live/a.m3u8?",
    "/live/a.m3u8#t=10",
    "/live/a.m3u8?#",
    "/live/a.m3u8?a=b&c=%20d&e#t?u/v",
    "/live/a.m3u8?next=https://other.example/x",
    "/live/citt%C3%A0/master.m3u8?lang=it#t=10",
    "/caf%E9/menu%20del%20giorno.mpd",
    "/100%25/%3Fx%23y.ts",
    "/a/b%2Fc.m3u8",
    "/a%252Fb.ts",
    "/lower%c3%a8/x.ts",
    "/line%0A",
    "/tab%09/%01%7F%FF.ts",
    "/plus+plus/tilde~/star*/semi;colon:at@/it's,(ok)!$&=.ts",
    "/-n/-e/%5C%5Cserver/%5C0101.ts",
    "/%24HOME/%60id%60/%27%22.ts",
    "https://cdn.example.com/images/1.jpg",
    "http://cdn.example.com:8080/a/b/c/init.mp4?x=1&y=2",
    "https://user@[2001:db8::1]:8443/a/b.ts",
    "https://xn--caf-dma.example/%E2%82%AC/a.mpd#%C3%A0",
];

/// Of Gcore Video Streaming: `/{kind}/{account}_{video}/{file}`.
const VIDEOS: &[&str] = &[
    "/videos/2675_pG8TfmKx2LU2qs/master.m3u8",
    "https://demo.gvideo.example/videos/2675_pG8TfmKx2LU2qs/master.m3u8?a=b#t=1",
    "/cmaf/2675_19146/a/b/index.mpd",
    "/mpegts/2675_19146/",
    "/videos/2675_citt%C3%A0/master.m3u8",
    "http://[2001:db8::1]:8080/videos/1_a/x?",
];

const MP4S: &[&str] = &[
    "/videos/279481_1053391/qid2920v1_h264_4050_1080_1.mp4",
    "https://demo.gvideo.example/videos/1_a/b.mp4/download",
    "/videos/1_a/b.mp4/download=film%20one.mp4?x=1#t=1",
    "/videos/1_a/download.mp4",
    "/videos/1_a/caf%C3%A9.mp4/downloads",
];

/// The arguments of a limit, as the scripts and as the program have them.
const LIMITS: &[(&[&str], &[&str])] = &[
    (&[], &[]),
    (&["--speed", "1000k"], &["--field", "speed=1000k"]),
    (
        &["--speed", "1000k", "--buffer", "2000k"],
        &["--field", "speed=1000k", "--field", "buffer=2000k"],
    ),
];

const BOUND_TO: &[&str] = &["203.0.113.7", "2001:db8::1"];

/// One example script.
struct Script {
    run_by: &'static str,
    file: &'static str,
    /// The program that must be installed.
    needs: &'static str,
}

const PHP: Script = Script { run_by: "php", file: "php/link.php", needs: "php" };
const PYTHON: Script = Script { run_by: "python3", file: "python/link.py", needs: "python3" };
const OPENSSL: Script = Script { run_by: "sh", file: "openssl/link.sh", needs: "openssl" };

#[test]
fn the_php_script_prints_the_same() {
    PHP.compare_all();
}

#[test]
fn the_python_script_prints_the_same() {
    PYTHON.compare_all();
}

#[test]
fn the_openssl_script_prints_the_same() {
    OPENSSL.compare_all();
}

/// What the pages of the scripts show is what comes out.
#[test]
fn the_pages_show_what_is_printed() {
    for args in [
        &["https://cdn.example.com/images/1.jpg"][..],
        &["--ip", "1.2.3.4", "/images/1.jpg"],
        &["--scope", "directory", "/live/citt%C3%A0/master.m3u8?lang=it#t=10"],
        &[
            "--scheme",
            "gcore-streaming",
            "https://demo.gvideo.io/videos/2675_pG8TfmKx2LU2qs/master.m3u8",
        ],
        &["--scheme", "gcore-mp4", "--field", "speed=1000k", "/videos/2675_pG8TfmKx2LU2qs/a.mp4"],
    ] {
        let mut command = sluicegate();
        command.args(["sign", "--expires", "2147483647"]).args(args);
        let line = Run::line(command.env("SLUICEGATE_KEY", "secret_key"));
        for language in ["php", "python", "openssl"] {
            let page = examples().join(language).join("README.md");
            let text = std::fs::read_to_string(&page).unwrap();
            assert!(text.contains(&format!("\n{line}\n")), "{}: {line}", page.display());
        }
    }
}

impl Script {
    fn compare_all(&self) {
        require_tools!(self.needs);
        for (number, link) in LINKS.iter().enumerate() {
            // Each link in both scopes, one of them bound: all four would double the time and tell
            // little more.
            for (at, scope) in ["file", "directory"].into_iter().enumerate() {
                let ip = BOUND_TO[number / 2 % BOUND_TO.len()];
                let bound = ["--ip", ip];
                let binding = if (number + at) % 2 == 0 { &bound[..] } else { &[] };
                let options = ["--expires", "2147483647", "--scope", scope];
                self.compare(&[&options[..], binding, &[link]].concat(), KEY);
            }
        }
        for (number, link) in VIDEOS.iter().enumerate() {
            let ip = ["--ip", BOUND_TO[number % BOUND_TO.len()]];
            let binding = if number % 2 == 0 { &ip[..] } else { &[] };
            let options = ["--expires", "2147483647", "--scheme", "gcore-streaming"];
            self.compare(&[&options[..], binding, &[link]].concat(), KEY);
        }
        for (number, link) in MP4S.iter().enumerate() {
            let ip = ["--ip", BOUND_TO[number % BOUND_TO.len()]];
            let options = ["--expires", "2147483647", "--scheme", "gcore-mp4"];
            let binding = if number % 2 == 0 { &ip[..] } else { &[] };
            let (theirs, ours) = LIMITS[number % LIMITS.len()];
            let args = [&options[..], binding, &[link]].concat();
            self.compare_with(&args, theirs, ours, KEY);
        }
        for key in ["s", "with space", "chiave-è-€", "$HOME `id` \\ % \" '"] {
            let any = ["--any-key-length"];
            let args = ["--expires", "1", "/live/napoli/playlist.m3u8"];
            self.compare_with(&args, &[], &any, key);
        }
    }

    fn compare(&self, args: &[&str], key: &str) {
        self.compare_with(args, &[], &[], key);
    }

    /// `theirs` and `ours` are arguments that the script alone, or the program alone, knows.
    fn compare_with(&self, args: &[&str], theirs: &[&str], ours: &[&str], key: &str) {
        let mut command = sluicegate();
        command.arg("sign").args(args).args(ours).env("SLUICEGATE_KEY", key);
        let expected = Run::of(&mut command);
        assert_eq!(expected.code, 0, "{args:?}: {}", expected.stderr);
        let output = Command::new(self.run_by)
            .arg(examples().join(self.file))
            .args(theirs)
            .args(args)
            .env("SLUICEGATE_KEY", key)
            .output()
            .unwrap();
        let file = self.file;
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{file} {args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected.stdout, "{file} {args:?}");
        assert!(output.status.success(), "{file} {args:?}");
    }
}

fn examples() -> PathBuf {
    sluicegate_testkit::fixtures::workspace_root().join("examples")
}
