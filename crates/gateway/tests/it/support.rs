//! What the tests share: a gateway of one route, its viewers, folders of files, watched origins.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::{BEARER, entry_path};
use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::{Gateway, Server};
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;

/// A gateway with the one route `vod` at `/`, entry links and the API.
#[derive(Default)]
pub(crate) struct Site<'a> {
    /// Tables before the route.
    pub(crate) top: &'a str,
    /// Keys of the route, and then its further tables.
    pub(crate) route: &'a str,
    /// Keys of `[route.entry]`.
    pub(crate) entry: &'a str,
}

impl Site<'_> {
    pub(crate) fn config(&self, origin: &str) -> String {
        let Self { top, route, entry } = self;
        format!(
            "{top}\n[session]\nkey = {{ file = \"session.key\" }}\n\
             [api]\nbearer = {{ file = \"bearer.key\" }}\n\
             [[route]]\nid = \"vod\"\norigin = \"{origin}\"\n{route}\n\
             [route.entry]\nkey = {{ file = \"entry.key\" }}\n{entry}\n"
        )
    }

    pub(crate) fn start(&self, origin: &str) -> Gateway {
        Gateway::start(&self.config(origin))
    }

    pub(crate) fn folder(&self, folder: &Path) -> Gateway {
        self.start(&format!("file:{}", folder.display()))
    }
}

/// A `[route.cdn]` table.
pub(crate) fn cdn(base_url: &str, scope: &str, ttl_secs: u64) -> String {
    format!(
        "segments = \"cdn\"\n[route.cdn]\nbase_url = \"{base_url}\"\nscope = \"{scope}\"\n\
         ttl_secs = {ttl_secs}\nkey = {{ file = \"cdn.key\" }}\n"
    )
}

/// A client of a gateway, with one connection.
pub(crate) struct Viewer<'g> {
    gateway: &'g Gateway,
    client: Client,
}

impl<'g> Viewer<'g> {
    pub(crate) fn of(gateway: &'g Gateway) -> Self {
        Self { gateway, client: Client::connect(gateway.addr()).unwrap() }
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, &[])
    }

    pub(crate) fn status(&mut self, target: &str) -> u16 {
        self.get(target).status
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        self.client.request(method, target.as_bytes(), headers).unwrap()
    }

    /// A path with the query of an entry link that is good for an hour.
    pub(crate) fn link(&self, path: &str) -> String {
        entry_path(path, self.gateway.clock.now().saturating_add(3600))
    }

    /// Enters by a link: the session's path and query.
    pub(crate) fn enter(&mut self, path: &str) -> String {
        let link = self.link(path);
        let entry = self.get(&link);
        assert_eq!(entry.status, 302, "{path}: {}", entry.text());
        entry.header("location").unwrap().to_owned()
    }

    pub(crate) fn call(&mut self, headers: &[(&str, &str)], body: &str) -> Response {
        let json = [&[("Content-Type", "application/json")], headers].concat();
        self.client.send("POST", b"/v1/sessions", &json, body.as_bytes()).unwrap()
    }

    /// Opens a session by the API: the session's path and query.
    pub(crate) fn open(&mut self, body: &str) -> String {
        let opened = self.call(&[("Authorization", &format!("Bearer {BEARER}"))], body);
        assert_eq!(opened.status, 201, "{}", opened.text());
        let opened: serde_json::Value = serde_json::from_slice(&opened.body).unwrap();
        let url = opened["urls"]["hls"].as_str().unwrap();
        url.strip_prefix(&self.gateway.url("")).unwrap().to_owned()
    }
}

/// What the API is asked with.
pub(crate) fn bearer() -> String {
    format!("Bearer {BEARER}")
}

