//! Building the programs that are tried, so that none is an old one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Builds a package's program of the same name, in the profile in which the running program was
/// built, and says where it is.
///
/// # Errors
/// When the running program is not in a folder that cargo made, or cargo fails.
pub fn program(package: &str) -> anyhow::Result<PathBuf> {
    let folder = beside_this()?;
    let name = folder.file_name().and_then(|name| name.to_str()).context("a profile's folder")?;
    let profile = if name == "debug" { "dev" } else { name };
    let target = folder.parent().context("a folder in the target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--quiet", "--package", package, "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace());
    run(&mut command).with_context(|| format!("build {package} with cargo"))?;
    Ok(folder.join(package))
}

/// The folder that the running program is in.
///
/// # Errors
/// When the system does not say where the program is.
pub fn beside_this() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().context("a program is in a folder")?.to_owned())
}

/// The folder of the project's source.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
