//! What the processor adds to the search: subdirectories of `glibc-hwcaps`, the older ones
//! that glibc stopped searching in 2.37, and `$PLATFORM`.

use object::elf;

/// The processor that the loader is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    machine: u16,
    /// Subdirectories of glibc-hwcaps that it can use, best first.
    levels: Vec<&'static str>,
    /// What glibc says for `$PLATFORM` instead of AT_PLATFORM (`haswell`, `xeon_phi`).
    platform: Option<&'static str>,
    /// Old subdirectories beside the platform's, in the order in which glibc puts them.
    legacy: Vec<&'static str>,
}

impl Cpu {
    /// The processor of this machine.
    pub fn host() -> Cpu {
        #[cfg(target_arch = "x86_64")]
        return x86_64();
        #[cfg(not(target_arch = "x86_64"))]
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

    /// Which subdirectory of glibc-hwcaps goes before which: smaller is better, `None` is unusable.
    pub(super) fn priority(&self, subdir: &[u8]) -> Option<usize> {
        self.levels.iter().position(|l| l.as_bytes() == subdir)
    }

    /// `$PLATFORM` for a program of this machine.
    pub(super) fn platform(&self, machine: u16) -> Option<&'static str> {
        if machine == self.machine
            && let Some(platform) = self.platform
        {
            return Some(platform);
        }
        // AT_PLATFORM of the kernel: ELF_PLATFORM in its sources.
        Some(match machine {
            elf::EM_X86_64 => "x86_64",
            elf::EM_AARCH64 => "aarch64",
            elf::EM_386 => "i686",
            _ => return None,
        })
    }

    /// The subdirectories that glibc of this version tries in each directory, best first, each
    /// with a slash at the end. The directory itself follows them.
    pub(super) fn subdirs(&self, machine: u16, glibc: (u32, u32)) -> Vec<String> {
        if machine != self.machine {
            return Vec::new();
        }
        let mut subdirs = Vec::new();
        if glibc >= (2, 33) {
            subdirs.extend(self.levels.iter().map(|l| format!("glibc-hwcaps/{l}/")));
        }
        if glibc < (2, 37) && machine == elf::EM_X86_64 {
            let mut parts = vec!["tls"];
            if glibc >= (2, 26) {
                parts.extend(self.platform);
                parts.extend(&self.legacy);
            } else {
                parts.push("x86_64");
            }
            subdirs.extend(combinations(&parts));
        }
        subdirs
    }
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

/// As glibc's sysdeps/x86/dl-hwcap.h and sysdeps/x86/cpu-features.c decide it.
#[cfg(target_arch = "x86_64")]
fn x86_64() -> Cpu {
    use std::arch::is_x86_feature_detected as has;
    let v2 = has!("cmpxchg16b")
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
    let avx512 = has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    let v4 = v3 && avx512 && has!("avx512f") && has!("avx512cd");
    let mut levels = Vec::new();
    levels.extend(v4.then_some("x86-64-v4"));
    levels.extend(v3.then_some("x86-64-v3"));
    levels.extend(v2.then_some("x86-64-v2"));
    let intel = std::fs::read_to_string("/proc/cpuinfo")
        .is_ok_and(|text| text.lines().take(3).any(|l| l.ends_with("GenuineIntel")));
    let mut legacy = Vec::new();
    legacy.extend((intel && avx512 && has!("avx512cd")).then_some("avx512_1"));
    legacy.push("x86_64");
    Cpu {
        machine: elf::EM_X86_64,
        levels,
        platform: (intel && haswell).then_some("haswell"),
        legacy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_subdirectories_is_glibcs() {
        let cpu = Cpu {
            machine: elf::EM_X86_64,
            levels: vec!["x86-64-v3", "x86-64-v2"],
            platform: Some("haswell"),
            legacy: vec!["x86_64"],
        };
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
    }
}
