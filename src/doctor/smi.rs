//! nvidia-smi, as a child.

use super::{Gpu, Where, child};
use crate::cuda::{Capability, CudaVersion};
use std::path::PathBuf;
use std::process::Command;

/// Paths of it when it isn't on PATH: WSL under sudo, NixOS, containers.
const PLACES: [&str; 4] = [
    "/usr/lib/wsl/lib/nvidia-smi",
    "/run/current-system/sw/bin/nvidia-smi",
    "/usr/local/nvidia/bin/nvidia-smi",
    "/usr/bin/nvidia-smi",
];

#[derive(Debug, Default)]
pub(crate) struct Smi {
    /// The program that was run.
    pub program: Option<PathBuf>,
    pub error: Option<String>,
    /// The newest CUDA version that the driver knows.
    pub cuda: Option<CudaVersion>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// The GPUs that NVML lists.
    pub gpus: Vec<Gpu>,
}

impl Smi {
    pub(super) fn run(place: &Where<'_>) -> Smi {
        if !place.run_smi {
            return Smi::default();
        }
        let Some(program) = find(place) else {
            return Smi::default();
        };
        let mut smi = Smi::default();
        match output(
            &program,
            &[
                "--query-gpu=pci.bus_id,compute_cap,driver_version,name",
                "--format=csv,noheader",
            ],
        ) {
            Ok(text) => smi.read_list(&text),
            Err(error) => smi.error = Some(error),
        }
        if smi.error.is_none()
            && let Ok(text) = output(&program, &["--query"])
        {
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("CUDA Version"));
            let version =
                line.and_then(|rest| rest.trim_start_matches([' ', ':']).trim().parse().ok());
            smi.cuda = version;
        }
        smi.program = Some(program);
        smi
    }

    /// A line a GPU. The name comes last: it may have a comma.
    fn read_list(&mut self, text: &str) {
        for line in text.lines() {
            let mut fields = line.splitn(4, ',').map(str::trim);
            let (Some(bus), Some(capability), Some(driver), Some(name)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            self.driver = Some(driver.to_owned());
            self.gpus.push(Gpu {
                name: name.to_owned(),
                bus: Some(bus.to_owned()),
                capability: capability.parse::<Capability>().ok(),
            });
        }
    }
}

fn find(place: &Where<'_>) -> Option<PathBuf> {
    let path = (place.variable)("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join("nvidia-smi"));
    on_path
        .chain(PLACES.map(PathBuf::from))
        .find(|file| file.is_absolute() && file.is_file())
}

/// Its standard output, or why there is none.
fn output(program: &PathBuf, args: &[&str]) -> Result<String, String> {
    let done = child::run(Command::new(program).args(args)).map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.out), text(&done.err));
    if done.status.success() {
        return Ok(out);
    }
    let said = [out.trim(), err.trim()]
        .into_iter()
        .find(|text| !text.is_empty());
    let first = said.and_then(|text| text.lines().next());
    Err(first.map_or_else(|| done.status.to_string(), str::to_owned))
}
