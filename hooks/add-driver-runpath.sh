# shellcheck shell=bash
# addDriverRunpath, a function, and autoAddDriverRunpath, which does it to all outputs: the
# driver's directory goes first into RUNPATHs, so that libcuda.so.1 is found where the system
# keeps it.
# shellcheck source=lib.sh
source "@lib@"

# addDriverRunpath [--force-rpath] [--] FILE…: by hand, at once. Directories, files that don't
# exist, dangling links and files that are no dynamic ELF files are left alone.
addDriverRunpath() {
    local file
    local -a options=() existing=() files=()
    while (( $# )); do
        case $1 in
            --) shift; break ;;
            --force-rpath) options+=("$1"); shift ;;
            --*)
                echo "addDriverRunpath: ERROR: Invalid command line argument: $1" >&2
                return 1
                ;;
            *) break ;;
        esac
    done
    for file; do
        if [[ -f $file ]]; then existing+=("$file"); fi
    done
    if (( ${#existing[@]} )); then cudaFixupElfFiles files "${existing[@]}" || return; fi
    if (( ${#files[@]} )); then cudaFixupCall "${options[@]}" addDriverRunpathPart -- "${files[@]}"; fi
}
addOpenGLRunpath() { addDriverRunpath "$@"; }

# cudaFixupDriverRunpath = "needed": only files that load the driver themselves.
addDriverRunpathPart() { cudaFixupModes[add-driver-runpath]=${cudaFixupDriverRunpath:-all}; }

cudaFixupAuto="@auto@"
if [[ -n $cudaFixupAuto ]]; then
    cudaFixupRegister "autoFixElfFiles addDriverRunpath" addDriverRunpathPart \
        dontUseAutoAddDriverRunpath dontUseAutoAddOpenGLRunpath
fi
