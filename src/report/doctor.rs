//! The report of `doctor`.

use super::schema;
use crate::cuda::linkage::Linkage;
use crate::doctor::{
    CallOutcome, CudaFile, Driver, DriverCall, DriverCopy, Finding, Machine, RunsOn, Severity,
    Subject, Yardstick, result_name,
};
use crate::escape::{Shown, counted, sentence};
use crate::terminal::{Label, Paint};
use serde_json::{Value, json};
use std::fmt::Write;

fn shown(text: &str) -> Shown<'_> {
    Shown::from(text.as_bytes())
}

/// For people.
pub(crate) fn human(
    machine: &Machine,
    yardstick: &Yardstick,
    subjects: &[Subject],
    findings: &[Finding],
    paint: Paint,
) -> String {
    let mut out = match yardstick.given {
        true => yardstick_lines(yardstick),
        false => machine_lines(machine),
    };
    for subject in subjects {
        write_subject(&mut out, subject);
    }
    write_findings(&mut out, findings, paint);
    out
}

/// In place of this machine, what the paths are judged for.
fn yardstick_lines(yardstick: &Yardstick) -> String {
    let gpus = yardstick.gpus.iter().map(|(_, gpu)| gpu.to_string());
    let gpus: Vec<String> = gpus.collect();
    let mut parts = Vec::new();
    if !gpus.is_empty() {
        parts.push(format!("GPUs of compute capability {}", gpus.join(", ")));
    }
    if let Some(cuda) = yardstick.driver {
        parts.push(format!("a driver that runs CUDA {cuda}"));
    }
    format!("judged for     {}\n", parts.join(", "))
}

fn machine_lines(machine: &Machine) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key:<14} {value}");
    };
    let container = machine
        .container
        .map(|c| format!(", in a container ({})", c.as_str()));
    line(
        "system",
        format!("{}{}", machine.platform, container.unwrap_or_default()),
    );
    let module = machine.kernel.module.as_deref();
    line(
        "kernel module",
        module.map_or("not loaded".to_owned(), |v| shown(v).to_string()),
    );
    for device in &machine.kernel.devices {
        line(
            "device",
            format!("{}: {}", shown(&device.path), device.state.as_str()),
        );
    }
    for gpu in &machine.gpus {
        let bus = gpu.bus.as_ref().map(|bus| format!(" at {}", shown(bus)));
        let capability = match gpu.capability {
            Some(capability) => format!("compute capability {capability}"),
            None => "compute capability unknown".to_owned(),
        };
        line(
            "GPU",
            format!(
                "{}{}, {capability}",
                shown(&gpu.name),
                bus.unwrap_or_default()
            ),
        );
    }
    if machine.gpus.is_empty() {
        line("GPU", "none".to_owned());
    }
    let cuda = machine.driver_cuda();
    line(
        "runs CUDA",
        cuda.map_or("unknown".to_owned(), |cuda| {
            format!(
                "{cuda}; runtimes of any {}.x (minor version compatibility)",
                cuda.major
            )
        }),
    );
    for (index, copy) in machine.libraries.copies.iter().enumerate() {
        let default = machine.libraries.default == Some(index);
        line("libcuda.so.1", describe(copy, default));
    }
    if machine.libraries.copies.is_empty() {
        line("libcuda.so.1", "not found".to_owned());
    }
    if let Some(call) = &machine.call {
        line("cuInit", call_words(call));
    }
    for (name, value) in &machine.variables {
        line("environment", format!("{name}={}", shown(value)));
    }
    out
}

/// What the driver itself answers.
fn call_words(call: &DriverCall) -> String {
    match &call.outcome {
        CallOutcome::Answered(answer) if answer.init == 0 => {
            let gpus = counted(answer.devices.len(), "GPU", "GPUs");
            format!("success, a program sees {gpus}")
        }
        CallOutcome::Answered(answer) => match result_name(answer.init) {
            Some((name, _)) => format!("error {}, {name}", answer.init),
            None => format!("error {}", answer.init),
        },
        CallOutcome::NotLoaded(words) => format!("not reached: {}", shown(words)),
        CallOutcome::Died(signal) => format!("ended by signal {signal}"),
        CallOutcome::Hangs => "no answer".to_owned(),
        CallOutcome::NotCalled(why) => format!("not called: {}", shown(why)),
    }
}