/// Opens a session of a manifest by the API: its id, and the path of its manifest.
pub(crate) fn open(gateway: &Gateway, path: &str, more: &str) -> (String, String) {
    let body = format!("{{\"path\": \"{path}\"{more}}}");
    let answer = Viewer::of(gateway).call(&[("Authorization", &bearer())], &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let opened: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let url = opened["urls"]["hls"].as_str().unwrap();
    let target = url.strip_prefix(&gateway.url("")).unwrap();
    (opened["id"].as_str().unwrap().to_owned(), target.to_owned())
}

/// Asks the API: the status, and the answer.
pub(crate) fn api(gateway: &Gateway, method: &str, target: &str) -> (u16, serde_json::Value) {
    let answer = Viewer::of(gateway).ask(method, target, &[("Authorization", &bearer())]);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// An operators' listener that asks for no bearer.
pub(crate) const LOCAL_ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A gateway's operators' listener.
pub(crate) struct Admin(pub(crate) Server);

impl Admin {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self(Server::start(gateway.app.admin_router().unwrap()))
    }

    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut client = Client::connect(self.0.addr()).unwrap();
        client.request(method, target.as_bytes(), headers).unwrap()
    }

    /// The sum of the samples of a metric whose labels hold these texts.
    pub(crate) fn count(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ask("GET", "/metrics", &[]).text();
        let samples = text.lines().filter_map(|line| {
            let rest = line.strip_prefix("sluicegate_")?.strip_prefix(name)?;
            let is_it =
                rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label));
            if is_it { rest.rsplit(' ').next()?.parse::<f64>().ok() } else { None }
        });
        samples.sum()
    }

    pub(crate) fn json(&self, target: &str) -> serde_json::Value {
        serde_json::from_slice(&self.ask("GET", target, &[]).body).unwrap()
    }
}

/// Asks the service without a socket, as a client of this address.
pub(crate) fn ask_from(gateway: &Gateway, ip: &str, target: &str) -> (u16, HeaderMap) {
    let ip: IpAddr = ip.parse().unwrap();
    let asked = Request::get(target).header("host", "by-another-name.example");
    let mut request = asked.body(axum::body::Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::new(ip, 50_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(gateway.app.router().oneshot(request)).unwrap();
    (response.status().as_u16(), response.headers().clone())
}

/// The session token of a session's path or query, or of a URI that leads there.
pub(crate) fn token_of(target: &str) -> &str {
    let after = target.split_once("/s/").or_else(|| target.split_once("sg=")).unwrap().1;
    &after[..52]
}

/// A folder of these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(folder.path(), path, content);
    }
    folder
}

pub(crate) fn write(folder: &Path, path: &str, content: &[u8]) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A media playlist that has ended, of these segments.
pub(crate) fn playlist(segments: &[&str]) -> Vec<u8> {
    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n".to_owned();
    for segment in segments {
        text += &format!("#EXTINF:2.0,\n{segment}\n");
    }
    (text + "#EXT-X-ENDLIST\n").into_bytes()
}

/// A multivariant playlist of these variants.
pub(crate) fn multivariant(variants: &[&str]) -> Vec<u8> {
    let mut text = "#EXTM3U\n".to_owned();
    for variant in variants {
        text += &format!("#EXT-X-STREAM-INF:BANDWIDTH=100000\n{variant}\n");
    }
    text.into_bytes()
}

/// The URIs of a playlist: its lines that are no tag, and each `URI` attribute.
pub(crate) fn uris(playlist: &str) -> Vec<String> {
    assert!(playlist.starts_with("#EXTM3U"), "{playlist}");
    let uri = |line: &str| match line.split_once("URI=\"") {
        Some((_, rest)) => rest.split('"').next().map(str::to_owned),
        None if line.starts_with('#') || line.is_empty() => None,
        None => Some(line.to_owned()),
    };
    playlist.lines().filter_map(uri).collect()
}

/// Where a reference leads from a path: another path and query of the same server.
pub(crate) fn resolve(from: &str, reference: &str) -> String {
    let base = Url::parse("http://gateway.test").unwrap().join(from).unwrap();
    let url = base.join(reference).unwrap();
    assert_eq!(url.origin(), base.origin(), "{reference} leads elsewhere");
    url[url::Position::BeforePath..].to_owned()
}

/// An origin over HTTP that remembers what it was asked.
pub(crate) struct Watched {
    server: Server,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as an origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl Watched {
    pub(crate) fn start(router: Router) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let watch = move |request: Request, next: Next| {
            log.lock().unwrap().push(Seen {
                method: request.method().to_string(),
                target: request.uri().to_string(),
                headers: request.headers().clone(),
            });
            next.run(request)
        };
        Self { server: Server::start(router.layer(middleware::from_fn(watch))), seen }
    }

    /// An origin with the files of a folder.
    pub(crate) fn folder(folder: &Path) -> Self {
        use tower_http::services::ServeDir;
        Self::start(Router::new().fallback_service(ServeDir::new(folder)))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// What it was asked since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}
