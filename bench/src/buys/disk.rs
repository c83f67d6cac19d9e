//! On what kind of disk a folder is.

use std::path::Path;

use anyhow::{Context, ensure};
use procfs::process::Process;

/// The file system that a folder is on. Memory is refused: there a flush costs nothing, and
/// nothing is durable.
pub(super) fn of(folder: &Path) -> anyhow::Result<String> {
    let path = folder.canonicalize()?;
    let mounts = Process::myself()?.mountinfo()?.0.into_iter();
    // Of two mounts on one point the later one is seen.
    let mount = mounts
        .filter(|mount| path.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.components().count());
    let kind = mount.context("no file system has this folder")?.fs_type;
    ensure!(
        !matches!(kind.as_str(), "tmpfs" | "ramfs"),
        "{} is in memory ({kind}): choose a --folder on a disk",
        folder.display()
    );
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_refused() {
        assert!(of(Path::new("/dev/shm")).unwrap_err().to_string().contains("tmpfs"));
        assert!(of(Path::new(env!("CARGO_MANIFEST_DIR"))).is_ok());
        assert!(of(Path::new("/nowhere")).is_err());
    }
}
