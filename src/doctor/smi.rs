//! nvidia-smi, as a child that a hanging driver can't make us wait for.

use super::{Gpu, Where};
use crate::cuda::{Capability, CudaVersion};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A machine with many GPUs and no persistence daemon takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
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
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let read = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            // Limits the output, which is usually short.
            let _ = stream.map(|s| s.take(1 << 20).read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|s| Box::new(s) as _));
    let err = read(child.stderr.take().map(|s| Box::new(s) as _));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                // Its own children may keep the pipes open, so don't wait for their output.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", PATIENCE.as_secs()));
            }
        }
    };
    let words = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
    let (out, err) = (words(out), words(err));
    if status.success() {
        return Ok(out);
    }
    let said = [out.trim(), err.trim()]
        .into_iter()
        .find(|text| !text.is_empty());
    let first = said.and_then(|text| text.lines().next());
    Err(first.map_or_else(|| status.to_string(), str::to_owned))
}
