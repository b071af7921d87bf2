//! Segments of a megabyte, over HTTP and of a folder.

use crate::inputs::{Inputs, SEGMENT_BYTES};
use crate::report::{Report, Table};
use crate::servers::{Origin, Server};
use crate::turns::{self, Entrant, Plan};
use crate::wrk::Load;

/// Connections of `wrk`.
const CONNECTIONS: usize = 16;

const PROXY: &str = "nginx proxy_pass";
const SENDFILE: &str = "nginx, sendfile";

pub(crate) fn compare(plan: Plan, report: &mut Report) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin, "");
    let nginx = Server::nginx(&inputs, &origin);
    let bare = Server::bare(&inputs);
    let of = |route: &str| {
        let sessions = gateway.sessions(route, 1);
        let target = sessions[0].replacen("{file}", "segment.ts", 1);
        Load::of(vec![target], CONNECTIONS)
    };
    let one = |target: &str| Load::of(vec![target.to_owned()], CONNECTIONS);
    let rows = turns::take(
        plan,
        &[
            Entrant { name: "sluicegate, HTTP origin", server: &gateway, load: of("live-all") },
            Entrant { name: PROXY, server: &nginx, load: one("/proxied/live/segment.ts") },
        ],
    );
    let title = format!("Segments of {SEGMENT_BYTES} bytes over HTTP, {CONNECTIONS} connections");
    report.add(&Table { name: "segments-http", title, rows, against: PROXY });
    let rows = turns::take(
        plan,
        &[
            Entrant { name: "sluicegate, folder", server: &gateway, load: of("folder-all") },
            Entrant { name: "tower-http ServeDir", server: &bare, load: one("/files/segment.ts") },
            Entrant { name: SENDFILE, server: &nginx, load: one("/files/segment.ts") },
        ],
    );
    let title = format!("Segments of {SEGMENT_BYTES} bytes of a folder, {CONNECTIONS} connections");
    report.add(&Table { name: "segments-folder", title, rows, against: SENDFILE });
}
