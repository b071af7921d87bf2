//! The shortest way through the whole house.

use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, fixtures};

#[test]
fn an_entry_link_leads_to_a_session_in_which_everything_opens() {
    let config = format!(
        "[session]\nkey = {{ file = \"session.key\" }}\n[[route]]\nid = \"vod\"\norigin = \"file:{}\"\n\
         [route.entry]\nkey = {{ file = \"entry.key\" }}\n",
        fixtures::streams().display()
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::connect(gateway.addr()).unwrap();
    let link = gateway.entry_link("/subdirs/master.m3u8");
    let target = link.strip_prefix(&gateway.url("")).unwrap();
    let entry = client.get(target.as_bytes(), &[]).unwrap();
    assert_eq!(entry.status, 302);
    let session = entry.header("location").unwrap().to_owned();
    let master = client.get(session.as_bytes(), &[]).unwrap();
    assert_eq!(master.status, 200, "{}", master.text());
    let nested = session.replace("master.m3u8", "360p/index.m3u8");
    assert_eq!(client.get(nested.as_bytes(), &[]).unwrap().status, 200);
    let segment = session.replace("master.m3u8", "360p/seg-0.m4s");
    let part = client.get(segment.as_bytes(), &[("Range", "bytes=0-9")]).unwrap();
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(client.get(b"/subdirs/360p/index.m3u8", &[]).unwrap().status, 403);
}
