//! A report's file: the report that was there stays until the new one is whole.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

/// Whoever may read the folder may read the report, as far as the umask says.
const MODE: u32 = 0o666;

/// Where a report will be.
pub(super) struct ReportFile {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    /// Beside the file, whose name it takes in the end.
    Beside(NamedTempFile),
    /// What is no file, such as a pipe or a terminal.
    Stream(File),
}

impl ReportFile {
    /// Makes sure that the report can be written, before it costs a rehearsal.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let is_stream = path.metadata().is_ok_and(|there| !there.is_file());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let doing = || format!("write {}", path.display());
        ensure!(folder.is_dir(), "{}: {} is not a folder", doing(), folder.display());
        let made = if is_stream {
            File::options().write(true).open(path).map(Kind::Stream)
        } else {
            let mut builder = tempfile::Builder::new();
            let builder = builder.prefix(".holdfast-").permissions(Permissions::from_mode(MODE));
            // Its name is of no use to anybody.
            let made = builder.tempfile_in(folder).map_err(|error| error.kind().into());
            made.map(Kind::Beside)
        };
        let kind = made.with_context(doing)?;
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Writes the report.
    pub(super) fn write(self, text: &str) -> anyhow::Result<()> {
        let written = match self.kind {
            Kind::Stream(mut file) => writeln!(file, "{text}"),
            Kind::Beside(mut file) => writeln!(file, "{text}")
                .and_then(|()| file.persist(&self.path).map(|_| ()).map_err(|error| error.error)),
        };
        written.with_context(|| format!("write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_before_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();
        drop(ReportFile::create(&path).unwrap());
        assert_eq!(read(), "old");
        ReportFile::create(&path).unwrap().write("new").unwrap();
        assert_eq!(read(), "new\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let none = ReportFile::create(&folder.path().join("none/report.json"));
        let error = format!("{:#}", none.err().unwrap());
        assert!(
            error.ends_with("none is not a folder") && !error.contains(".holdfast-"),
            "{error}"
        );
        assert!(ReportFile::create(folder.path()).is_err());
        ReportFile::create(Path::new("/dev/null")).unwrap().write("gone").unwrap();
    }
}
