use super::*;

/// A folder with keys in it and the configuration's text.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("session.key"), "A".repeat(43)).unwrap();
        std::fs::write(folder.path().join("cdn.key"), "cdn-secret-1\n").unwrap();
        std::fs::write(folder.path().join("entry.key"), "entry-secret-1\n").unwrap();
        std::fs::write(folder.path().join("bearer.key"), "bearer-token-0123456789").unwrap();
        std::fs::create_dir(folder.path().join("media")).unwrap();
        Self { folder }
    }

    fn parse(&self, text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, self.folder.path(), Path::new("gateway.toml"))
    }

    fn error(&self, text: &str) -> String {
        self.parse(text).unwrap_err().to_string()
    }
}

const GOOD: &str = r#"
listen = "127.0.0.1:0"
public_url = "https://play.example.com/tv/"

[session]
key = { file = "session.key" }

[api]
bearer = { file = "bearer.key" }

[[route]]
id = "vod"
path = "/videos/"
origin = "file:media"
asset = "/videos/{asset}/"
segments = "cdn"

[route.entry]
key = { file = "entry.key" }

[route.cdn]
base_url = "https://cdn.example.com/videos"
scope = "file"
key = { file = "cdn.key" }
"#;

#[test]
fn a_good_configuration_is_typed() {
    let config = Case::new().parse(GOOD).unwrap();
    assert_eq!(config.public_url.unwrap().as_str(), "https://play.example.com/tv");
    let route = &config.routes[0];
    assert_eq!(route.cdn.as_ref().unwrap().base_url.as_str(), "https://cdn.example.com/videos/");
    assert_eq!(route.forward_query, ["_HLS_*"]);
    assert_eq!(config.session.length_secs, 4 * 3600);
    let printed = format!("{route:?} {:?}", config.api);
    assert!(!printed.contains("cdn-secret") && !printed.contains("bearer-token"), "{printed}");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = Case::new().error(&GOOD.replace("segments = \"cdn\"", "segmnets = \"cdn\""));
    assert!(error.contains("segmnets") && error.contains("line 16"), "{error}");
    assert!(error.contains("gateway.toml"), "{error}");
}

#[test]
fn a_value_out_of_its_set_is_named_with_its_choices() {
    let error = Case::new().error(&GOOD.replace("segments = \"cdn\"", "segments = \"cnd\""));
    assert!(
        error.contains("cnd") && error.contains("gateway") && error.contains("line 16"),
        "{error}"
    );
}

