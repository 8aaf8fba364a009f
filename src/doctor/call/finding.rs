//! What the driver's answer means for a machine.

use super::{CallOutcome, result_name};
use crate::doctor::{Finding, Machine, Severity};

impl Machine {
    /// What the driver itself says, where nothing explains it yet.
    pub(in crate::doctor) fn check_call(&self, found: &mut Vec<Finding>) {
        const KERNEL: &str = "run `sudo dmesg | grep -i -e nvrm -e xid` for the kernel's own words";
        let Some(call) = &self.call else {
            return;
        };
        if found.iter().any(|f| f.severity == Severity::Error) {
            return;
        }
        let library = &call.library;
        let (code, what, help) = match &call.outcome {
            CallOutcome::NotCalled(_) => return,
            CallOutcome::Answered(answer) if answer.init == 0 => return,
            CallOutcome::Answered(answer) => {
                let known = result_name(answer.init);
                let name = known.map_or(String::new(), |(name, _)| format!(", {name}"));
                let what = format!("cuInit of {library} returns error {}{name}", answer.init);
                let help = known.map_or(KERNEL, |(_, help)| help);
                ("driver-refuses", what, help.to_owned())
            }
            CallOutcome::NotLoaded(words) => (
                "driver-does-not-load",
                format!("the loader refuses {library}: {words}"),
                match crate::advice::shell::word(library.as_bytes()) {
                    Some(word) => format!("run `cuda-fixup inspect {word}`"),
                    None => "look at it with `cuda-fixup inspect`".to_owned(),
                },
            ),
            CallOutcome::Died(signal) => (
                "driver-crashes",
                format!("{library} is ended by signal {signal} in cuInit"),
                "install the driver anew: its libraries are damaged or of several versions"
                    .to_owned(),
            ),
            CallOutcome::Hangs => (
                "driver-hangs",
                format!("cuInit of {library} gives no answer"),
                KERNEL.to_owned(),
            ),
        };
        found.push(Finding {
            code,
            severity: Severity::Error,
            what,
            help,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::call::{Answer, DriverCall};
    use crate::doctor::{Kernel, Libraries, Platform, Smi};

    /// A machine where everything looks right and the driver answers so.
    fn machine(outcome: CallOutcome) -> Machine {
        Machine {
            platform: Platform::Linux { id: None },
            container: None,
            kernel: Kernel {
                module: Some("580.159.04".to_owned()),
                pci: 1,
                devices: Vec::new(),
            },
            gpus: Vec::new(),
            smi: Smi::default(),
            libraries: Libraries::default(),
            call: Some(DriverCall {
                library: "/usr/lib/it's/libcuda.so.1".to_owned(),
                outcome,
            }),
            variables: Vec::new(),
        }
    }

    fn init(init: u32) -> CallOutcome {
        CallOutcome::Answered(Answer {
            init,
            version: None,
            devices: Vec::new(),
        })
    }

    fn said(machine: &Machine) -> Vec<Finding> {
        let found = machine.findings().into_iter();
        found.filter(|f| f.code.starts_with("driver-")).collect()
    }

    #[test]
    fn an_answer_of_the_driver_is_a_finding_unless_something_explains_it() {
        let mut machine = machine(init(802));
        // Another error, libcuda-missing, explains it.
        assert_eq!(said(&machine), []);
        machine.kernel.pci = 0;
        machine.libraries.copies = vec![crate::doctor::DriverCopy {
            path: "/usr/lib/libcuda.so.1".to_owned(),
            version: None,
            cuda: None,
            stub: false,
            compat: false,
            compiles_ptx: true,
        }];
        machine.libraries.default = Some(0);
        let found = said(&machine);
        assert_eq!(found[0].code, "driver-refuses");
        assert!(found[0].what.contains("802, CUDA_ERROR_SYSTEM_NOT_READY"));
        assert!(found[0].help.contains("nvidia-fabricmanager"));
        for (outcome, code) in [
            (init(12345), "driver-refuses"),
            (CallOutcome::Died(11), "driver-crashes"),
            (CallOutcome::Hangs, "driver-hangs"),
            (
                CallOutcome::NotLoaded("libc.so.7: no".to_owned()),
                "driver-does-not-load",
            ),
        ] {
            if let Some(call) = &mut machine.call {
                call.outcome = outcome;
            }
            let found = said(&machine);
            assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), [code]);
            assert!(!found[0].help.is_empty());
        }
        for outcome in [init(0), CallOutcome::NotCalled("no memfd".to_owned())] {
            if let Some(call) = &mut machine.call {
                call.outcome = outcome;
            }
            assert_eq!(said(&machine), []);
        }
    }
}
