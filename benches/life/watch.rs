//! What the proxy holds over time.

use crate::process::{Held, Proxy};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Samples in the order of time.
pub(crate) struct Watch {
    begun: Instant,
    samples: Vec<(Duration, Held)>,
}

impl Watch {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), samples: Vec::new() }
    }

    pub(crate) fn look(&mut self, proxy: &Proxy) -> Result<()> {
        self.samples.push((self.begun.elapsed(), proxy.held()?));
        Ok(())
    }

    /// Looks again and again for so long.
    pub(crate) async fn look_for(&mut self, proxy: &Proxy, time: Duration) -> Result<()> {
        let due = Instant::now() + time;
        let mut pause = tokio::time::interval((time / 200).max(Duration::from_millis(100)));
        while Instant::now() < due {
            pause.tick().await;
            self.look(proxy)?;
        }
        Ok(())
    }

    pub(crate) fn most_resident(&self) -> u64 {
        self.samples.iter().map(|(_, held)| held.resident).max().unwrap_or(0)
    }

    /// How the resident memory grows, in MiB an hour: least squares over all but the first quarter of the time, when caches
    /// and the allocator fill.
    pub(crate) fn slope(&self) -> Option<f64> {
        let warm = self.samples.last()?.0 / 4;
        let points: Vec<(f64, f64)> = self
            .samples
            .iter()
            .filter(|(at, _)| *at >= warm)
            .map(|(at, held)| (at.as_secs_f64() / 3_600.0, held.resident as f64 / f64::from(1 << 20)))
            .collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let product: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        (points.len() >= 10 && square > 0.0).then(|| product / square)
    }
}
