//! Schemes in the configuration: each signs what its CDN opens, and links of each open sessions.

use std::sync::Arc;

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::fixtures::fixtures;
use sluicegate_token::{
    Binding, CdnKey, Layout, Link, Presented, Scheme, SchemeKind, SchemeOptions, Scope, UnixTime,
};

use crate::support::{Site, Viewer, folder, multivariant, playlist, resolve, uris};

const CDN: &str = "https://cdn.example.com/media/";

/// An RSA key for tests, from the vectors.
fn rsa_key() -> String {
    let text = std::fs::read_to_string(fixtures().join("token/vectors.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut schemes = vectors["schemes"].as_array().unwrap().iter();
    let vector = schemes.find(|vector| vector["scheme"] == "cloudfront").unwrap();
    vector["key"].as_str().unwrap().to_owned()
}

/// A key that the scheme takes.
fn key_of(name: &str) -> String {
    match name {
        "akamai" => "52a152a152a152a152a152a152a1".to_owned(),
        "fastly" => "c2VjcmV0LW9mLWEtY2Ru".to_owned(),
        "cloudfront" => rsa_key(),
        _ => "secret-of-a-cdn".to_owned(),
    }
}

/// The key in the configuration: a command that prints it.
fn key_source(key: &str) -> String {
    format!("{{ command = [\"printf\", \"%s\", '''{key}'''] }}")
}

fn scheme(kind: &SchemeKind, fields: &[(&str, &str)], scope: Option<Scope>) -> Arc<dyn Scheme> {
    let key = CdnKey::new("k", key_of(kind.name()).as_bytes(), Binding::Plain);
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let options = SchemeOptions { scope, fields: fields.collect(), ..SchemeOptions::default() };
    kind.with_key(key, &options).unwrap()
}

fn opens(scheme: &dyn Scheme, url: &str, now: UnixTime) -> Result<(), String> {
    let link = Link::parse(url).unwrap();
    let (path, query) = (link.path(), link.query());
    let presented = Presented { path, url: url.as_bytes(), query, ip: None };
    scheme.verify(&presented, now).map(|_| ()).map_err(|refusal| refusal.to_string())
}

/// What goes into `[route.cdn]` beside the key, and the fields as the verifier needs them.
fn settings(name: &str) -> Vec<(&'static str, &'static str)> {
    match name {
        "cloudfront" => vec![("key_pair_id", "K2JCJMDEHXQW5F")],
        _ => Vec::new(),
    }
}

fn site_of(mode: &str, name: &str, fields: &[(&str, &str)]) -> String {
    let written = fields.iter().map(|(name, value)| format!("{name} = \"{value}\""));
    let written = written.collect::<Vec<_>>().join(", ");
    format!(
        "segments = \"{mode}\"\nforward_query = [\"x\"]\n[route.cdn]\nbase_url = \"{CDN}\"\n\
         scheme = \"{name}\"\nfields = {{ {written} }}\nttl_secs = 600\nkey = {}\n",
        key_source(&key_of(name))
    )
}

/// The scope that a route takes for itself.
fn widest(kind: &SchemeKind) -> Option<Scope> {
    [Scope::Directory, Scope::Tree].into_iter().find(|scope| kind.scopes().contains(scope))
}

fn assert_opens(kind: &SchemeKind, fields: &[(&str, &str)]) {
    let name = kind.name();
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["low/index.m3u8"])),
        ("v/low/index.m3u8", &playlist(&["0.ts", "a b/1.ts", "../2.ts?x=1"])),
    ]);
    let verifier = scheme(kind, fields, widest(kind));
    for mode in ["cdn", "redirect"] {
        let settings = site_of(mode, name, fields);
        let gateway: Gateway = Site { route: &settings, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let variant = resolve(&session, &uris(&viewer.get(&session).text())[0]);
        let text = viewer.get(&variant).text();
        let signed: Vec<String> = match mode {
            "cdn" => uris(&text),
            _ => {
                let located = |uri: &String| {
                    let answer = viewer.get(&resolve(&variant, uri));
                    assert_eq!(answer.status, 302, "{name}: {}", answer.text());
                    answer.header("location").unwrap().to_owned()
                };
                uris(&text).iter().map(located).collect()
            }
        };
        assert_eq!(signed.len(), 3, "{text}");
        for url in &signed {
            assert!(url.starts_with("https://cdn.example.com/"), "{name} {mode}: {url}");
            let verdict = opens(verifier.as_ref(), url, gateway.clock.now());
            assert_eq!(verdict, Ok(()), "{name} {mode}: {url}");
        }
    }
}

#[test]
fn segments_are_signed_in_every_scheme() {
    for kind in SchemeKind::all() {
        assert_opens(&kind, &settings(kind.name()));
    }
    let bunny = SchemeKind::named("bunny").unwrap();
    assert_opens(&bunny, &[("placement", "path"), ("ignore_params", "true")]);
}

