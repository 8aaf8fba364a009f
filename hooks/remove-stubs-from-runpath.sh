# shellcheck shell=bash
# removeStubsFromRunpathHook: the toolkit's stub directories in RUNPATHs, whose libraries are to
# link with and not to run with, give way to the driver link.
# shellcheck source=lib.sh
source "@lib@"

# removeStubsFromRunpath FILE: by hand, at once.
removeStubsFromRunpath() { cudaFixupCall removeStubsFromRunpathPart -- "$@"; }

removeStubsFromRunpathPart() { cudaFixupModes[stubs]=replace; }

cudaFixupRegister removeStubsFromRunpathPart dontRemoveStubsFromRunpath