/// `result` is null where the driver gave no answer; `error` says why.
fn call_json(call: &DriverCall) -> Value {
    let answer = call.answer();
    let gpus = answer.map(|answer| {
        let devices = answer.devices.iter().map(
            |device| json!({ "bus": device.bus, "capability": device.capability.to_string() }),
        );
        devices.collect::<Vec<_>>()
    });
    json!({
        "library": call.library,
        "result": answer.map(|answer| answer.init),
        "error": answer.is_none_or(|answer| answer.init != 0).then(|| call_words(call)),
        "cuda": answer.and_then(|answer| answer.version).map(|cuda| cuda.to_string()),
        "gpus": gpus,
    })
}

/// The files of a path that have to do with CUDA.
fn write_subject(out: &mut String, subject: &Subject) {
    let path = crate::escape::shown(&subject.path);
    let files = counted(subject.files, "ELF file", "ELF files");
    let _ = writeln!(out, "\n{path}: {files}, {} with CUDA", subject.cuda.len());
    for file in &subject.cuda {
        let _ = writeln!(out, "  {}", crate::escape::shown(&file.path));
        let _ = writeln!(out, "    libcuda.so.1  {}", shown(&driver(&file.driver)));
        if let Driver::Missing(log) = &file.driver {
            for tried in &log.tried {
                let place = Shown::from(&tried.place[..]);
                let _ = writeln!(out, "      {} {place}: {}", tried.step.as_str(), tried.why);
            }
        }
        if let Some(version) = runtime(file) {
            let _ = writeln!(out, "    CUDA runtime  {version}");
        }
        if !file.has.is_empty() {
            let _ = writeln!(
                out,
                "    device code   {}{}",
                file.has.join(", "),
                runs_on(file)
            );
        }
    }
}

fn driver(driver: &Driver) -> String {
    match driver {
        Driver::Unused => "not loaded by this file".to_owned(),
        Driver::Missing(_) => "not found, looked for in this order:".to_owned(),
        Driver::Found {
            path,
            through,
            copy,
        } => {
            let stub = copy.as_ref().is_some_and(|copy| copy.stub);
            format!("{path} ({through}{})", if stub { ", a stub" } else { "" })
        }
    }
}

fn runtime(file: &CudaFile) -> Option<String> {
    let cudart = &file.cudart;
    if cudart.linkage == Linkage::None {
        return None;
    }
    let version = cudart
        .version
        .map_or("of unknown version".to_owned(), |v| v.to_string());
    let runs = match file.runtime_runs {
        Some(true) => ", which the driver runs",
        Some(false) => ", too new for the driver",
        None => "",
    };
    let needs = file.min_driver.as_ref();
    let needs = needs.map_or(String::new(), |driver| {
        format!(", needs a driver >= {driver}")
    });
    Some(format!("{} {version}{needs}{runs}", cudart.linkage.word()))
}

fn runs_on(file: &CudaFile) -> String {
    let shown = |on: &RunsOn| match &on.image {
        Some(image) => format!("; on {} runs {image}", on.gpu),
        None => format!("; on {} none runs", on.gpu),
    };
    file.runs_on.iter().map(shown).collect()
}

fn subject_json(subject: &Subject) -> Value {
    json!({
        "path": crate::escape::shown(&subject.path).to_string(),
        "elfFiles": subject.files,
        "error": subject.problem,
        "files": subject.cuda.iter().map(file_json).collect::<Vec<_>>(),
    })
}

