//! A gateway in a process of its own, before an origin of hostile manifests and a live one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use sluicegate_testkit::Server;
use sluicegate_testkit::http::{Client, Response};

use super::hostile::{Hostile, Route};
use crate::folder::{BEARER, Folder};
use crate::serving::Serving;

/// A manifest as they are meant.
const GOOD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n";

pub(crate) struct Site {
    gateway: Serving,
    _folder: Folder,
    _origin: Server,
}

impl Site {
    /// Starts a program with these keys of `[limits]`. The manifests are in every folder of the origin.
    pub(crate) fn start(program: &Path, all: &[Hostile], live: Option<&str>, limits: &str) -> Self {
        let texts = all.iter().map(|hostile| (hostile.file, hostile.text.clone()));
        let texts: HashMap<_, _> = texts.chain([("good.m3u8", GOOD.to_owned())]).collect();
        let texts = Arc::new(texts);
        let answer = async move |request: Request| {
            let name = request.uri().path().rsplit('/').next().unwrap_or_default();
            let text = texts.get(name).cloned();
            text.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |text| text.into_response())
        };
        let origin = Server::start(Router::new().fallback(get(answer)));
        let folder = Folder::new();
        let url = origin.url("/");
        let live = live.unwrap_or(&url);
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            [admin]
            listen = "127.0.0.1:0"
            [limits]
            {limits}
            [session]
            key = {{ file = "session.key" }}
            [api]
            bearer = {{ file = "bearer.key" }}
            [[profile]]
            name = "sd"
            id = 1
            max_height = 480
            [[route]]
            id = "folder"
            path = "/folder/"
            origin = "{url}"
            [[route]]
            id = "files"
            path = "/files/"
            origin = "{url}"
            segments = "cdn"
            cdn = {{ base_url = "https://cdn.example/", scope = "file", key = {{ file = "cdn.key" }} }}
            [[route]]
            id = "live"
            path = "/live/"
            origin = "{live}"
            "#
        );
        let file = folder.write("gateway.toml", text);
        let mut command = Command::new(program);
        command.env_remove("SLUICEGATE_KEY").env("SLUICEGATE_LOG", "warn");
        let gateway = Serving::start(command.args(["serve", "--config"]).arg(file), "gateway");
        Self { gateway, _folder: folder, _origin: origin }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.gateway.addr()).unwrap()
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.client().get(target.as_bytes(), &[]).unwrap()
    }

    /// The path and query of a hostile manifest in a session of its own, in a folder of this name.
    pub(crate) fn session(&self, hostile: &Hostile, folder: &str) -> String {
        let (route, entry, more) = match hostile.route {
            Route::Folder => ("folder", "good.m3u8", ""),
            Route::Files => ("files", "good.m3u8", ""),
            // With a profile, a session opens the one manifest that it was begun for.
            Route::Profile => ("folder", hostile.file, ", \"profile\": \"sd\""),
        };
        let path = self.open(&format!("/{route}/{folder}/{entry}"), more);
        path.replace(entry, hostile.file) + &hostile.query
    }

    /// Opens a session by the API: the path of its manifest.
    pub(crate) fn open(&self, path: &str, more: &str) -> String {
        let bearer = format!("Bearer {BEARER}");
        let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
        let body = format!("{{\"path\": \"{path}\"{more}}}");
        let answer =
            self.client().send("POST", b"/v1/sessions", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let opened: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let mut urls = ["hls", "dash"].iter().filter_map(|kind| opened["urls"][kind].as_str());
        let url = urls.next().unwrap();
        url.strip_prefix(&self.gateway.url("")).unwrap().to_owned()
    }

    /// The most memory that the process ever had, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.id()));
        let status = status.unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
    }

    /// The value of the cache's metric, in MiB.
    pub(crate) fn cached_mib(&self) -> u64 {
        let printed = self.gateway.stdout();
        let admin = printed.lines().find_map(|line| line.strip_prefix("admin: http://")).unwrap();
        let admin = admin.trim_end_matches('/').parse().unwrap();
        let metrics = Client::connect(admin).unwrap().get(b"/metrics", &[]).unwrap().text();
        let name = "sluicegate_cached_manifests_bytes ";
        let bytes = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        bytes.parse::<u64>().unwrap() >> 20
    }
}
