# shellcheck shell=bash
# removeStubsFromRunpathHook: the toolkit's stub directories, whose libraries are for the linker
# only, are replaced by the driver link in RUNPATHs.
# shellcheck source=lib.sh
source "@lib@"

# removeStubsFromRunpath FILE: by hand, at once.
removeStubsFromRunpath() {
    cudaFixupOneArgument "library path" "$@" || return
    cudaFixupCall removeStubsFromRunpathPart -- "$1"
}

removeStubsFromRunpathPart() { cudaFixupModes[stubs]=replace; }

# nixpkgs' name of its guard.
# shellcheck disable=SC2034
declare -g removeStubsFromRunpathHookOnce=1
cudaFixupRegister "autoFixElfFiles removeStubsFromRunpath" removeStubsFromRunpathPart dontRemoveStubsFromRunpath
