//! The gateway's spans in OpenTelemetry's terms.

use std::env;
use std::sync::Arc;

use anyhow::anyhow;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind as OtelKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use sluicegate_gateway::{Recorder, Span, SpanKind, record_traces};

use crate::exit::Failed;

/// Where spans go, by OpenTelemetry's own variables; without one nothing is recorded.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// Which part of the traces that begin here is recorded, from 0 to 1: all unless told.
const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";

/// What sends spans, until it is finished.
pub(crate) struct Traces(Option<Arc<BatchSpanProcessor>>);

/// Begins to send, if there is somebody to send to.
pub(crate) fn start() -> Result<Traces, Failed> {
    if ENDPOINTS.iter().all(|name| env::var_os(name).is_none()) {
        return Ok(Traces(None));
    }
    let ratio = match env::var(RATIO) {
        Ok(text) => {
            text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| {
                Failed::usage(anyhow!("{RATIO}: \"{text}\" is no number from 0 to 1"))
            })?
        }
        Err(_) => 1.0,
    };
    let exporter = SpanExporter::builder().with_http().build();
    let exporter = exporter.map_err(|error| anyhow!("cannot send traces: {error}"))?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first.
    let mut resource = Resource::builder();
    if env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("sluicegate");
    }
    processor.set_resource(&resource.build());
    let processor = Arc::new(processor);
    let scope =
        InstrumentationScope::builder("sluicegate").with_version(env!("CARGO_PKG_VERSION")).build();
    record_traces(Box::new(Otlp { processor: Arc::clone(&processor), scope, ratio }));
    Ok(Traces(Some(processor)))
}

impl Traces {
    /// Sends what is left.
    pub(crate) fn finish(self) {
        if let Some(processor) = self.0
            && let Err(error) = processor.shutdown()
        {
            crate::output::warning(&format!("the last traces were not sent: {error}"));
        }
    }
}

#[derive(Debug)]
struct Otlp {
    processor: Arc<BatchSpanProcessor>,
    scope: InstrumentationScope,
    ratio: f64,
}

impl Recorder for Otlp {
    fn wants(&self, trace_id: u128, asked: Option<bool>) -> bool {
        // The lower half of an id is random.
        #[expect(clippy::cast_precision_loss, reason = "a part of all is no exact number")]
        let place = || (trace_id as u64) as f64 / u64::MAX as f64;
        asked.unwrap_or_else(|| place() < self.ratio || self.ratio >= 1.0)
    }

    fn record(&self, span: Span) {
        let id = |id: u64| SpanId::from_bytes(id.to_be_bytes());
        let context = SpanContext::new(
            TraceId::from_bytes(span.trace_id.to_be_bytes()),
            id(span.id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        let attributes = span.attributes.into_iter().filter(|(_, value)| !value.is_empty());
        let attribute = |(name, value): (&'static str, String)| match value.parse::<i64>() {
            Ok(number) if name == "http.response.status_code" => KeyValue::new(name, number),
            _ => KeyValue::new(name, value),
        };
        self.processor.on_end(SpanData {
            span_context: context,
            parent_span_id: span.parent.map_or(SpanId::INVALID, id),
            parent_span_is_remote: span.kind == SpanKind::Server && span.parent.is_some(),
            span_kind: match span.kind {
                SpanKind::Server => OtelKind::Server,
                SpanKind::Client => OtelKind::Client,
            },
            name: span.name.into(),
            start_time: span.began,
            end_time: span.began + span.took,
            attributes: attributes.map(attribute).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.has_failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }
}
