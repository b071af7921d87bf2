//! The modes of delivery: a gateway, and the servers behind it, for one stream.

use std::collections::BTreeSet;
use std::fs;

use sluicegate_testkit::browser::Playback;
use sluicegate_testkit::gateway::{CDN_SECRET, OTHER_SECRET};
use sluicegate_testkit::nginx::{Scope, SecureLink};
use sluicegate_testkit::{Gateway, Nginx, fixtures};
use tempfile::TempDir;
use url::Url;

use crate::setup::config;

/// The two hosts that the fixture `hosts` names.
const HOSTS: [&str; 2] = ["http://a.media.invalid/", "http://b.media.invalid/"];

/// How segments are delivered, and where the session's token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Path,
    Query,
    CdnDirectory,
    CdnFile,
    Redirect,
    /// For players with annex I alone.
    CopiedQuery,
}

/// All servers of a playback.
pub(crate) struct Scene {
    mode: Mode,
    stream: String,
    gateway: Gateway,
    /// They check tokens if they are CDNs.
    nginxes: Vec<Nginx>,
    _folder: TempDir,
}

impl Mode {
    pub(crate) const ALL: [Self; 5] =
        [Self::Path, Self::Query, Self::CdnDirectory, Self::CdnFile, Self::Redirect];

    /// The scope of a CDN's tokens.
    const fn scope(self) -> Option<Scope> {
        match self {
            Self::Path | Self::Query | Self::CopiedQuery => None,
            Self::CdnDirectory => Some(Scope::Directory),
            Self::CdnFile | Self::Redirect => Some(Scope::File),
        }
    }

    const fn settings(self) -> &'static str {
        match self {
            Self::Path => "carry = \"path\"",
            Self::Query => "carry = \"query\"",
            Self::CdnDirectory | Self::CdnFile => "segments = \"cdn\"",
            Self::Redirect => "segments = \"redirect\"",
            Self::CopiedQuery => "carry = \"query\"\nurl_query_info = true",
        }
    }

    /// Whether players themselves ask the CDN.
    const fn has_cdn(self) -> bool {
        self.scope().is_some()
    }
}

impl Scene {
    pub(crate) fn start(stream: &str, mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let streams = fixtures::streams();
        // Two servers with the same media, and a secret each.
        let server = |secret: &str| match mode.scope() {
            Some(scope) => Nginx::builder()
                .secure_link(SecureLink {
                    prefix: "/".to_owned(),
                    root: Some(streams.clone()),
                    scope,
                    secret: secret.to_owned(),
                    bind_ip: false,
                })
                .start(),
            None => Nginx::builder().plain("/", streams.clone()).start(),
        };
        let nginxes = vec![server(CDN_SECRET), server(OTHER_SECRET)];
        let table = |name: &str, nginx: &Nginx, path: &str, key: &str| {
            let scope = format!("{:?}", mode.scope().unwrap_or(Scope::File)).to_lowercase();
            format!(
                "{name}{{ base_url = \"{}\", scope = \"{scope}\", key = {{ file = \"{key}\" }} }}",
                nginx.url(path)
            )
        };
        let mut settings = mode.settings().to_owned();
        if mode.has_cdn() {
            settings += "\n";
            settings += &table("cdn = ", &nginxes[0], "/", "cdn.key");
        }
        let origin = if stream == "hosts" {
            let mut mpd = fs::read_to_string(streams.join("hosts/two-hosts.mpd")).unwrap();
            let mut hosts = Vec::new();
            for (host, (nginx, key)) in
                HOSTS.iter().zip(nginxes.iter().zip(["cdn.key", "other.key"]))
            {
                let at = nginx.url("/hosts/");
                mpd = mpd.replace(host, &at);
                let cdn = match mode.has_cdn() {
                    true => format!(", {}", table("cdn = ", nginx, "/hosts/media/", key)),
                    false => String::new(),
                };
                hosts.push(format!("{{ url = \"{at}media/\"{cdn} }}"));
            }
            fs::create_dir(folder.path().join("hosts")).unwrap();
            fs::write(folder.path().join("hosts/manifest.mpd"), mpd).unwrap();
            settings += &format!("\nallow_hosts = [{}]", hosts.join(", "));
            folder.path().to_path_buf()
        } else {
            streams
        };
        let gateway = Gateway::start(&config(&format!("file:{}", origin.display()), &settings));
        Self { mode, stream: stream.to_owned(), gateway, nginxes, _folder: folder }
    }

    /// A signed link to the MPD.
    pub(crate) fn link(&self) -> String {
        self.gateway.entry_link(&format!("/{}/manifest.mpd", self.stream))
    }

    /// The names of the files of media that were delivered.
    pub(crate) fn media_files(&self, played: &Playback) -> BTreeSet<String> {
        let delivered =
            played.requests.iter().filter(|request| matches!(request.status, Some(200 | 206)));
        let paths = delivered.map(|request| Url::parse(&request.url).unwrap().path().to_owned());
        let media = paths.filter(|path| path.ends_with(".m4s") || path.ends_with(".mp4"));
        media.map(|path| path.rsplitn(3, '/').take(2).collect::<Vec<_>>().join("/")).collect()
    }

    /// Media come from the CDN if there is one, and all else from the gateway.
    pub(crate) fn assert_delivered_from_where_it_should(&self, played: &Playback) {
        let home = self.gateway.url("/");
        for request in &played.requests {
            let is_mpd = Url::parse(&request.url).unwrap().path().ends_with(".mpd");
            let is_home = request.url.starts_with(&home);
            let is_redirect = request.status == Some(302);
            assert!(is_home == (is_mpd || is_redirect || !self.mode.has_cdn()), "{request:#?}");
        }
        self.assert_nobody_was_refused();
    }

    pub(crate) fn assert_nobody_was_refused(&self) {
        for nginx in &self.nginxes {
            let log = nginx.access_log();
            // ffmpeg looks for a segment behind the last one.
            let refused: Vec<_> =
                log.iter().filter(|line| matches!(line.status, 401 | 403 | 410)).collect();
            assert!(refused.is_empty(), "{refused:#?}");
        }
    }
}
