//! nvcc.profile: NVIDIA's own if all its paths are relative, else a new one with the same contents.
//!
//! Those of Debian and of some Nix packages name directories of the original installation, which
//! are not the farm's.

use crate::cuda::CudaVersion;

/// Whether a profile names places by `$(TOP)` and `$(_HERE_)` only, and no host compiler.
pub(super) fn is_relocatable(text: &str) -> bool {
    let lines = || {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    };
    let absolute = |line: &str| {
        line.match_indices('/').any(|(at, _)| {
            let before = &line[..at];
            before.ends_with([' ', '\t', '"', '=', ':', ';'])
                || before.ends_with("-I")
                || before.ends_with("-L")
                || before.ends_with("-isystem")
        })
    };
    lines().any(|line| line.starts_with("TOP") && line.contains("$(_HERE_)"))
        && !lines().any(|line| absolute(line) || line.starts_with("compiler-bindir"))
}

/// A profile for the farm's layout.
pub(super) fn of_farm(cuda: CudaVersion) -> String {
    let mut text = String::from(
        "TOP = $(_HERE_)/..\n\
         CICC_PATH = $(TOP)/nvvm/bin\n\
         NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice\n\
         LD_LIBRARY_PATH += $(TOP)/lib:\n\
         PATH += $(TOP)/nvvm/bin:$(_HERE_):\n\
         INCLUDES += \"-I$(TOP)/include\" $(_SPACE_)\n",
    );
    if cuda.major >= 13 {
        // libcu++, Thrust and CUB moved there.
        text += "SYSTEM_INCLUDES += \"-isystem\" \"$(TOP)/include/cccl\" $(_SPACE_)\n";
    }
    text += "LIBRARIES =+ $(_SPACE_) \"-L$(TOP)/lib/stubs\" \"-L$(TOP)/lib\"\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_that_name_a_machine_are_not_taken() {
        let good = "TOP = $(_HERE_)/..\nPATH += $(TOP)/nvvm/bin:$(_HERE_):\n\
                    LIBRARIES =+ $(_SPACE_) \"-L$(TOP)/lib$(_TARGET_SIZE_)/stubs\"\n";
        assert!(is_relocatable(good));
        for bad in [
            "LIBRARIES =+ $(_SPACE_) -L/usr/lib/stubs",
            "PATH += /usr/lib/nvidia-cuda-toolkit/bin:",
            "INCLUDES += \"-I/nix/store/x/include\"",
            "compiler-bindir = gcc",
        ] {
            assert!(!is_relocatable(&format!("{good}{bad}\n")), "{bad}");
            assert!(is_relocatable(&format!("{good}# {bad}\n")), "{bad}");
        }
        assert!(!is_relocatable("NVVMIR_LIBRARY_DIR = libdevice\n"));
        for cuda in ["11.8", "13.5"] {
            assert!(is_relocatable(&of_farm(cuda.parse().unwrap())));
        }
    }
}
