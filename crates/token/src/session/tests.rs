use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn keys() -> SessionKeys {
    SessionKeys::new(vec![SessionKey::new(1, [7; 32]), SessionKey::new(2, [9; 32])]).unwrap()
}

fn path(text: &str) -> ResourcePath {
    ResourcePath::parse(text.as_bytes()).unwrap()
}

fn claims(grant: Grant) -> SessionClaims {
    SessionClaims {
        grant,
        bound_bits: None,
        profile: 3,
        expires: UnixTime(NOW.0 + 60),
        session: SessionId(*b"fourteen bytes"),
    }
}

fn folder_token(of: &str) -> SessionToken {
    let path = path(of);
    keys().signing(UnixTime(0)).unwrap().seal(
        &claims(Grant::folder_of(&path).unwrap()),
        "vod",
        &path,
        None,
    )
}

fn opens(token: &SessionToken, at: &str) -> Result<SessionClaims, Refusal> {
    keys().verify(token.as_str().as_bytes(), "vod", &path(at), None, NOW)
}

#[test]
fn a_folder_token_opens_everything_below_and_nothing_beside() {
    let token = folder_token("/videos/a/master.m3u8");
    assert_eq!(token.as_str().len(), SessionToken::CHARS);
    for inside in
        ["/videos/a/master.m3u8", "/videos/a/360p/seg-1.m4s", "/videos/a/", "/videos/a/x/y/z"]
    {
        assert_eq!(opens(&token, inside).unwrap(), claims(Grant::Folder { depth: 2 }), "{inside}");
    }
    for outside in
        ["/videos/a", "/videos/ab/master.m3u8", "/videos/b/x", "/videos/", "/", "/a/videos/x"]
    {
        assert_eq!(opens(&token, outside), Err(Refusal::WrongToken), "{outside}");
    }
}

#[test]
fn an_exact_token_opens_one_path() {
    let file = path("/videos/flat.m3u8");
    let token = keys().signing(UnixTime(0)).unwrap().seal(
        &claims(Grant::exactly(&file).unwrap()),
        "vod",
        &file,
        None,
    );
    assert!(opens(&token, "/videos/flat.m3u8").is_ok());
    for other in ["/videos/flat.m3u8/x", "/videos/other.m3u8", "/videos", "/videos/flat.m3u8/"] {
        assert_eq!(opens(&token, other), Err(Refusal::WrongToken), "{other}");
    }
}

#[test]
fn the_first_path_of_a_session_is_told_from_another() {
    let file = path("/videos/a/master.m3u8");
    let seal =
        |grant| keys().signing(UnixTime(0)).unwrap().seal(&claims(grant), "vod", &file, None);
    let grants = [Grant::first(&file).unwrap(), Grant::exactly(&file).unwrap()];
    let tokens = grants.map(seal);
    for (token, grant) in tokens.iter().zip(grants) {
        assert_eq!(opens(token, "/videos/a/master.m3u8").unwrap().grant, grant);
        assert_eq!(opens(token, "/videos/a/other.m3u8"), Err(Refusal::WrongToken));
    }
    // Neither becomes the other by its flag, and the flag says nothing of a folder.
    let flipped = |token: &SessionToken| {
        let mut bytes = decode(token.as_str().as_bytes()).unwrap();
        bytes[0] ^= FIRST_FLAG;
        SessionToken::from_text(&URL_SAFE_NO_PAD.encode(bytes)).unwrap()
    };
    for token in &tokens {
        assert_eq!(opens(&flipped(token), "/videos/a/master.m3u8"), Err(Refusal::WrongToken));
    }
    let folder = flipped(&folder_token("/videos/a/master.m3u8"));
    let refused = opens(&folder, "/videos/a/master.m3u8");
    assert!(matches!(refused, Err(Refusal::MalformedToken(_))), "{refused:?}");
}

#[test]
fn segments_are_not_glued_together() {
    // Without a length before each part, /ab/c and /a/bc would be one message.
    let token = folder_token("/ab/c/x");
    assert!(opens(&token, "/ab/c/y").is_ok());
    assert!(opens(&token, "/a/bc/y").is_err());
}

#[test]
fn every_changed_byte_is_refused_with_403() {
    let token = folder_token("/videos/a/master.m3u8");
    let bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut tampered = bytes.clone();
            tampered[at] ^= 1 << bit;
            let text = URL_SAFE_NO_PAD.encode(&tampered);
            let refusal = keys()
                .verify(text.as_bytes(), "vod", &path("/videos/a/master.m3u8"), None, NOW)
                .unwrap_err();
            assert_eq!(refusal.status(), 403, "byte {at} bit {bit}: {refusal}");
        }
    }
}

#[test]
fn any_other_length_or_alphabet_is_refused() {
    let good = folder_token("/a/b").as_str().to_owned();
    let cut = &good[..51];
    let padded = format!("{good}==");
    let standard = format!("+{}", &good[1..]);
    for bad in ["", cut, &format!("{good}A"), &padded, &standard, &"\u{e9}".repeat(26)] {
        let refusal = keys().verify(bad.as_bytes(), "vod", &path("/a/b"), None, NOW).unwrap_err();
        assert!(matches!(refusal, Refusal::MalformedToken(_)), "{bad}: {refusal}");
    }
}

