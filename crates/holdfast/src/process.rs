//! What the system counts: this process, and connections that nobody accepted in time.

use std::fmt;

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads `/proc` each time it is asked. What cannot be read is left out.
#[derive(Debug)]
pub(crate) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Ok(process) = Process::myself() {
            show_process(&process, &mut encoder)?;
        }
        let [overflows, drops] = ["ListenOverflows", "ListenDrops"].map(listen_count);
        if let Some(count) = overflows {
            let help = "Connections that found an accept queue full, in this network namespace";
            show(&mut encoder, "listen_overflows", help, None, &ConstCounter::new(count))?;
        }
        if let Some(count) = drops {
            let help = "Connections that a listener dropped for any reason, in this namespace";
            show(&mut encoder, "listen_drops", help, None, &ConstCounter::new(count))?;
        }
        Ok(())
    }
}

fn show_process(process: &Process, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if let Ok(open) = process.fd_count() {
        let gauge = ConstGauge::new(saturate(open as u64));
        show(encoder, "open_files", "Files that are open, connections among them", None, &gauge)?;
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        let gauge = ConstGauge::new(saturate(most));
        show(encoder, "open_files_max", "Files that may be open", None, &gauge)?;
    }
    if let Ok(stat) = process.stat() {
        let gauge = ConstGauge::new(saturate(stat.rss_bytes().get()));
        let help = "Memory that is in use";
        show(encoder, "resident_memory", help, Some(&Unit::Bytes), &gauge)?;
        let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        let help = "Time on the processor, of all threads";
        show(encoder, "cpu", help, Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
    }
    Ok(())
}

fn show(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What the kernel counts under a name of `TcpExt`: a line of names, and one of values.
fn listen_count(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?.split(' '), lines.next()?.split(' '));
    names.zip(values).find(|(known, _)| *known == name)?.1.parse().ok()
}
