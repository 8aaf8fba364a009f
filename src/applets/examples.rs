//! An example for each `--help` and each manual page. tests/cli/help.rs runs every line behind `$`.

macro_rules! examples {
    ($($name:ident: $($line:literal)*;)*) => {
        $(pub(crate) const $name: &str = concat!("Examples:" $(, "\n  ", $line)*);)*
    };
}

examples! {
    CUDA_FIXUP:
        "$ cuda-fixup demo"
        "$ cuda-fixup inspect app/bin/train";
    FIXUP:
        "# Show what would change in a tree, with the reason of each entry:"
        "$ cuda-fixup fixup --dry-run app"
        "# Change it; libraries are found in the tree, and in a directory elsewhere:"
        "$ cuda-fixup fixup --lib app/cuda/lib app";
    AUTO_PATCHELF:
        "$ cuda-fixup auto-patchelf --paths app/lib --ignore-missing 'libcuda*'";
    ADD_DRIVER_RUNPATH:
        "$ cuda-fixup add-driver-runpath app/lib/libmodel.so.1";
    DEMO:
        "$ cuda-fixup demo --keep sample";
    DOCTOR:
        "$ cuda-fixup doctor"
        "$ cuda-fixup doctor --json";
    CAPABILITIES:
        "$ cuda-fixup capabilities flags --cuda 12.8";
    CAPABILITIES_FLAGS:
        "$ cuda-fixup capabilities flags --cuda 12.8 --capabilities '8.6;9.0a'";
    CAPABILITIES_CHECK:
        "$ cuda-fixup capabilities check --cuda 12.8 --capabilities 8.6";
    CAPABILITIES_TABLE:
        "$ cuda-fixup capabilities table";
    ELF_FILES:
        "$ cuda-fixup elf-files app"
        "$ cuda-fixup elf-files -0 app | xargs -0 ls -l";
    CLOSURE:
        "# The store paths that a tree keeps alive, and the files that refer to them:"
        "$ cuda-fixup closure app"
        "# Every use of every path, for scripts:"
        "$ cuda-fixup closure --json app";
    CMAKE:
        "$ cuda-fixup toolkit farm --out farm prefixes/*"
        "$ PATH=$PWD/farm/libexec/cuda-fixup:$PATH cmake --version";
    INSPECT:
        "# What a program loads, from where and why; programs are found on PATH, too:"
        "$ cuda-fixup inspect app/bin/train"
        "$ cuda-fixup inspect --tree sh"
        "# What of a whole tree does not load (exit status 1):"
        "$ cuda-fixup inspect --check app"
        "# Why a library is loaded, or where it was looked for:"
        "$ cuda-fixup inspect --why libcudart.so.13 app";
    INSTALL_LINKS:
        "$ cuda-fixup install-links links"
        "$ links/bin/auto-patchelf --help";
    LINT:
        "$ cuda-fixup lint app"
        "# Two rules alone, which read headers: quick for a large tree:"
        "$ cuda-fixup lint --select runpath-missing,needed-not-found app"
        "$ cuda-fixup lint --format sarif app > findings.sarif"
        "$ cuda-fixup lint --explain runpath-stubs";
    COMPLETIONS:
        "$ mkdir -p completions"
        "$ cuda-fixup completions bash > completions/cuda-fixup";
    MAN:
        "$ cuda-fixup man inspect"
        "$ cuda-fixup man --out man1";
    NVCC:
        "$ cuda-fixup toolkit farm --out farm prefixes/*"
        "$ farm/bin/nvcc --list-gpu-arch";
    PATCHELF:
        "$ cuda-fixup patchelf --print-rpath app/bin/train"
        "$ cuda-fixup patchelf --set-rpath '$ORIGIN/../lib' app/bin/train";
    DIFF:
        "$ cp -r app before && cuda-fixup patchelf --set-rpath /opt/lib app/bin/train"
        "# What changed in each file; exit status 1 if something got worse:"
        "$ cuda-fixup diff before app"
        "# A comment for a pull request:"
        "$ cuda-fixup diff --format markdown before app";
    DEVICE_CODE:
        "$ cuda-fixup device-code list app"
        "# Bytes for each architecture, all files together:"
        "$ cuda-fixup device-code --by-arch app";
    DEVICE_CODE_LIST:
        "$ cuda-fixup device-code list app"
        "$ cuda-fixup device-code list --summary kernel.cubin";
    DEVICE_CODE_EXTRACT:
        "$ mkdir -p images"
        "$ cuda-fixup device-code extract kernel.cubin --output images";
    TOOLKIT:
        "$ cuda-fixup toolkit farm --out farm prefixes/*";
    TOOLKIT_FARM:
        "# One toolkit out of several packages; prints FARM=REAL for fixup:"
        "$ cuda-fixup toolkit farm --out farm prefixes/*";
    TOOLKIT_LEAKS:
        "$ cuda-fixup toolkit farm --out farm prefixes/*"
        "$ cuda-fixup toolkit leaks --farm farm app";
    TOOLKIT_FOR_BUILD:
        "$ cuda-fixup toolkit for-build --top farms --host prefixes/0";
    REPORT:
        "$ cuda-fixup report app --output report.html"
        "# With the changes since another version:"
        "$ cp -r app before"
        "$ cuda-fixup report --before before app --output report.html";
    REDIST:
        "$ cuda-fixup redist url --from manifests cudnn@9.2/linux-x86_64";
    REDIST_INDEX:
        "$ cuda-fixup redist index redistrib_9.2.1.json";
    REDIST_DIFF:
        "$ cuda-fixup redist diff manifests/cudnn/9.1.1.json manifests/cudnn/9.2.1.json";
    REDIST_URL:
        "$ cuda-fixup redist url --from manifests cudnn@9.2/linux-x86_64";
    REDIST_CHECK:
        "$ cuda-fixup redist check manifests/cudnn";
    REDIST_CHECK_WHEEL:
        "# Whether the libraries in app/cuda could replace those of the wheel's build:"
        "$ cuda-fixup redist check-wheel app/lib --set app/cuda";
    REDIST_FEATURES:
        "$ cuda-fixup redist features archive"
        "$ cuda-fixup redist features --json app > app.json"
        "$ cuda-fixup redist features --expect app.json app";
    REDIST_INSTALL:
        "$ cuda-fixup redist install archive --cuda 13 --output out=out";
    REDIST_JOIN:
        "$ cuda-fixup redist install archive --cuda 13 --output out=out"
        "$ mkdir dev && cuda-fixup redist join --output out=out --output dev=dev";
}
