//! Keys change while somebody watches: two changes of the configuration, and no request is refused.

use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use sluicegate_gateway::{App, Clock as _, Config, SystemClock};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::players::ffmpeg_live_frames;
use sluicegate_testkit::{LiveOrigin, Server, require_tools};
use sluicegate_token::{
    CdnKey, Gcore, KeyId, KeyPeriod, Link, Presented, ResourcePath, RingKey, SchemeRing, Scope,
    UnixTime, query,
};
use tower::ServiceExt as _;

const OLD_KEY: &str = "the-old-cdn-key";
const NEW_KEY: &str = "the-new-cdn-key";
const OLD_ENTRY: &str = "the-old-entry-key";
const NEW_ENTRY: &str = "the-new-entry-key";
/// A CDN token lives one to two of it.
const WINDOW_SECS: u64 = 3;
const PLAY_SECS: u32 = 20;

/// A service that is exchanged while it runs, as a reload of its configuration does.
#[derive(Clone)]
struct Reloadable(Arc<RwLock<Router>>);

impl Reloadable {
    fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    fn reload(&self, router: Router) {
        *self.0.write().unwrap() = router;
    }

    fn serve(&self) -> Server {
        let current = Arc::clone(&self.0);
        Server::start(Router::new().fallback(move |request: Request| {
            let router = current.read().unwrap().clone();
            async move { router.oneshot(request).await }
        }))
    }
}

/// The status of a request, and the token's parameter.
type Answered = (u16, Vec<u8>);

/// A CDN that takes segments from the origin for whoever has a token of its ring.
#[derive(Clone)]
struct Cdn {
    ring: SchemeRing,
    origin: String,
    log: Arc<Mutex<Vec<Answered>>>,
}

impl Cdn {
    fn router(&self) -> Router {
        let cdn = self.clone();
        Router::new().fallback(move |uri: Uri| {
            let cdn = cdn.clone();
            async move { cdn.answer(&uri).await }
        })
    }

    async fn answer(&self, uri: &Uri) -> Response {
        let path = ResourcePath::parse(uri.path().as_bytes()).unwrap();
        let query = uri.query().map(str::as_bytes);
        let verified = self.ring.verify(&Presented::at(&path, query, None), SystemClock.now());
        let response = match verified {
            Err(refusal) => {
                StatusCode::from_u16(self.ring.status(&refusal)).unwrap().into_response()
            }
            Ok(_) => {
                let url = format!("{}{}", self.origin, uri.path());
                let fetched = reqwest::get(url).await.unwrap();
                let status = fetched.status();
                (status, Body::from(fetched.bytes().await.unwrap())).into_response()
            }
        };
        let token = query::first(query.unwrap_or_default(), "md5").unwrap_or_default();
        self.log.lock().unwrap().push((response.status().as_u16(), token.to_vec()));
        response
    }
}

fn ring(secrets: &[&str]) -> SchemeRing {
    let key = |secret: &&str| RingKey {
        id: KeyId::new(*secret),
        scheme: Arc::new(Gcore::new(CdnKey::plain(*secret, secret.as_bytes()), Scope::Directory)),
        period: KeyPeriod::ALWAYS,
    };
    SchemeRing::new(secrets.iter().map(key).collect()).unwrap()
}

/// The gateway with these keys, the newest first.
fn gateway(folder: &Path, origin: &str, cdn: &str, cdns: &[&str], entries: &[&str]) -> Router {
    let keys = |secrets: &[&str]| {
        let keys = secrets.iter().map(|secret| {
            std::fs::write(folder.join(secret), secret).unwrap();
            format!("{{ id = \"{secret}\", file = \"{secret}\" }}")
        });
        keys.collect::<Vec<_>>().join(", ")
    };
    // Sessions outlive a change, so their old key stays until the last of them is over.
    let mut sessions = vec![(1, "Y29tbWFuZC1saW5lLXRlc3RzLXNlc3Npb24ta2V5LTM".to_owned())];
    if cdns.contains(&NEW_KEY) {
        sessions.insert(0, (2, "A".repeat(43)));
    }
    let sessions = sessions.into_iter().map(|(id, key)| {
        std::fs::write(folder.join(format!("session-{id}.key")), key).unwrap();
        format!("{{ id = {id}, file = \"session-{id}.key\" }}")
    });
    let config = format!(
        r#"
        public_url = "http://play.invalid"
        [session]
        keys = [{}]
        [[route]]
        id = "live"
        origin = "{origin}"
        segments = "cdn"
        entry = {{ keys = [{}] }}
        cdn = {{ base_url = "{cdn}", ttl_secs = {WINDOW_SECS}, keys = [{}] }}
        "#,
        sessions.collect::<Vec<_>>().join(", "),
        keys(entries),
        keys(cdns),
    );
    let config = Config::parse(&config, folder, Path::new("gateway.toml")).unwrap();
    App::build(config, Arc::new(SystemClock)).unwrap().router()
}