fn file_json(file: &CudaFile) -> Value {
    let (path, through, stub) = match &file.driver {
        Driver::Found {
            path,
            through,
            copy,
        } => (
            Some(path),
            Some(through),
            copy.as_ref().map(|copy| copy.stub),
        ),
        Driver::Unused | Driver::Missing(_) => (None, None, None),
    };
    let tried = match &file.driver {
        Driver::Missing(log) => &log.tried[..],
        _ => &[],
    };
    json!({
        "path": crate::escape::shown(&file.path).to_string(),
        "loadsDriver": file.driver != Driver::Unused,
        "needsDriver": file.needs_driver,
        "libcuda": path.map(|path| json!({ "path": path, "through": through, "stub": stub })),
        "cudart": {
            "linkage": file.cudart.linkage.word(),
            "version": file.cudart.version.map(|v| v.to_string()),
            "runs": file.runtime_runs,
            "minDriver": file.min_driver,
        },
        "tried": tried.iter().map(|tried| json!({
            "step": tried.step.as_str(),
            "place": Shown::from(&tried.place[..]).to_string(),
            "why": tried.why.code(),
        })).collect::<Vec<_>>(),
        "deviceCode": file.has,
        "runsOn": file.runs_on.iter().map(|on| {
            (on.gpu.to_string(), Value::from(on.image.is_some()))
        }).collect::<serde_json::Map<_, _>>(),
        "images": file.runs_on.iter().map(|on| {
            (on.gpu.to_string(), Value::from(on.image.clone()))
        }).collect::<serde_json::Map<_, _>>(),
    })
}

/// A copy of libcuda.so.1; the default one is loaded by programs without the driver in their
/// RUNPATH.
fn describe(copy: &DriverCopy, default: bool) -> String {
    let version = copy.version.as_ref();
    let parts = [
        version.map(|v| format!("driver {}", shown(v))),
        copy.cuda.map(|cuda| format!("CUDA {cuda}")),
        copy.stub.then(|| "a stub".to_owned()),
        copy.compat
            .then(|| "forward compatibility package".to_owned()),
        default.then(|| "used by programs without a driver in their RUNPATH".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}: {}", shown(&copy.path), parts.join(", "))
}

fn write_findings(out: &mut String, findings: &[Finding], paint: Paint) {
    for finding in findings {
        let label = match finding.severity {
            Severity::Error => Label::Error,
            Severity::Warning => Label::Warning,
            Severity::Note => Label::Note,
        };
        let word = paint.label(label, format_args!("{}[{}]", label.word(), finding.code));
        let help = paint.label(Label::Help, Label::Help.word());
        let _ = writeln!(out, "\n{word}: {}", sentence(&finding.what));
        let _ = writeln!(out, "  {help}: {}", sentence(&finding.help));
    }
}

/// For machines: one object.
pub(crate) fn json(machine: &Machine, subjects: &[Subject], findings: &[Finding]) -> Value {
    let kernel = &machine.kernel;
    json!({
        "schema": schema::DOCTOR,
        "system": machine.platform.key(),
        "container": machine.container.map(|c| c.as_str()),
        "kernelModule": kernel.module,
        "pciGpus": kernel.pci,
        "devices": kernel.devices.iter().map(|device| json!({
            "path": device.path,
            "state": device.state.as_str(),
        })).collect::<Vec<_>>(),
        "gpus": machine.gpus.iter().map(|gpu| json!({
            "name": gpu.name,
            "bus": gpu.bus,
            "capability": gpu.capability.map(|c| c.to_string()),
        })).collect::<Vec<_>>(),
        "nvidiaSmi": {
            "program": machine.smi.program.as_ref().map(|p| p.to_string_lossy()),
            "error": machine.smi.error,
        },
        "cuInit": machine.call.as_ref().map(call_json),
        "driverCuda": machine.driver_cuda().map(|cuda| cuda.to_string()),
        "libcuda": machine.libraries.copies.iter().enumerate().map(|(index, copy)| json!({
            "path": copy.path,
            "driver": copy.version,
            "cuda": copy.cuda.map(|cuda| cuda.to_string()),
            "stub": copy.stub,
            "forwardCompatibility": copy.compat,
            "compilesPtx": copy.compiles_ptx,
            "default": machine.libraries.default == Some(index),
        })).collect::<Vec<_>>(),
        "environment": machine.variables.iter().map(|(name, value)| {
            ((*name).to_owned(), Value::from(value.as_str()))
        }).collect::<serde_json::Map<_, _>>(),
        "paths": subjects.iter().map(subject_json).collect::<Vec<_>>(),
        "findings": findings.iter().map(|finding| json!({
            "code": finding.code,
            "severity": finding.severity.word(),
            "message": finding.what,
            "help": finding.help,
        })).collect::<Vec<_>>(),
    })
}
