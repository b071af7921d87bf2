//! What logs show of paths that clients have broken.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use sluicegate_testkit::broken::{Parts, broken, targets};
use sluicegate_token::session::{Grant, SessionClaims, SessionId};
use sluicegate_token::{ResourcePath, SessionKey, UnixTime, shown};

/// Session tokens, and the hashes of links and of CDNs' tokens in paths, from the schemes' vectors.
fn tokens() -> Vec<String> {
    let path = ResourcePath::parse(b"/v/master.m3u8").unwrap();
    let key = SessionKey::new(3, [7; 32]);
    let sealed = (1..4_u8).map(|number| {
        let id = std::array::from_fn(|at| number.wrapping_mul(37).wrapping_pow(at as u32 + 2));
        let claims = SessionClaims {
            grant: Grant::folder_of(&path).unwrap(),
            bound_bits: None,
            profile: 0,
            expires: UnixTime(1_893_456_000),
            session: SessionId(id),
        };
        key.seal(&claims, "vod", &path, None).as_str().to_owned()
    });
    let others = [
        "QX39c77lbQKvYgMMAvpyMQ",
        "UcB_lMku9m-MtxIEos_V-w",
        "Kfc6JtxDjWTAcWdRL5Q3yA",
        "iWTtYHgtDq3FRYx7fjspuA==,1800000000",
        "44c0909bcfc20a01afaf256ca99a8b8b",
        "1800000000_ccef046ec205bb6e56a48c3b0a06fa72e406d6d4",
        "bcdn_token=HS256-1-4lIDGI2_t3wiTmopXzB7z71wtZKTe1Ic0lDlL72iAJw&token_countries=CA%2CUS",
    ];
    sealed.chain(others.map(str::to_owned)).collect()
}

#[test]
fn no_part_of_a_broken_token_is_shown() {
    let mut tried = 0;
    for token in tokens() {
        let parts = Parts::of(&token);
        assert!(parts.in_text(&token).is_some());
        for broken in broken(&token) {
            for target in targets(&broken) {
                // The route's own folder is known.
                for known in [0, 1] {
                    if known == 1 && !target.starts_with("/v/") {
                        continue;
                    }
                    let shown = shown::path(&target, known);
                    assert_eq!(parts.in_text(&shown), None, "{target}: {shown}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100_000, "{tried}");
}

#[test]
fn names_that_are_known_or_short_are_shown() {
    for (path, known, seen) in [
        ("/", 0, "/"),
        ("", 0, ""),
        ("*", 0, "*"),
        ("/videos/a/master.m3u8", 0, "/videos/a/master.m3u8"),
        ("/live/bunny/720p/seg-12.m4s", 0, "/live/bunny/720p/seg-12.m4s"),
        ("/videos/big-buck-bunny/master.m3u8", 0, "/videos/***/master.m3u8"),
        ("/films/big-buck-bunny/master.m3u8", 2, "/films/big-buck-bunny/master.m3u8"),
        ("/v/chunk-stream0-00001.m4s", 1, "/v/chunk-stream0-00001.m4s"),
        ("/v/0123456789.ts", 0, "/v/***.ts"),
        ("/v/012345678.ts", 0, "/***/012345678.ts"),
        ("/v/a%20b/master.m3u8", 0, "/v/***/master.m3u8"),
        ("/v/a%20b/master.m3u8", 2, "/v/a%20b/master.m3u8"),
        ("/Ab3/hQ2k/X9/", 0, "/Ab3/hQ2k/***/"),
        ("/v1/sessions/0a0b0c0d0e0f", 0, "/v1/sessions/***"),
        ("/%61.ts", 0, "/***.ts"),
        ("/caf\u{e9}/a.ts", 0, "/***/a.ts"),
    ] {
        assert_eq!(shown::path(path, known), seen);
    }
    let deep = "/x".repeat(40);
    assert_eq!(shown::path(&deep, 0).matches("***").count(), 27);
    assert!(shown::path(&deep, 0).ends_with("/***/(8 segments)/x"));
}

#[test]
fn the_characters_that_are_shown_have_one_bound_for_the_whole_path() {
    let path = "/Ab.ts/Cd.ts/Ef.ts/Gh.ts/Ij.ts/Kl.ts/Mn.ts";
    assert_eq!(shown::path(path, 0), "/Ab.ts/Cd.ts/***.ts/***.ts/***.ts/***.ts/Mn.ts");
}

#[test]
fn a_right_token_is_found_in_a_path_however_it_is_written() {
    let token = &tokens()[0];
    let found = |path: &str| shown::holds_part_of(path.as_bytes(), token.as_bytes());
    for at in 0..=token.len() - 16 {
        let part = &token[at..at + 16];
        let dotted: String = part.chars().flat_map(|c| [c, '.']).collect();
        for part in [part.to_owned(), part.to_ascii_uppercase(), dotted] {
            assert!(found(&format!("/v/x{part}y.ts")), "{part}");
        }
    }
    assert!(!found("/videos/5d41402abc4b2a76b9719d911017c592/master.m3u8"));
    assert!(!shown::holds_part_of(b"/videos/a", b"") && !shown::holds_part_of(b"", b"videos-abc"));
}
