# shellcheck shell=bash
# cudaFixupHook: what the other hooks do to the ELF files of the outputs, in one pass.
# shellcheck source=auto-patchelf.sh
source "@autoPatchelf@"
# shellcheck source=add-driver-runpath.sh
source "@autoAddDriverRunpath@"
# shellcheck source=add-cuda-compat-runpath.sh
source "@autoAddCudaCompatRunpath@"
# shellcheck source=remove-stubs-from-runpath.sh
source "@removeStubsFromRunpath@"
# shellcheck source=lint.sh
source "@lint@"