#[test]
fn a_token_is_for_its_route_and_its_key() {
    let token = folder_token("/a/b");
    let text = token.as_str().as_bytes();
    let verify = |keys: &SessionKeys, route| keys.verify(text, route, &path("/a/b"), None, NOW);
    assert_eq!(verify(&keys(), "live"), Err(Refusal::WrongToken));
    let only_second = SessionKeys::new(vec![SessionKey::new(2, [9; 32])]).unwrap();
    assert_eq!(verify(&only_second, "vod"), Err(Refusal::UnknownKey(1)));
    let other_secret = SessionKeys::new(vec![SessionKey::new(1, [8; 32])]).unwrap();
    assert_eq!(verify(&other_secret, "vod"), Err(Refusal::WrongToken));
}

#[test]
fn an_older_key_still_verifies() {
    let old = SessionKey::new(2, [9; 32]);
    let file = path("/a/b");
    let token = old.seal(&claims(Grant::folder_of(&file).unwrap()), "vod", &file, None);
    assert!(opens(&token, "/a/b").is_ok());
}

#[test]
fn the_last_second_is_good_and_the_next_is_410() {
    let token = folder_token("/a/b");
    let at =
        |now| keys().verify(token.as_str().as_bytes(), "vod", &path("/a/b"), None, UnixTime(now));
    assert!(at(NOW.0 + 60).is_ok());
    let refusal = at(NOW.0 + 61).unwrap_err();
    assert_eq!(refusal, Refusal::Expired { ago_secs: 1 });
    assert_eq!(refusal.status(), 410);
}

#[test]
fn a_wrong_token_that_has_also_expired_is_403() {
    let token = folder_token("/a/b");
    let refusal = keys()
        .verify(token.as_str().as_bytes(), "vod", &path("/x/b"), None, UnixTime(NOW.0 + 99))
        .unwrap_err();
    assert_eq!(refusal.status(), 403);
}

#[test]
fn a_bound_token_needs_its_client_prefix() {
    let file = path("/a/b");
    let bound = |ip: &str| {
        let ip: IpAddr = ip.parse().unwrap();
        let mut claims = claims(Grant::folder_of(&file).unwrap());
        claims.bound_bits = Some(BoundBits::of(&IpPrefix::for_session(ip)));
        keys().signing(UnixTime(0)).unwrap().seal(&claims, "vod", &file, Some(ip))
    };
    let check = |token: &SessionToken, ip: Option<&str>| {
        let ip = ip.map(|ip| ip.parse().unwrap());
        keys().verify(token.as_str().as_bytes(), "vod", &file, ip, NOW).map(drop)
    };
    let v4 = bound("192.0.2.7");
    assert_eq!(check(&v4, Some("192.0.2.7")), Ok(()));
    assert_eq!(check(&v4, Some("::ffff:192.0.2.7")), Ok(()));
    assert_eq!(check(&v4, Some("192.0.2.8")), Err(Refusal::WrongToken));
    assert_eq!(check(&v4, Some("2001:db8::1")), Err(Refusal::WrongToken));
    assert_eq!(check(&v4, None), Err(Refusal::NoClientAddress));
    let v6 = bound("2001:db8::1");
    assert_eq!(check(&v6, Some("2001:db8::ffff")), Ok(()));
    assert_eq!(check(&v6, Some("2001:db8:0:1::1")), Err(Refusal::WrongToken));
}

#[test]
fn an_entry_keeps_its_session_and_another_client_gets_another() {
    let client = |ip: &str| Some(IpPrefix::for_session(ip.parse().unwrap()));
    let link = TokenMark::of(b"token");
    let id = SessionId::of_link("vod", link, client("192.0.2.7"));
    assert_eq!(id, SessionId::of_link("vod", link, client("192.0.2.7")));
    for other in [
        SessionId::of_link("vod", link, client("192.0.2.8")),
        SessionId::of_link("vod", TokenMark::of(b"other"), client("192.0.2.7")),
        SessionId::of_link("live", link, client("192.0.2.7")),
        SessionId::of_link("vod", link, None),
    ] {
        assert_ne!(id, other);
    }
}

#[test]
fn grants_say_what_they_cover_without_a_key() {
    let granted = path("/videos/a/master.m3u8");
    let folder = Grant::folder_of(&granted).unwrap();
    assert!(folder.covers(&granted, &path("/videos/a/360p/x")));
    assert!(!folder.covers(&granted, &path("/videos/ab/x")));
    let exact = Grant::exactly(&granted).unwrap();
    assert!(exact.covers(&granted, &granted));
    assert!(!exact.covers(&granted, &path("/videos/a/x")));
}

#[test]
fn tokens_do_not_print() {
    let token = folder_token("/a/b");
    assert!(!format!("{token:?}").contains(token.as_str()));
}

#[test]
fn tags_are_for_their_label_and_parts() {
    let key = SessionKey::new(1, [7; 32]);
    let tag = key.tag("variables", &[b"ab", b"c"]);
    assert!(key.has_tagged("variables", &[b"ab", b"c"], &tag));
    for (label, parts) in
        [("variables", [&b"a"[..], b"bc"]), ("variables", [b"ab", b"d"]), ("other", [b"ab", b"c"])]
    {
        assert!(!key.has_tagged(label, &parts, &tag));
    }
    assert!(!SessionKey::new(1, [8; 32]).has_tagged("variables", &[b"ab", b"c"], &tag));
}
