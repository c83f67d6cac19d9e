//! Holding a process to a part of a core, whatever the rest of the machine does.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The length of one period of the quota, as containers mostly have it.
const PERIOD_US: u32 = 100_000;

/// A control group that is gone when this is dropped, after the process has ended.
pub(crate) struct Quota(PathBuf);

impl Quota {
    /// Holds a process to so many hundredths of a core, by cgroup v2 or v1.
    pub(crate) fn hold(process: u32, percent: u32) -> anyhow::Result<Self> {
        let name = format!("holdfast-{process}");
        let quota_us = PERIOD_US / 100 * percent;
        let (two, one) = (Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/cpu"));
        let (group, settings) = if two.join("cgroup.controllers").exists() {
            let settings = vec![("cpu.max", format!("{quota_us} {PERIOD_US}"))];
            (two.join(name), settings)
        } else if one.join("cpu.cfs_quota_us").exists() {
            let period = ("cpu.cfs_period_us", PERIOD_US.to_string());
            (one.join(name), vec![period, ("cpu.cfs_quota_us", quota_us.to_string())])
        } else {
            bail!("there is no cgroup with a processor quota in /sys/fs/cgroup");
        };
        std::fs::create_dir(&group).context("make a cgroup, as root")?;
        let quota = Self(group);
        for (file, value) in settings {
            quota.write(file, &value)?;
        }
        quota.write("cgroup.procs", &process.to_string())?;
        Ok(quota)
    }

    fn write(&self, file: &str, value: &str) -> anyhow::Result<()> {
        let path = self.0.join(file);
        std::fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // The kernel lets go of a process a moment after it has ended.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
