# A program that runs others with the libraries of one NVIDIA driver, for systems that are not NixOS:
# `nvidia-driver-run PROGRAM ARGUMENT…`. What nixGL does, for a driver out of a redistributable.
{
  lib,
  runCommand,
  runtimeShell,
  cuda-fixup,
}:
# A package with the driver's libraries, in any directory.
driver:
runCommand "nvidia-driver-run-${driver.version or "driver"}"
  {
    driverOutputs = map (output: "${driver.${output}}") (driver.outputs or [ "out" ]);
    interpreter = runtimeShell;
    passthru = { inherit driver; };
    meta = {
      description = "Runs a program with the libraries of an NVIDIA driver";
      mainProgram = "nvidia-driver-run";
      platforms = lib.platforms.linux or [ "x86_64-linux" "aarch64-linux" ];
    };
  }
  ''
    mkdir -p "$out/bin" "$out/lib" "$out/lib32"
    version=
    while read -r file; do
        # The class of an ELF file.
        class=$(od -An -tx1 -N5 "$file")
        case $class in
            *"7f 45 4c 46 02"*) directory=lib ;;
            *"7f 45 4c 46 01"*) directory=lib32 ;;
            *) continue ;;
        esac
        # Programs load libraries by SONAME, and archives may have the whole names only.
        soname=$(${cuda-fixup}/bin/cuda-fixup patchelf --print-soname "$file" 2>/dev/null || true)
        for name in "''${file##*/}" ''${soname:+"$soname"}; do
            [[ -e $out/$directory/$name ]] || ln -s "$file" "$out/$directory/$name"
        done
        case ''${file##*/} in
            libcuda.so.*.*) version=''${file##*/libcuda.so.} ;;
        esac
    done < <(find -L $driverOutputs -name '*.so*' -type f | LC_ALL=C sort)
    if [[ ! -e $out/lib/libcuda.so.1 ]]; then
        echo "error: $driverOutputs: expected a driver's libcuda.so.1, found none" >&2
        echo "help: it is in nvidia_driver-SYSTEM-VERSION-archive of NVIDIA's nvidia-driver redistributable" >&2
        exit 1
    fi
    # Files by which loaders of Vulkan, EGL and OpenCL find the driver.
    configuration() {
        find -L $driverOutputs -name "$1" -type f | LC_ALL=C sort | head -n 1
    }
    {
        echo "#!$interpreter"
        echo "version='$version' lib='$out/lib' lib32='$out/lib32'"
        echo "icd='$(configuration 'nvidia_icd*.json')' egl='$(configuration '10_nvidia.json')' opencl='$(configuration 'nvidia.icd')'"
        cat ${./driver-run.sh}
    } >"$out/bin/nvidia-driver-run"
    chmod +x "$out/bin/nvidia-driver-run"
  ''