#[test]
fn a_layout_in_the_configuration_is_a_scheme_like_others() {
    let text = "name = \"mine\"\ntitle = \"Mine\"\nsource = \"-\"\nalgorithm = \"sha256\"\n\
        message = \"{secret}{path}{time}\"\noutput = \"hex\"\nscopes = [\"directory\", \"file\"]\n\
        query = [\"e={time}\", \"s={token}\"]\n";
    let media = folder(&[("v/index.m3u8", &playlist(&["0.ts"]))]);
    std::fs::write(media.path().join("mine.toml"), text).unwrap();
    let in_a_file = format!("layouts = [\"{}/mine.toml\"]\n", media.path().display());
    let inline = format!("[[layout]]\n{text}");
    let settings = site_of("cdn", "mine", &[]);
    for top in [in_a_file, inline] {
        let site = Site { top: &top, route: &settings, ..Site::default() };
        let gateway = site.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        let url = uris(&viewer.get(&session).text())[0].clone();
        let kind = SchemeKind::Layout(Layout::parse(text).unwrap());
        let verifier = scheme(&kind, &[], Some(Scope::Directory));
        assert_eq!(opens(verifier.as_ref(), &url, gateway.clock.now()), Ok(()), "{url}");
    }
}

#[test]
fn links_of_every_scheme_with_a_query_open_sessions() {
    let media = folder(&[("v/index.m3u8", &playlist(&["0.ts"]))]);
    for kind in SchemeKind::all().filter(|kind| !kind.parameters().is_empty()) {
        let name = kind.name();
        let fields = settings(name);
        let written = fields.iter().map(|(name, value)| format!("{name} = \"{value}\""));
        let config = format!(
            "public_url = \"https://play.example.com\"\n[session]\nkey = {{ file = \"session.key\" \
             }}\n[[route]]\nid = \"vod\"\norigin = \"file:{}\"\n[route.entry]\nscheme = \"{name}\"\n\
             fields = {{ {} }}\nkey = {}\n",
            media.path().display(),
            written.collect::<Vec<_>>().join(", "),
            key_source(&key_of(name)),
        );
        let gateway = Gateway::start(&config);
        let signer = scheme(&kind, &fields, None);
        let expires = gateway.clock.now().saturating_add(600);
        let link = Link::parse("https://play.example.com/v/index.m3u8").unwrap();
        let signed = link.sign(signer.as_ref(), expires, None).unwrap();
        let target = signed.strip_prefix("https://play.example.com").unwrap();
        let mut viewer = Viewer::of(&gateway);
        let entry = viewer.get(target);
        assert_eq!(entry.status, 302, "{name}: {target} {}", entry.text());
        let session = entry.header("location").unwrap();
        assert!(!session.contains('?'), "{name}: the link's own parameters stay behind: {session}");
        // The same link is the same session.
        assert_eq!(viewer.get(target).header("location"), Some(session));
        assert_eq!(viewer.status(&target.replace("index", "other")), 403, "{name}");
    }
}

/// A link for some countries opens no session: the gateway does not know where a client is.
#[test]
fn a_condition_that_the_gateway_cannot_check_is_a_refusal() {
    let media = folder(&[("v/index.m3u8", &playlist(&["0.ts"]))]);
    let config = format!(
        "[session]\nkey = {{ file = \"session.key\" }}\n[[route]]\nid = \"vod\"\norigin = \"file:{}\"\n\
         [route.entry]\nscheme = \"bunny\"\nkey = {}\n",
        media.path().display(),
        key_source(&key_of("bunny")),
    );
    let gateway = Gateway::start(&config);
    let kind = SchemeKind::named("bunny").unwrap();
    let expires = gateway.clock.now().saturating_add(600);
    let link = Link::parse("/v/index.m3u8").unwrap();
    for (fields, status) in [
        (&[][..], 302),
        (&[("limit", "5000")], 302),
        (&[("countries", "IT,FR")], 403),
        (&[("countries_blocked", "US")], 403),
    ] {
        let signer = scheme(&kind, fields, None);
        let signed = link.sign(signer.as_ref(), expires, None).unwrap();
        assert_eq!(Viewer::of(&gateway).status(&signed), status, "{fields:?}");
    }
}

#[test]
fn entry_links_may_be_for_the_file_or_its_directory() {
    let media =
        folder(&[("v/index.m3u8", &playlist(&["0.ts"])), ("v/a.m3u", &playlist(&["0.ts"]))]);
    let links = |gateway: &Gateway, path: &str| {
        [Scope::File, Scope::Directory].map(|scope| {
            let key = CdnKey::plain("k", sluicegate_testkit::gateway::ENTRY_SECRET.as_bytes());
            let gcore = sluicegate_token::Gcore::new(key, scope);
            let expires = gateway.clock.now().saturating_add(600);
            Link::parse(path).unwrap().sign(&gcore, expires, None).unwrap()
        })
    };
    for (entry, path, statuses) in [
        ("scope = \"file\"", "/v/index.m3u8", [302, 403]),
        ("scope = \"directory\"", "/v/index.m3u8", [403, 302]),
        ("scope = \"either\"", "/v/index.m3u8", [302, 302]),
        ("scope = \"extension\"\ndirectory_extensions = [\"m3u8\"]", "/v/index.m3u8", [403, 302]),
        ("scope = \"extension\"\ndirectory_extensions = [\"m3u8\"]", "/v/a.m3u", [302, 403]),
    ] {
        let gateway = Site { entry, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let found = links(&gateway, path).map(|link| viewer.status(&link));
        assert_eq!(found, statuses, "{entry} {path}");
    }
}
