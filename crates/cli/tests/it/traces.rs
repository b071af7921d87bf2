//! Traces reach a collector: a request with what it came from, and the requests to origins below it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sluicegate_testkit::{Server, fixtures};

use crate::folder::{Folder, config};
use crate::run::{Run, program, sluicegate};
use crate::serving::Serving;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Sent {
    fn collector(&self) -> Server {
        let sent = self.clone();
        let take = async move |body: Bytes| {
            sent.0.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        };
        Server::start(Router::new().route("/v1/traces", post(take)))
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.0.lock().unwrap();
        let scopes =
            sent.iter().flat_map(|sent| &sent.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn service(&self) -> String {
        let sent = self.0.lock().unwrap();
        let attributes = &sent[0].resource_spans[0].resource.as_ref().unwrap().attributes;
        let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
        match name.value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::StringValue(name) => name.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_and_what_it_asks_origins_are_spans_of_its_trace() {
    let sent = Sent::default();
    let collector = sent.collector();
    // An origin that remembers which trace it was asked for.
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let master = std::fs::read(fixtures::streams().join("subdirs/master.m3u8")).unwrap();
    let origin =
        Server::start(Router::new().fallback(get(async move |headers: axum::http::HeaderMap| {
            let parent = headers.get("traceparent").unwrap().to_str().unwrap().to_owned();
            seen.lock().unwrap().push(parent);
            master
        })));
    let folder = Folder::new();
    let path = folder.write("gateway.toml", config("127.0.0.1:0", &origin.url("/")));
    let mut command = program();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""));
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_TRACES_SAMPLER_ARG", "0");
    let mut serving = Serving::start(command.args(["serve", "--config"]).arg(path), "gateway");
    let entry = serving.get(&folder.sign(&serving.url("/videos/a/master.m3u8"), &[]));
    let session = entry.header("location").unwrap().to_owned();
    // Who asks for a record gets one, who does not, none, and of the gateway's own a part: nothing here.
    for flags in ["01", "00"] {
        let parent = format!("{PARENT}-{flags}");
        assert_eq!(serving.get_with(&session, &[("traceparent", &parent)]).status, 200);
    }
    serving.signal("TERM");
    assert_eq!(serving.exit_code(), Some(0));

    let spans = sent.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(sent.service(), "sluicegate");
    let server = spans.iter().find(|span| span.kind == 2).unwrap();
    let client = spans.iter().find(|span| span.kind == 3).unwrap();
    assert_eq!(hex(&server.trace_id), &PARENT[3..35]);
    assert_eq!(hex(&server.parent_span_id), &PARENT[36..]);
    assert_eq!((&client.trace_id, &client.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(server.name, "GET vod");
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(server.end_time_unix_nano >= client.end_time_unix_nano);
    let told = asked.lock().unwrap();
    let expected = format!("00-{}-{}-01", &PARENT[3..35], hex(&client.span_id));
    assert!(told.contains(&expected), "{told:?}");
    // No token and no query is in any of them.
    let all = format!("{spans:?}");
    assert!(!all.contains(&session[3..55]) && !all.contains("md5"), "{all}");
    assert!(all.contains("/videos/a/master.m3u8"), "{all}");
}

#[test]
fn a_part_that_is_none_is_told() {
    let folder = Folder::new();
    let path = folder.write("gateway.toml", config("127.0.0.1:0", &crate::folder::streams()));
    let mut command = sluicegate();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    command.env("OTEL_TRACES_SAMPLER_ARG", "2").args(["serve", "--config"]).arg(path);
    let run = Run::of(&mut command);
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("OTEL_TRACES_SAMPLER_ARG: \"2\" is no number from 0 to 1"));
}
