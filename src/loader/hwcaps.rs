//! The subdirectories that glibc searches for this processor's sake, and `$PLATFORM`.
//!
//! glibc-hwcaps (2.33 and later) on x86-64, and the legacy subdirectories that glibc stopped
//! searching in 2.37 on x86-64, i386 and AArch64. Those of POWER and IBM Z are not supported.

use object::elf;

/// The processor that the loader runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    machine: u16,
    /// Subdirectories of glibc-hwcaps that it can use, best first.
    levels: Vec<&'static str>,
    /// The name that glibc prefers to the kernel's AT_PLATFORM (`haswell`, `xeon_phi`).
    platform: Option<&'static str>,
    /// The capability with a legacy subdirectory (`avx512_1`, `atomics`).
    capability: Option<&'static str>,
}

impl Cpu {
    /// The processor of this machine.
    pub fn host() -> Cpu {
        #[cfg(target_arch = "x86_64")]
        return x86_64();
        #[cfg(target_arch = "aarch64")]
        return aarch64();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Cpu::default()
    }

    #[cfg(test)]
    pub(super) fn with_levels(levels: &[&'static str]) -> Cpu {
        Cpu {
            machine: elf::EM_X86_64,
            levels: levels.to_vec(),
            ..Cpu::default()
        }
    }

    /// Priority of a subdirectory of glibc-hwcaps: smaller is better, `None` is unusable.
    pub(super) fn priority(&self, subdir: &[u8]) -> Option<usize> {
        self.levels.iter().position(|l| l.as_bytes() == subdir)
    }

    /// `$PLATFORM` for a program of this machine that glibc of this release loads.
    pub(super) fn platform(&self, machine: u16, glibc: (u32, u32)) -> Option<&'static str> {
        let own = self
            .platform
            .filter(|_| machine == self.machine && glibc >= (2, 26));
        own.or(kernel_platform(machine))
    }

    /// The subdirectories that glibc of this release tries in each directory, best first, each
    /// with a slash at the end. The directory itself follows them.
    ///
    /// One may come twice, as glibc tries it twice: where the platform has no name of its own,
    /// it is `x86_64`, and so is the capability that every such processor has.
    pub(super) fn subdirs(&self, machine: u16, glibc: (u32, u32)) -> Vec<String> {
        let mut subdirs = Vec::new();
        if !self.runs(machine) {
            return subdirs;
        }
        if machine == elf::EM_X86_64 && glibc >= (2, 33) {
            subdirs.extend(self.levels.iter().map(|l| format!("glibc-hwcaps/{l}/")));
        }
        if glibc < (2, 37) {
            let mut parts = vec!["tls"];
            parts.extend(self.platform(machine, glibc));
            parts.extend(self.capabilities(machine, glibc));
            subdirs.extend(combinations(&parts));
        }
        subdirs
    }

    /// Whether it is known how programs of this machine see this processor.
    fn runs(&self, machine: u16) -> bool {
        machine == self.machine || (machine, self.machine) == (elf::EM_386, elf::EM_X86_64)
    }

    /// The capabilities that have old subdirectories (`HWCAP_IMPORTANT`): in 2.26 and 2.27 as
    /// the stable branches of these releases have them.
    fn capabilities(&self, machine: u16, glibc: (u32, u32)) -> Vec<&'static str> {
        match machine {
            elf::EM_386 => vec!["sse2"],
            elf::EM_X86_64 if glibc >= (2, 26) => {
                self.capability.into_iter().chain(["x86_64"]).collect()
            }
            elf::EM_AARCH64 if glibc >= (2, 26) => self.capability.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// AT_PLATFORM: ELF_PLATFORM in the kernel's sources.
fn kernel_platform(machine: u16) -> Option<&'static str> {
    Some(match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_386 => "i686",
        _ => return None,
    })
}

/// All choices of `parts` but the empty one, in the order of `_dl_important_hwcaps`.
fn combinations(parts: &[&str]) -> Vec<String> {
    (1..1u32 << parts.len())
        .rev()
        .map(|mask| {
            let chosen = |i: &usize| mask & (1 << (parts.len() - 1 - i)) != 0;
            (0..parts.len())
                .filter(chosen)
                .map(|i| format!("{}/", parts[i]))
                .collect()
        })
        .collect()
}

/// Follows glibc's sysdeps/x86/get-isa-level.h and sysdeps/x86/cpu-features.c. A feature counts
/// only if the system saves the registers of AVX, so the standard library's detection is used where
/// it has the feature.
#[cfg(target_arch = "x86_64")]
fn x86_64() -> Cpu {
    use std::arch::is_x86_feature_detected as has;
    let id = raw_cpuid::CpuId::new();
    let v2 = has!("cmpxchg16b")
        && id
            .get_extended_processor_and_feature_identifiers()
            .is_some_and(|more| more.has_lahf_sahf())
        && has!("popcnt")
        && has!("sse3")
        && has!("sse4.1")
        && has!("sse4.2")
        && has!("ssse3");
    let haswell = has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("lzcnt")
        && has!("movbe")
        && has!("popcnt")
        && has!("fma");
    let v3 = v2 && haswell && has!("avx") && has!("f16c");
    let avx512 = has!("avx512cd") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    let v4 = v3 && avx512 && has!("avx512f");
    let mut levels = Vec::new();
    levels.extend(v4.then_some("x86-64-v4"));
    levels.extend(v3.then_some("x86-64-v3"));
    levels.extend(v2.then_some("x86-64-v2"));
    let mut cpu = Cpu {
        machine: elf::EM_X86_64,
        levels,
        ..Cpu::default()
    };
    // glibc has names for Intel's alone. Linux's /proc/cpuinfo isn't read for it: an emulator
    // leaves that as it is.
    if id
        .get_vendor_info()
        .is_some_and(|vendor| vendor.as_str() == "GenuineIntel")
    {
        let features = id.get_extended_feature_info();
        let (er, pf) = features.map_or((false, false), |f| (f.has_avx512er(), f.has_avx512pf()));
        cpu.platform = match has!("avx512cd") && er && pf {
            true => Some("xeon_phi"),
            false => haswell.then_some("haswell"),
        };
        cpu.capability = (avx512 && !er).then_some("avx512_1");
    }
    cpu
}

