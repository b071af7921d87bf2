//! Histograms that many count into at once: a few atomic additions, and no lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Observed values by size. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper bounds with what is above the one before and not above this; the last one has no bound.
    buckets: Vec<(f64, AtomicU64)>,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl Histogram {
    /// With these upper bounds, in order.
    pub(crate) fn new(bounds: impl IntoIterator<Item = f64>) -> Self {
        let bounds = bounds.into_iter().chain([f64::INFINITY]);
        let buckets = bounds.map(|bound| (bound, AtomicU64::new(0))).collect();
        Self(Arc::new(Inner { buckets, sum: AtomicU64::new(0.0_f64.to_bits()) }))
    }

    pub(crate) fn observe(&self, value: f64) {
        let Inner { buckets, sum } = &*self.0;
        if let Some((_, count)) = buckets.iter().find(|(bound, _)| value <= *bound) {
            count.fetch_add(1, Ordering::Relaxed);
            let add = |sum: u64| Some((f64::from_bits(sum) + value).to_bits());
            // It never gives up.
            let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Inner { buckets, sum } = &*self.0;
        let read = |(bound, count): &(f64, AtomicU64)| (*bound, count.load(Ordering::Relaxed));
        let buckets: Vec<_> = buckets.iter().map(read).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = f64::from_bits(sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_is_observed_is_shown_as_prometheus_has_it() {
        let histogram = Histogram::new([1.0, 4.0]);
        let mut registry = Registry::default();
        registry.register("h", "Some values", histogram.clone());
        for value in [0.5, 1.0, 2.0, 100.0] {
            histogram.observe(value);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in
            ["h_sum 103.5", "h_count 4", "{le=\"1.0\"} 2", "{le=\"4.0\"} 3", "{le=\"+Inf\"} 4"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