#[test]
fn what_is_missing_is_told() {
    let case = Case::new();
    for (from, to, expected) in [
        ("file:media", "file:nowhere", "route \"vod\": origin: the folder"),
        ("file:media", "file:cdn.key", "is not a folder"),
        ("file:media", "ftp://h/", "an origin is \"file:FOLDER\""),
        ("file:media", "http://user:pw@h/", "a user or a password"),
        ("{ file = \"session.key\" }", "{ file = \"none.key\" }", "session.key: cannot read"),
        (
            "{ file = \"session.key\" }",
            "{ env = \"SLUICEGATE_TEST_UNSET\" }",
            "SLUICEGATE_TEST_UNSET is not set",
        ),
        (
            "{ file = \"session.key\" }",
            "{ file = \"cdn.key\" }",
            "a session key is 32 random bytes",
        ),
        ("{ file = \"session.key\" }", "{}", "give one of"),
        (
            "base_url = \"https://cdn.example.com/videos\"",
            "base_url = \"cdn.example.com\"",
            "cdn.base_url",
        ),
        ("path = \"/videos/\"", "path = \"/videos\"", "begins and ends with '/'"),
        ("path = \"/videos/\"", "path = \"/a/../b/\"", "begins and ends with '/'"),
        ("path = \"/videos/\"", "path = \"/s/x/\"", "is the gateway's own"),
        ("path = \"/videos/\"", "path = \"/auth/\"", "is the gateway's own"),
        (
            "segments = \"cdn\"",
            "segments = \"gateway\"\naccel = \"files\"",
            "accel: it must be a folder",
        ),
        ("segments = \"cdn\"", "segments = \"cdn\"\naccel = \"/f/\"", "it goes with segments"),
        ("[api]", "idle_secs = 0\n[api]", "session.idle_secs: it must be 1 or more"),
        ("bearer = {", "bearers = [] #", "give either bearer"),
        ("asset = \"/videos/{asset}/\"", "asset = \"videos\"", "asset: it must begin"),
        ("scope = \"file\"", "ttl_secs = 0", "cdn.ttl_secs: it must be 1 to"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = case.error(&GOOD.replace(from, to));
        assert!(error.contains(expected), "{to}: {error}");
    }
    let without_cdn = GOOD.split("[route.cdn]").next().unwrap();
    for mode in ["cdn", "redirect"] {
        let error = case.error(&without_cdn.replace("\"cdn\"", &format!("\"{mode}\"")));
        let told = format!("segments: \"{mode}\" needs a [route.cdn] table with base_url and key");
        assert!(error.contains(&told), "{error}");
    }
    let without_route = GOOD.split("[[route]]").next().unwrap();
    assert!(case.error(without_route).contains("add a [[route]] table"));
}

/// What cannot be meant is refused, with what to write.
#[test]
fn contradictions_are_refused() {
    let case = Case::new();
    let profile = |bounds: &str| format!("[[profile]]\nid = 1\nname = \"sd\"\n{bounds}\n[api]");
    let limit = |limit: &str| format!("[limits]\n{limit}\n[api]");
    let keys = |names: &str| format!("segments = \"gateway\"\nkeys = {{ names = [{names}] }}");
    let segments = "segments = \"cdn\"";
    let asset = "asset = \"/videos/{asset}/\"";
    for (from, to, expected) in [
        (segments, String::new(), "segments: it is missing, and [route.cdn] alone"),
        (asset, "asset = \"/{asset}/x/\"".to_owned(), ""),
        (
            asset,
            "asset = \"/vod/{asset}/\"".to_owned(),
            "asset: no folder of /vod/{asset}/ is below",
        ),
        (asset, "asset = \"/{asset}/\"".to_owned(), ""),
        (segments, keys("\"*.ts\""), "keys.names: they fit segments such as segment1.ts"),
        (segments, keys("\"k/*\", \"seg*\""), "keys.names: they fit segments such as segment1.ts"),
        (segments, keys("\"*.M4S\""), "keys.names: they fit segments such as segment1.m4s"),
        (segments, keys("\"/videos/*\""), "keys.names: they fit manifests"),
        (segments, keys("\"keys/*\", \"*.key\""), ""),
        ("[api]", profile("max_height = 0"), "profile \"sd\": max_height: 0 leaves no variant"),
        ("[api]", profile("max_bitrate = 0"), "profile \"sd\": max_bitrate: 0 leaves no variant"),
        ("[api]", profile("max_bitrate = 1"), ""),
        ("[api]", limit("max_lines = 0"), "limits.max_lines: it must be 1 or more"),
        ("[api]", limit("max_uri_bytes = 0"), "limits.max_uri_bytes: it must be 1 or more"),
        ("[api]", limit("max_path_bytes = 0"), "limits.max_path_bytes: it must be 1 or more"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let parsed = case.parse(&GOOD.replacen(from, &to, 1)).map(|_| ());
        match (parsed, expected) {
            (Ok(()), "") => {}
            (Err(error), expected) if !expected.is_empty() => {
                assert!(error.to_string().contains(expected), "{to}: {error}");
            }
            (parsed, _) => panic!("{to}: {parsed:?}"),
        }
    }
}

/// Somebody will write a key where its place belongs. It is refused, and no log shows it.
#[test]
fn a_key_in_the_configuration_is_refused_and_not_shown() {
    let case = Case::new();
    let key = "{ file = \"session.key\" }";
    for (written, told) in [
        ("\"hunter2\"", "a key never stands in the configuration"),
        ("48151623", "a key never stands in the configuration"),
        ("48.151623", "a key never stands in the configuration"),
        ("{ value = \"hunter2\" }", "unknown field `value`"),
        ("{ file = \"session.key\", hex = \"hunter2\" }", "unknown field `hex`"),
        ("hunter2", "line 6, column "),
        ("\"hunter2", "line 6, column "),
    ] {
        let error = case.error(&GOOD.replacen(key, written, 1));
        assert!(error.starts_with("gateway.toml: line 6, ") && error.contains(told), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("151623"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_missing_key_is_told_how_to_make_it() {
    let case = Case::new();
    for (file, keygen) in [
        ("session.key", "`sluicegate keygen --session --out FILE`"),
        ("cdn.key", "`sluicegate keygen --out FILE`"),
        ("bearer.key", "`sluicegate keygen --out FILE`"),
    ] {
        let error = case.error(&GOOD.replace(file, "missing.key"));
        assert!(error.contains(keygen), "{error}");
    }
}

#[test]
fn a_secret_serves_one_purpose() {
    let case = Case::new();
    let bound = GOOD.replace("scope = \"file\"", "bind_ip = true").replace("entry.key", "cdn.key");
    assert!(case.error(&bound).contains("use two keys"));
    std::fs::write(case.folder.path().join("cdn.key"), "A".repeat(43)).unwrap();
    assert!(case.error(GOOD).contains("equals a session key"));
    std::fs::write(case.folder.path().join("cdn.key"), "bearer-token-0123456789\n").unwrap();
    assert!(case.error(GOOD).contains("equals a bearer token"));
    std::fs::write(case.folder.path().join("cdn.key"), "fine-key").unwrap();
    // Who opens sessions does not look at all of them, and each token can be replaced alone.
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\nbearer = { file = \"bearer.key\" }\n[api]";
    let error = case.error(&GOOD.replace("[api]", admin));
    assert!(error.contains("admin.bearer: it equals api.bearer; make another"), "{error}");
    std::fs::write(case.folder.path().join("bearer.key"), "0".repeat(64)).unwrap();
    assert!(case.error(GOOD).contains("api.bearer: it equals a session key"));
    std::fs::write(case.folder.path().join("bearer.key"), "short").unwrap();
    assert!(case.error(GOOD).contains("16 or more"));
}

#[test]
fn ids_and_paths_are_unique() {
    let case = Case::new();
    let twice = format!("{GOOD}\n[[route]]\nid = \"vod\"\norigin = \"file:media\"\n");
    assert!(case.error(&twice).contains("two routes have this id"));
    let twice =
        format!("{GOOD}\n[[route]]\nid = \"b\"\npath = \"/videos/\"\norigin = \"file:media\"\n");
    assert!(case.error(&twice).contains("two routes have this path"));
}

// === Schemes and keys ===

#[test]
fn a_scheme_that_does_not_fit_is_told_with_its_place() {
    let case = Case::new();
    std::fs::write(case.folder.path().join("short.key"), "12345").unwrap();
    let cdn = "scope = \"file\"";
    for (from, to, expected) in [
        (cdn, "scheme = \"gcoer\"", "cdn.scheme: there is no scheme \"gcoer\"; there are gcore, "),
        (cdn, "scope = \"either\"", "cdn.scope: what is signed has one scope"),
        (cdn, "scope = \"tree\"", "cdn.key: tokens of 'gcore' cannot open a tree; there is: file"),
        (cdn, "ip_form = \"octets/33\"", "cdn.ip_form: \"octets/33\" is no form"),
        (cdn, "lifetime_secs = 5", "writes when a token ends"),
        (cdn, "fields = { a = \"b\" }", "'gcore' has no field 'a'; it has none"),
        (cdn, "scheme = \"akamai\"", "a key of 'akamai' is written in hexadecimal"),
        (cdn, "scheme = \"cloudfront\"", "is written in PEM"),
        ("[route.entry]", "[route.entry]\nscheme = \"alibaba-b\"", "puts it into the path"),
        ("[route.entry]", "[route.entry]\nscope = \"extension\"", "entry.directory_extensions"),
        ("[route.entry]", "[route.entry]\nscope = \"either\"\nscheme = \"keycdn\"", "no tokens of"),
        (
            "[route.entry]\nkey = { file = \"entry.key\" }",
            "[route.entry]\nkey = { file = \"short.key\" }",
            "6 to 32 characters, and this one has 5; any_key_length = true lets it through",
        ),
        ("[api]", "layouts = [\"none.toml\"]\n[api]", "unknown field `layouts`"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = case.error(&GOOD.replacen(from, to, 1));
        assert!(error.contains(expected), "{to}: {error}");
    }
    let lenient = "[route.entry]\nany_key_length = true\nkey = { file = \"short.key\" }";
    let lenient = GOOD.replace("[route.entry]\nkey = { file = \"entry.key\" }", lenient);
    assert!(case.parse(&lenient).is_ok());
}

#[test]
fn a_broken_layout_is_refused_with_its_place() {
    let case = Case::new();
    let layout = "name = \"mine\"\ntitle = \"\"\nsource = \"\"\nalgorithm = \"md5\"\n\
        message = \"{secret}{path}{time}\"\noutput = \"hex\"\nscopes = [\"file\"]\n\
        query = [\"e={time}\", \"s={token}\"]\n";
    let write = |text: &str| std::fs::write(case.folder.path().join("mine.toml"), text).unwrap();
    let listed = format!("layouts = [\"mine.toml\"]\n{GOOD}");
    write(layout);
    assert!(case.parse(&listed).is_ok());
    write(&layout.replace("{path}", "{pth}"));
    let error = case.error(&listed);
    assert!(error.starts_with("layouts: mine.toml: message = "), "{error}");
    assert!(error.contains("character 9: {pth} is no field"), "{error}");
    write(&layout.replace("\"mine\"", "\"gcore\""));
    assert!(case.error(&listed).contains("the name \"gcore\" is taken"));
    std::fs::remove_file(case.folder.path().join("mine.toml")).unwrap();
    assert!(case.error(&listed).contains("cannot read "));
    let inline = format!("{GOOD}\n[[layout]]\n{}", layout.replace("\"md5\"", "\"md6\""));
    let error = case.error(&inline);
    assert!(error.starts_with("layout 1: ") && error.contains("md6"), "{error}");
}

#[test]
fn keys_have_names_and_times() {
    let case = Case::new();
    std::fs::write(case.folder.path().join("new.key"), "cdn-secret-2").unwrap();
    let route = GOOD.split("[route.cdn]").next().unwrap();
    let with = |keys: &str| {
        format!("{route}[route.cdn]\nbase_url = \"https://cdn.example.com/\"\nkeys = [{keys}]\n")
    };
    let old = "{ id = \"a\", file = \"cdn.key\", retired_from = 2026-12-02T00:00:00Z }";
    let new = "{ id = \"b\", file = \"new.key\", active_from = \"2026-12-01T00:00:00Z\" }";
    let config = case.parse(&with(&format!("{old}, {new}"))).unwrap();
    let ring = &config.routes[0].cdn.as_ref().unwrap().ring;
    let at = |text: &str| UnixTime::from_rfc3339(text).unwrap();
    let signing = |text: &str| ring.signing(at(text)).unwrap().id.to_string();
    assert_eq!(signing("2026-11-30T23:59:59Z"), "a");
    assert_eq!(signing("2026-12-01T00:00:00Z"), "b");
    for (keys, expected) in [
        (format!("{new}, {new}"), "two keys have the id \"b\""),
        (old.to_owned(), "a day comes when all are retired"),
        (new.replace("2026-12-01T00:00:00Z", "tomorrow"), "as 2026-12-01T00:00:00Z"),
        (new.replace("active_from", "activ_from"), "unknown field `activ_from`"),
        (String::new(), "give either key = { ... }, or keys"),
        ("\"hunter2\"".to_owned(), "a key never stands in the configuration"),
    ] {
        let error = case.error(&with(&keys));
        assert!(error.contains(expected) && !error.contains("hunter2"), "{keys}: {error}");
    }
}

#[test]
fn several_session_keys_have_numbers() {
    let case = Case::new();
    std::fs::write(case.folder.path().join("next.key"), "0".repeat(64)).unwrap();
    let with = |keys: &str| GOOD.replacen("key = { file = \"session.key\" }", keys, 1);
    let both = "keys = [{ id = 2, file = \"next.key\" }, { id = 1, file = \"session.key\" }]";
    let config = case.parse(&with(both)).unwrap();
    let now = UnixTime(1);
    assert_eq!(config.session.keys.signing(now).map(sluicegate_token::SessionKey::id), Some(2));
    assert_eq!(config.session.keys.accepted(now).count(), 2);
    for (keys, expected) in [
        (both.replace("id = 2", "id = 1"), "two session keys have the id 1"),
        (both.replace("id = 2", "id = \"b\""), "its id is a number"),
        (format!("{both}\nkey_id = 3"), "give either key"),
    ] {
        let error = case.error(&with(&keys));
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new();
    let warnings = |mode| {
        let path = case.folder.path().join("session.key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let warnings = case.parse(GOOD).unwrap().warnings;
        warnings.iter().filter(|warning| warning.starts_with("session.key: ")).count()
    };
    assert_eq!((warnings(0o644), warnings(0o600)), (1, 0));
}

/// One key in two spellings is one secret: the comparison of texts does not show it, a token does.
#[test]
fn one_key_in_two_spellings_is_one_secret() {
    let case = Case::new();
    let private = include_str!("../../../../fixtures/token/cloudfront-test.pem");
    for (name, text) in
        [("unix.key", private.to_owned()), ("dos.key", private.replace('\n', "\r\n"))]
    {
        std::fs::write(case.folder.path().join(name), text).unwrap();
    }
    let scheme = "scheme = \"cloudfront\"\nfields = { key_pair_id = \"K2JCJMDEHXQW5F\" }";
    let both = GOOD.replacen("[route.entry]", &format!("[route.entry]\n{scheme}"), 1).replacen(
        "scope = \"file\"",
        scheme,
        1,
    );
    for entry in ["unix.key", "dos.key"] {
        let keys = both.replacen("entry.key", entry, 1).replacen("cdn.key", "unix.key", 1);
        let error = case.error(&keys);
        assert!(error.contains("vod\": cdn.key, too, or the same key"), "{error}");
    }
}

/// A secret of links that signs at a CDN, too: told with both keys, unless no token can be a link.
#[test]
fn no_token_of_a_cdn_is_a_link() {
    let case = Case::new();
    let write = |name: &str, text: &str| {
        std::fs::write(case.folder.path().join(name), text).unwrap();
    };
    write("entry.key", "CDN-secret-1");
    assert!(case.parse(GOOD).is_ok(), "letters that differ are another secret");
    write("entry.key", "  cdn-secret-1  \n");
    write("hex.key", "00112233445566778899AABBCCDDEEFF");
    write("same-hex.key", "00112233445566778899aabbccddeeff");
    let entry = "[route.entry]";
    let cdn = "scope = \"file\"";
    let another = "[[route]]\nid = \"other\"\npath = \"/other/\"\norigin = \"file:media\"\n\
         segments = \"cdn\"\ncdn = { base_url = \"https://b.example.com/\", KEY }\n";
    let host = "allow_hosts = [{ url = \"https://c.example.com/c/\", cdn = { base_url = \
         \"https://d.example.com/\", KEY } }]\n";
    let own = "key = { file = \"own.key\" }";
    write("own.key", "a-key-of-its-own");
    let shared = "key = { file = \"cdn.key\" }";
    let of_cdn = |scope: &str| GOOD.replacen(cdn, scope, 1);
    let both = |in_entry: &str, in_cdn: &str| {
        of_cdn(in_cdn).replacen(entry, &format!("{entry}\n{in_entry}"), 1)
    };
    let elsewhere = |table: &str, key: &str| {
        let good = of_cdn("scope = \"directory\"");
        let (top, tail) = good.split_once("[route.entry]").unwrap();
        let (first, last) = tail.split_once("scope").unwrap();
        let tail = format!("{first}scope{}", last.replace(shared, own));
        let table = table.replace("KEY", key);
        match table.starts_with("allow") {
            true => format!("{top}{table}[route.entry]{tail}"),
            false => format!("{top}[route.entry]{tail}{table}"),
        }
    };
    for good in [
        of_cdn("scope = \"directory\""),
        of_cdn(""),
        both("scope = \"file\"", "scope = \"directory\""),
        elsewhere(another, &format!("scope = \"directory\", {shared}")),
        elsewhere(host, &format!("scope = \"directory\", {shared}")),
    ] {
        case.parse(&good).map_err(|error| format!("{error}\n{good}")).unwrap();
    }
    for (bad, named) in [
        (GOOD.to_owned(), "vod\": cdn.key"),
        (both("scope = \"directory\"", "scope = \"directory\""), "vod\": cdn.key"),
        (both("scope = \"either\"", "scope = \"directory\""), "vod\": cdn.key"),
        (
            both(
                "scope = \"extension\"\ndirectory_extensions = [\"mpd\"]",
                "scope = \"directory\"",
            ),
            "vod\": cdn.key",
        ),
        (of_cdn("scheme = \"bunny\""), "vod\": cdn.key"),
        (both("scheme = \"bunny\"", "scheme = \"bunny\""), "vod\": cdn.key"),
        (
            both("scheme = \"akamai\"", "scheme = \"akamai\"")
                .replacen("entry.key", "hex.key", 1)
                .replacen("cdn.key", "same-hex.key", 1),
            "vod\": cdn.key",
        ),
        (elsewhere(another, &format!("scope = \"file\", {shared}")), "other\": cdn.key"),
        (elsewhere(another, &format!("scheme = \"keycdn\", {shared}")), "other\": cdn.key"),
        (elsewhere(host, &format!("scope = \"file\", {shared}")), "host 1: cdn.key"),
    ] {
        let error = case.error(&bad);
        assert!(
            error.starts_with("route \"vod\": entry.key: it is the secret of"),
            "{error}\n{bad}"
        );
        assert!(error.contains(named) && error.contains("use two keys"), "{error}");
    }
}

#[test]
fn each_bound_on_manifests_has_a_key_of_its_own_name() {
    let case = Case::new();
    let keys = sluicegate_manifest::Limits::default().by_key().map(|(key, _)| key);
    for (at, key) in keys.into_iter().enumerate() {
        let config = case.parse(&format!("{GOOD}\n[limits]\n{key} = 54321\n")).unwrap();
        let mut expected = sluicegate_manifest::Limits::DEFAULT;
        *expected.by_key().into_iter().nth(at).unwrap().1 = 54321;
        assert_eq!(config.limits.manifest, expected, "{key}");
    }
}

#[test]
fn times_without_end_are_as_good_as_very_long_ones() {
    let top = "[limits]\nmissing_secs = 9223372036854775807\nmissing_segment_ms = 9223372036854775807\n\
               idle_secs = 9223372036854775807\n[timeouts]\nidle_secs = 9223372036854775807\n";
    let config = Case::new().parse(&GOOD.replacen("[session]", &format!("{top}[session]"), 1));
    let limits = config.unwrap().limits;
    let most = std::time::Duration::from_secs(10 * 365 * 24 * 3600);
    assert_eq!([limits.missing_for, limits.missing_segment_for], [most; 2]);
}
