//! A playlist of 600 segments, asked for by ten thousand sessions: each way to sign it, plain and compressed.

use crate::inputs::Inputs;
use crate::report::{Report, Table};
use crate::servers::{Origin, Server};
use crate::turns::{self, Entrant, Plan};
use crate::wrk::Load;

/// How many sessions one playlist is asked for by.
const SESSIONS: usize = 10_000;
/// Connections of `wrk`.
const CONNECTIONS: usize = 100;

const BARE: &str = "bare axum, the same bytes";

pub(crate) fn compare(plan: Plan, report: &mut Report) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin, "");
    let of = |route: &str| {
        let sessions = gateway.sessions(route, SESSIONS);
        let targets = sessions.iter().map(|session| session.replacen("{file}", "index.m3u8", 1));
        Load::of(targets.collect(), CONNECTIONS)
    };
    let folder = of("folder");
    // The bytes that the gateway sends, as a file and from memory.
    inputs.keep_rendered(&gateway.get(&folder.targets[0]));
    let nginx = Server::nginx(&inputs, &origin);
    let bare = Server::bare(&inputs);
    let one = |target: &str| Load::of(vec![target.to_owned()], CONNECTIONS);
    let (bound, query) = (of("bound"), of("query"));
    let entrant = |name, load: Load| Entrant { name, server: &gateway, load };
    let asked_before = origin.asked();
    let rows = turns::take(
        plan,
        &[
            entrant("directory token", folder.clone()),
            entrant("directory token, HTTP origin", of("live")),
            entrant("directory token, gzip", folder.with_gzip()),
            entrant("a token per file", of("file")),
            entrant("a token per file, each viewer's own", of("bound-file")),
            entrant("directory token, each viewer's own", bound.clone()),
            entrant("directory token, each viewer's own, gzip", bound.with_gzip()),
            entrant("session token in each line", query.clone()),
            entrant("session token in each line, gzip", query.with_gzip()),
            Entrant {
                name: "nginx, secure_link, the same bytes as a file",
                server: &nginx,
                load: one(&inputs.signed("/rendered/index.m3u8")),
            },
            Entrant { name: BARE, server: &bare, load: one("/rendered/index.m3u8") },
        ],
    );
    let asked = origin.asked() - asked_before;
    report.add(&Table {
        name: "playlists",
        title: format!(
            "A playlist of 600 segments, {SESSIONS} sessions, {CONNECTIONS} connections (the origin was \
             asked {asked} times meanwhile)"
        ),
        rows,
        against: BARE,
    });
}
