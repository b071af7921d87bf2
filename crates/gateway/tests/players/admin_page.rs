//! The operators' page in a browser: it shows what happens, and ends a session.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sluicegate_testkit::browser::{Browser, Page, PageOptions};
use sluicegate_testkit::gateway::{BEARER, entry_path};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, Misbehaving, Mood, Server, require_browser};

/// Waits for the page's second look, ends the first session of the list, and reads what is shown.
const SCRIPT: &str = r##"(async () => {
  const text = (id) => document.getElementById(id).innerText.trim();
  const until = async (is) => { for (let n = 0; n < 100 && !is(); n++) await new Promise((go) => setTimeout(go, 100)); };
  await until(() => text("rate") !== "–" && text("session-list").includes("alice"));
  const before = text("session-list");
  window.confirm = (question) => { window.asked = question; return true; };
  document.querySelector("#session-list button.revoke").click();
  await until(() => text("session-list").includes("revoked"));
  await until(() => text("served-list").includes("200"));
  await new Promise((go) => setTimeout(go, 5000));
  const wide = document.documentElement.scrollWidth > window.innerWidth;
  return { before, after: text("session-list"), asked: window.asked, wide, sessions: text("sessions"),
    origins: text("origins"), reasons: text("reasons"), cache: text("cache"), refused: text("refused-list"),
    served: text("served-list"), state: text("state"), memory: text("memory"), cmcd: text("cmcd"),
    lines: document.querySelectorAll("#requests-chart polyline").length };
})()"##;

/// A gateway with some sessions, some traffic, and some trouble.
fn busy() -> (Misbehaving, Gateway) {
    let origin = Misbehaving::start("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n");
    let gateway = Gateway::start(&format!(
        "[session]\nkey = {{ file = \"session.key\" }}\n[api]\nbearer = {{ file = \"bearer.key\" }}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[[route]]\nid = \"live\"\norigin = \"{}\"\n\
         [route.entry]\nkey = {{ file = \"entry.key\" }}\n",
        origin.url("/")
    ));
    let mut client = Client::connect(gateway.addr()).unwrap();
    for user in ["alice", "bob", "<b>carol</b>"] {
        let call = format!("{{\"path\": \"/tv/{user}/live.m3u8\", \"user\": \"{user}\"}}");
        let bearer = format!("Bearer {BEARER}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let call = call.replace("/<b>carol</b>", "/carol");
        let opened = client.send("POST", b"/v1/sessions", &headers, call.as_bytes()).unwrap();
        assert_eq!(opened.status, 201, "{}", opened.text());
        let opened: Value = serde_json::from_slice(&opened.body).unwrap();
        let url = opened["urls"]["hls"].as_str().unwrap().to_owned();
        let target = url.strip_prefix(&gateway.url("")).unwrap();
        for _ in 0..20 {
            let told = format!("{target}?CMCD=br%3D3200%2Cbl%3D4000%2Cbs");
            assert_eq!(client.get(told.as_bytes(), &[]).unwrap().status, 200);
        }
        assert_eq!(
            client.get(target.replace("live.m3u8", "a.ts").as_bytes(), &[]).unwrap().status,
            200
        );
    }
    for _ in 0..5 {
        client.get(b"/tv/x/live.m3u8?md5=AAAAAAAAAAAAAAAAAAAAAA&expires=4102444800", &[]).unwrap();
    }
    let old = entry_path("/tv/x/live.m3u8", sluicegate_token::UnixTime(1_700_000_000));
    client.get(old.as_bytes(), &[]).unwrap();
    origin.set(Mood::Status(503));
    let entered = client.get(
        entry_path("/tv/y/live.m3u8", sluicegate_token::UnixTime(4_102_444_800)).as_bytes(),
        &[],
    );
    let session = entered.unwrap().header("location").unwrap().to_owned();
    assert_eq!(client.get(session.as_bytes(), &[]).unwrap().status, 502);
    (origin, gateway)
}

/// A viewer who goes on, now fast, now slow, until it is dropped.
struct Traffic(Arc<AtomicBool>);

impl Traffic {
    fn start(gateway: &Gateway) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, addr) = (Arc::clone(&is_over), gateway.addr());
        let link = entry_path("/tv/alice/live.m3u8", sluicegate_token::UnixTime(4_102_444_800));
        std::thread::spawn(move || {
            let mut client = Client::connect(addr).unwrap();
            let entered = client.get(link.as_bytes(), &[]).unwrap();
            let session = entered.header("location").unwrap().to_owned();
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // The test's gateway may be gone before its viewer.
                let _ = client.get(session.as_bytes(), &[]);
                let _ = client.get(if round % 5 == 0 { b"/x" } else { link.as_bytes() }, &[]);
                std::thread::sleep(Duration::from_millis(20 + 60 * (round / 40 % 3)));
            }
        });
        Self(is_over)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn look(gateway: &Gateway, viewport: (u32, u32), dark: bool, name: &str) -> Page {
    let admin = Server::start(gateway.app.admin_router().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.js");
    std::fs::write(&script, SCRIPT).unwrap();
    // Where somebody wants to see it.
    let shots = std::env::var_os("SLUICEGATE_SCREENSHOTS").map(PathBuf::from);
    let options = PageOptions {
        timeout: Duration::from_secs(1),
        eval_file: Some(script),
        screenshot: shots.map(|shots| shots.join(name)),
        viewport,
        dark,
        ..PageOptions::default()
    };
    Browser::page(&admin.url("/"), &options)
}

#[test]
fn the_operators_page_shows_what_happens_and_ends_a_session_in_chromium() {
    require_browser!();
    let (origin, gateway) = busy();
    origin.set(Mood::Well);
    // What failed is left alone for a second.
    std::thread::sleep(Duration::from_millis(1100));
    let viewer = Traffic::start(&gateway);
    for (viewport, dark, name) in
        [((1280, 900), false, "admin.png"), ((390, 844), true, "admin-phone.png")]
    {
        let page = look(&gateway, viewport, dark, name);
        assert_eq!(page.console_errors, [""; 0], "{name}");
        let text = |key: &str| page.eval[key].as_str().unwrap_or_default().to_owned();
        let expect = |key: &str, parts: &[&str]| {
            let shown = text(key);
            for part in parts {
                assert!(shown.contains(part), "{name}: {key} does not show {part}: {shown}");
            }
        };
        expect("before", &["alice", "bob", "<b>carol</b>", "/tv/alice/live.m3u8", "live", "open"]);
        expect("after", &["revoked"]);
        expect("asked", &["End the session of"]);
        expect("origins", &["http://127.0.0.1:", "well"]);
        expect("reasons", &["token-wrong", "5", "token-expired"]);
        expect("cache", &["manifests", "KiB"]);
        expect("served", &["200", "GET /tv/alice/live.m3u8", "ms"]);
        expect("refused", &["403", "410", "forbidden", "origin-status", "/tv/y/live.m3u8"]);
        expect("cmcd", &["live", "60", "3,200"]);
        expect("memory", &["MiB"]);
        expect("state", &["as of"]);
        assert_eq!(page.eval["lines"], 3);
        assert_eq!(page.eval["wide"], false, "{name}: it is wider than the window");
        assert!(
            page.requests.iter().all(|request| request.status.is_some_and(|status| status < 400))
        );
    }
    drop(viewer);
    // Two looks ended two sessions.
    let mut client = Client::connect(gateway.addr()).unwrap();
    let bearer = format!("Bearer {BEARER}");
    let listed = client.get(b"/v1/sessions?state=revoked", &[("Authorization", &bearer)]).unwrap();
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
}
