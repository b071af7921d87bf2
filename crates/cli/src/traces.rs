//! Traces by OTLP over HTTP, to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names: in builds with the
//! feature `otel` alone.

#[cfg(feature = "otel")]
mod otlp;

#[cfg(feature = "otel")]
pub(crate) use otlp::start;

#[cfg(not(feature = "otel"))]
pub(crate) fn start() -> Result<Traces, crate::exit::Failed> {
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        crate::output::warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and this build sends no traces: make one with \
             `cargo build --release --package sluicegate --features otel`",
        );
    }
    Ok(Traces)
}

/// Sends nothing.
#[cfg(not(feature = "otel"))]
pub(crate) struct Traces;

#[cfg(not(feature = "otel"))]
impl Traces {
    #[expect(clippy::unused_self, reason = "as that of builds with traces")]
    pub(crate) fn finish(self) {}
}