fn entry_link(secret: &str) -> String {
    let gcore = Gcore::new(CdnKey::plain("entry", secret.as_bytes()), Scope::File);
    let expires = SystemClock.now().saturating_add(3600);
    Link::parse("/plain/master.m3u8").unwrap().sign(&gcore, expires, None).unwrap()
}

fn status(server: &Server, target: &str) -> u16 {
    Client::connect(server.addr()).unwrap().get(target.as_bytes(), &[]).unwrap().status
}

/// The number of a video segment.
fn segment_number(target: &str) -> Option<u64> {
    target.strip_prefix("/plain/360p/seg-")?.strip_suffix(".m4s")?.parse().ok()
}

#[test]
fn a_rotation_of_keys_is_two_changes_and_loses_no_viewer() {
    require_tools!("ffmpeg");
    let folder = tempfile::tempdir().unwrap();
    let origin = LiveOrigin::start();
    let cdn = Cdn { ring: ring(&[OLD_KEY]), origin: origin.url(""), log: Arc::default() };
    let cdn_service = Reloadable::new(cdn.router());
    let cdn_server = cdn_service.serve();
    let build = |cdns: &[&str], entries: &[&str]| {
        gateway(folder.path(), &origin.url("/"), &cdn_server.url("/"), cdns, entries)
    };
    let gateway_service = Reloadable::new(build(&[OLD_KEY], &[OLD_ENTRY]));
    let gateway = gateway_service.serve();

    let link = gateway.url(&entry_link(OLD_ENTRY));
    let viewer = thread::spawn(move || ffmpeg_live_frames(&link, PLAY_SECS));
    thread::sleep(Duration::from_secs(6));
    assert_eq!(status(&gateway, &entry_link(NEW_ENTRY)), 403, "nobody knows the new key yet");

    // The first change: the new keys sign, the old ones are good still.
    cdn_service.reload(Cdn { ring: ring(&[NEW_KEY, OLD_KEY]), ..cdn.clone() }.router());
    gateway_service.reload(build(&[NEW_KEY, OLD_KEY], &[NEW_ENTRY, OLD_ENTRY]));
    let before = cdn.log.lock().unwrap().len();
    for secret in [OLD_ENTRY, NEW_ENTRY] {
        assert_eq!(status(&gateway, &entry_link(secret)), 302, "{secret}");
    }
    thread::sleep(Duration::from_secs(2 * WINDOW_SECS + 1));

    // The second, when the last token of the old key is over: it is good no more.
    cdn_service.reload(Cdn { ring: ring(&[NEW_KEY]), ..cdn.clone() }.router());
    gateway_service.reload(build(&[NEW_KEY], &[NEW_ENTRY]));
    let between = cdn.log.lock().unwrap().len();
    assert_eq!(status(&gateway, &entry_link(OLD_ENTRY)), 403);

    let played = viewer.join().unwrap();
    // The audio may begin a segment earlier, and the clock with it.
    assert!(played.exit_ok && played.frames >= u64::from(PLAY_SECS - 3) * 25, "{played:?}");
    let asked = origin.asked();
    let segments: Vec<u64> =
        asked.iter().filter_map(|asked| segment_number(&asked.target)).collect();
    assert!(segments.len() >= 8, "{segments:?}");
    assert!(segments.is_sorted_by(|one, next| one + 1 == *next), "{segments:?}");
    assert_eq!(played.stderr, "");
    assert_eq!(origin.refused(), []);
    let log = cdn.log.lock().unwrap();

    assert_eq!(log.iter().find(|(status, _)| *status >= 400), None);
    // Segments came before, between and after the changes, by other tokens.
    let tokens = |part: &[Answered]| part.iter().map(|(_, token)| token.clone()).next_back();
    let (first, second, third) =
        (tokens(&log[..before]), tokens(&log[before..between]), tokens(&log[between..]));
    assert!(first.is_some() && second.is_some() && third.is_some(), "{before} {between}");
    assert!(first != second && second != third);
    // Of the retired key even a token whose time is not over is refused.
    let old = Gcore::new(CdnKey::plain("old", OLD_KEY.as_bytes()), Scope::Directory);
    let signed = Link::parse("/plain/360p/init.mp4").unwrap();
    let signed = signed.sign(&old, UnixTime(SystemClock.now().0 + 60), None).unwrap();
    drop(log);
    assert_eq!(status(&cdn_server, &signed), 403);
}
