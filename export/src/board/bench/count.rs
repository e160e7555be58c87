//! QEMU with the plugin that counts.

use super::super::{Board, BoardError, CORES, build, qemu};
use counter::{Model, Report};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest that an inference may take. A million instructions take about 50 ms.
const LIMIT: Duration = Duration::from_secs(600);

/// The plugin, built.
#[derive(Debug)]
pub struct Plugin(PathBuf);

impl Plugin {
    /// Builds it; nothing to do where it is there.
    ///
    /// # Errors
    /// No QEMU to plug it in, no source, or cargo's own words.
    pub fn build() -> Result<Self, BoardError> {
        qemu::check_qemu(&CORES[0])?;
        build::counter().map(Self)
    }

    /// Runs a program that ends by semihosting in a core's machine; its counts by lap. A byte stored to `laps.start + N`
    /// begins lap N, 0 being the time outside.
    ///
    /// # Errors
    /// No QEMU, one that does not take the plugin, or a program that does not end well or begins no lap.
    pub fn count(
        &self,
        core: &'static Board,
        elf: &Path,
        laps: Range<u32>,
        model: Option<Model>,
    ) -> Result<Report, BoardError> {
        let dir = TempDir::new().map_err(BoardError::io("a temporary folder"))?;
        let out = dir.path().join("report");
        let machine = qemu::machine_of(core)?;
        let mut command = qemu::command(machine, elf, "null");
        command.args(["-semihosting-config", "enable=on,target=native"]);
        command.arg("-plugin").arg(self.arguments(&out, laps, model));
        let run = qemu::finish(core, machine, command, LIMIT)?;
        if !run.status.success() {
            return Err(match run.printed.contains("plugin") {
                true => BoardError::NoPlugins { printed: run.printed },
                false => BoardError::Failed { board: core.name, status: run.status, printed: run.printed },
            });
        }
        let text = fs::read_to_string(&out).map_err(|_| "no lap began".to_owned());
        let report = text.and_then(|text| text.parse::<Report>().map_err(|e| e.to_string()));
        report.map_err(|cause| BoardError::NotCounted { board: core.name, cause, printed: run.printed })
    }

    /// QEMU's argument, in which a comma stands twice.
    fn arguments(&self, out: &Path, laps: Range<u32>, model: Option<Model>) -> String {
        let file = |path: &Path| path.display().to_string().replace(',', ",,");
        let model = model.map_or(String::new(), |model| format!(",model={}", model.name()));
        let (start, count) = (laps.start, laps.len());
        format!("{},laps={start:#x},count={count}{model},out={}", file(&self.0), file(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_commas_reach_qemu() {
        let plugin = Plugin("/a,b/libcounter.so".into());
        let arguments = plugin.arguments(Path::new("/c,d/report"), 0x2000_0000..0x2000_000E, Some(Model::M4));
        assert_eq!(arguments, "/a,,b/libcounter.so,laps=0x20000000,count=14,model=m4,out=/c,,d/report");
    }
}