/// As glibc's sysdeps/unix/sysv/linux/aarch64/dl-procinfo.h decides it.
#[cfg(target_arch = "aarch64")]
fn aarch64() -> Cpu {
    Cpu {
        machine: elf::EM_AARCH64,
        capability: std::arch::is_aarch64_feature_detected!("lse").then_some("atomics"),
        ..Cpu::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x86_64(platform: Option<&'static str>, capability: Option<&'static str>) -> Cpu {
        Cpu {
            machine: elf::EM_X86_64,
            levels: vec!["x86-64-v3", "x86-64-v2"],
            platform,
            capability,
        }
    }

    #[test]
    fn the_order_of_subdirectories_is_glibcs() {
        let cpu = x86_64(Some("haswell"), None);
        assert_eq!(
            cpu.subdirs(elf::EM_X86_64, (2, 36)),
            [
                "glibc-hwcaps/x86-64-v3/",
                "glibc-hwcaps/x86-64-v2/",
                "tls/haswell/x86_64/",
                "tls/haswell/",
                "tls/x86_64/",
                "tls/",
                "haswell/x86_64/",
                "haswell/",
                "x86_64/",
            ]
        );
        assert_eq!(cpu.subdirs(elf::EM_X86_64, (2, 40)).len(), 2);
        assert_eq!(
            cpu.subdirs(elf::EM_X86_64, (2, 17)),
            ["tls/x86_64/", "tls/", "x86_64/"]
        );
        assert!(cpu.subdirs(elf::EM_AARCH64, (2, 36)).is_empty());
        assert!(Cpu::default().subdirs(elf::EM_X86_64, (2, 36)).is_empty());
    }

    #[test]
    fn a_platform_without_a_name_of_its_own_is_searched_beside_the_capability_of_that_name() {
        for glibc in [(2, 26), (2, 32)] {
            assert_eq!(
                x86_64(None, None).subdirs(elf::EM_X86_64, glibc),
                [
                    "tls/x86_64/x86_64/",
                    "tls/x86_64/",
                    "tls/x86_64/",
                    "tls/",
                    "x86_64/x86_64/",
                    "x86_64/",
                    "x86_64/",
                ]
            );
        }
    }

    #[test]
    fn a_processor_with_avx512_has_one_more_part() {
        let subdirs = x86_64(Some("haswell"), Some("avx512_1")).subdirs(elf::EM_X86_64, (2, 32));
        assert_eq!(subdirs.len(), 15);
        assert_eq!(
            subdirs[..4],
            [
                "tls/haswell/avx512_1/x86_64/",
                "tls/haswell/avx512_1/",
                "tls/haswell/x86_64/",
                "tls/haswell/",
            ]
        );
    }

    #[test]
    fn other_machines_have_parts_of_their_own() {
        let old_arm = Cpu {
            machine: elf::EM_AARCH64,
            ..Cpu::default()
        };
        let arm = Cpu {
            capability: Some("atomics"),
            ..old_arm.clone()
        };
        let all = [
            "tls/aarch64/atomics/",
            "tls/aarch64/",
            "tls/atomics/",
            "tls/",
        ];
        assert_eq!(arm.subdirs(elf::EM_AARCH64, (2, 36))[..4], all);
        assert_eq!(
            old_arm.subdirs(elf::EM_AARCH64, (2, 36)),
            ["tls/aarch64/", "tls/", "aarch64/"]
        );
        assert!(arm.subdirs(elf::EM_AARCH64, (2, 37)).is_empty());
        // A program for i386 on an x86-64 processor.
        let subdirs = x86_64(Some("haswell"), None).subdirs(elf::EM_386, (2, 36));
        assert_eq!(
            subdirs,
            [
                "tls/i686/sse2/",
                "tls/i686/",
                "tls/sse2/",
                "tls/",
                "i686/sse2/",
                "i686/",
                "sse2/"
            ]
        );
    }

    #[test]
    fn glibc_names_the_platform_itself_from_2_26_on() {
        let haswell = x86_64(Some("haswell"), None);
        assert_eq!(haswell.platform(elf::EM_X86_64, (2, 26)), Some("haswell"));
        assert_eq!(haswell.platform(elf::EM_X86_64, (2, 25)), Some("x86_64"));
        assert_eq!(haswell.platform(elf::EM_386, (2, 40)), Some("i686"));
        let other = x86_64(None, None);
        assert_eq!(other.platform(elf::EM_X86_64, (2, 40)), Some("x86_64"));
        assert_eq!(other.platform(elf::EM_S390, (2, 40)), None);
    }
}
