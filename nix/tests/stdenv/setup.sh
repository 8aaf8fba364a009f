# shellcheck shell=bash
# A small standard environment: what setup hooks meet in nixpkgs' one, and little else. It follows
# these texts of nixpkgs, in code of its own:
#
#   pkgs/stdenv/generic/setup.sh: variables of both modes, offsets, env hooks, the accumulators of
#     inputs, runHook with its names, the order of phases and hooks, the state of the shell
#   pkgs/build-support/setup-hooks/audit-tmpdir.sh: RUNPATHs and wrapper scripts that name the build
#     directory end the build, in fixupOutput
#   pkgs/build-support/setup-hooks/multiple-outputs.sh: outputBin, outputDev, outputLib
#   pkgs/build-support/bintools-wrapper/ld-wrapper.sh is in ../nixpkgs/cc-wrapper.sh
#
# The file generation.sh that is sourced below has what differs between the years.
set -eu
set -o pipefail
shopt -s nullglob inherit_errexit

export PATH=/usr/bin:/bin
export NIX_LOG_FD=${NIX_LOG_FD:-2}
unset TZ
export LC_ALL=C SOURCE_DATE_EPOCH=315532800

# --- small things -------------------------------------------------------------------------------

getAllOutputNames() {
    if [[ -n ${NIX_ATTRS_JSON_FILE-} ]]; then
        echo "${!outputs[*]}"
    else
        echo "$outputs"
    fi
}

isELF() {
    local magic
    IFS= read -r -n 4 -d '' magic <"$1" || true
    [[ $magic == $'\x7fELF' ]]
}

substitute() {
    local from=$1 to=$2 text
    shift 2
    text=$(cat "$from"; echo x)
    text=${text%x}
    while (( $# )); do
        case $1 in
            --subst-var-by) text=${text//"@$2@"/"$3"}; shift 3 ;;
            --replace-fail) [[ $text == *"$2"* ]]; text=${text//"$2"/"$3"}; shift 3 ;;
            *) nixErrorLogOr "substitute: $1"; return 1 ;;
        esac
    done
    printf '%s' "$text" >"$to"
}

appendToVar() {
    local -n stdenvAppendTo=$1
    local declaration
    shift
    declaration=$(declare -p "${!stdenvAppendTo}" 2>/dev/null || true)
    if [[ $declaration == "declare -a"* ]]; then
        stdenvAppendTo+=("$@")
    else
        # shellcheck disable=SC2178 # that is the other case
        stdenvAppendTo="${stdenvAppendTo-} $*"
    fi
}

isScript() {
    local magic
    IFS= read -r -n 2 -d '' magic <"$1" || true
    [[ $magic == '#!' ]]
}

# runHook NAME: the function or the text NAME, then each element of the array NAMEs (xHook) or
# NAMEHooks. The names of its variable and of its two helpers are nixpkgs'.
runHook() {
    local hookName=$1 oldOpts=-u hook
    shift
    [[ $- == *u* ]] || oldOpts=+u
    set +u
    local -n stdenvHooks=${hookName%Hook}Hooks
    for hook in "_callImplicitHook 0 $hookName" "${stdenvHooks[@]}"; do
        _eval "$hook" "$@"
    done
    set "$oldOpts"
}

_callImplicitHook() {
    if declare -F "$2" >/dev/null; then "$2"; else eval "${!2-}"; fi
}

_eval() {
    if declare -F "$1" >/dev/null; then "$@"; else eval "$1"; fi
}

# --- inputs -------------------------------------------------------------------------------------

declare -A stdenvPackages=() stdenvEnvHooks=()
stdenvPath=

addToSearchPath() {
    if [[ -d $2 ]]; then declare -g "$1=${!1:+${!1}:}$2"; fi
}

# addEnvHooks OFFSET FUNCTION…
addEnvHooks() {
    local offset=$1
    shift
    stdenvEnvHooks[$offset]="${stdenvEnvHooks[$offset]-} $*"
}

# stdenvFind PACKAGE HOST TARGET: this package and what it propagates, each once a pair of offsets.
stdenvFind() {
    local package=$1 host=$2 target=$3 file list relHost relTarget toHost toTarget
    if [[ " ${stdenvPackages[$host,$target]-} " == *" $package "* ]]; then return 0; fi
    stdenvPackages[$host,$target]="${stdenvPackages[$host,$target]-} $package"
    if [[ ! -e $package ]]; then
        echo "stdenv: the input $package does not exist" >&2
        return 1
    fi
    while read -r file relHost relTarget; do
        if [[ ! -e $package/nix-support/$file ]]; then continue; fi
        (( toHost = relHost <= 0 ? relHost + host : relHost - 1 + target, 1 ))
        (( toTarget = relTarget <= 0 ? relTarget + host : relTarget - 1 + target, 1 ))
        if (( toHost < -1 || toHost > 1 || toTarget < -1 || toTarget > 1 )); then continue; fi
        list=$(<"$package/nix-support/$file")
        for file in $list; do
            stdenvFind "$file" "$toHost" "$toTarget"
        done
    done <<<"propagated-build-build-deps -1 -1
propagated-native-build-inputs -1 0
propagated-build-target-deps -1 1
propagated-host-host-deps 0 0
propagated-build-inputs 0 1
propagated-target-target-deps 1 1"
}

stdenvInputs() {
    local attribute host target package
    local -a items
    while read -r attribute host target; do
        items=()
        stdenvWords items "$attribute"
        for package in "${items[@]}"; do
            stdenvFind "$package" "$host" "$target"
        done
    done <<<"depsBuildBuild -1 -1
depsBuildBuildPropagated -1 -1
nativeBuildInputs -1 0
propagatedNativeBuildInputs -1 0
defaultNativeBuildInputs -1 0
depsBuildTarget -1 1
depsHostHost 0 0
buildInputs 0 1
propagatedBuildInputs 0 1
depsTargetTarget 1 1"

    for host in -1 0 1; do
        for target in -1 0 1; do
            for package in ${stdenvPackages[$host,$target]-}; do
                stdenvActivate "$package" "$host" "$target"
            done
        done
    done
    stdenvAccumulate
    stdenvRunEnvHooks
}

# nixpkgs' arrays of inputs, which stay for the phases.
stdenvAccumulate() {
    local name host target
    while read -r name host target; do
        # shellcheck disable=SC2206 # words are packages
        local -a packages=(${stdenvPackages[$host,$target]-})
        declare -ga "$name"
        local -n stdenvAccumulator=$name
        # shellcheck disable=SC2034 # hooks read it
        stdenvAccumulator=("${packages[@]}")
    done <<<"pkgsBuildBuild -1 -1
pkgsBuildHost -1 0
pkgsBuildTarget -1 1
pkgsHostHost 0 0
pkgsHostTarget 0 1
pkgsTargetTarget 1 1"
}

stdenvActivate() {
    local -r hostOffset=$2 targetOffset=$3
    if [[ -z ${strictDeps-} ]] || (( hostOffset == -1 )); then addToSearchPath stdenvPath "$1/bin"; fi
    if [[ -f $1/nix-support/setup-hook ]]; then
        # shellcheck disable=SC1091 # the package's own
        source "$1/nix-support/setup-hook"
    fi
}

stdenvRunEnvHooks() {
    local depHostOffset depTargetOffset package hook packages visited
    for depHostOffset in -1 0 1; do
        for depTargetOffset in -1 0 1; do
            if (( depHostOffset > depTargetOffset )); then continue; fi
            packages=${stdenvPackages[$depHostOffset,$depTargetOffset]-}
            if [[ -z ${strictDeps-} ]]; then packages=${stdenvPackages[*]}; fi
            visited=
            for package in $packages; do
                if [[ " $visited " == *" $package "* ]]; then continue; fi
                visited+=" $package"
                for hook in ${stdenvEnvHooks[$depHostOffset]-}; do
                    "$hook" "$package"
                done
            done
        done
    done
}

# stdenvWords ARRAY ATTRIBUTE: a list attribute of either mode.
stdenvWords() {
    local -n stdenvWordsTo=$1
    local declaration
    declaration=$(declare -p "$2" 2>/dev/null || true)
    if [[ $declaration == "declare -a"* ]]; then
        local -n stdenvWordsFrom=$2
        stdenvWordsTo=("${stdenvWordsFrom[@]}")
    else
        read -ra stdenvWordsTo <<<"${!2-}" || true
    fi
}

# --- phases -------------------------------------------------------------------------------------

# An archive, and the one directory in it; a directory stays where it is.
unpackPhase() {
    runHook preUnpack
    if [[ -f ${src-} ]]; then
        tar -xf "$src"
        local -a stdenvUnpacked=(*/)
        if (( ${#stdenvUnpacked[@]} == 1 )); then cd "${stdenvUnpacked[0]}"; fi
        chmod -R u+w .
    fi
    runHook postUnpack
}
configurePhase() { runHook preConfigure; runHook postConfigure; }
buildPhase() { runHook preBuild; runHook postBuild; }
installPhase() { runHook preInstall; runHook postInstall; }

fixupPhase() {
    local output prefix
    for output in $(getAllOutputNames); do
        if [[ -e ${!output} ]]; then chmod -R u+w "${!output}"; fi
    done
    runHook preFixup
    for output in $(getAllOutputNames); do
        prefix=${!output}
        runHook fixupOutput
    done
    stdenvRecordPropagated
    prefix=$out
    runHook postFixup
}

stdenvRecordPropagated() {
    local target=${!outputDev} attribute file output
    local -a items
    while read -r attribute file; do
        items=()
        stdenvWords items "$attribute"
        if [[ $file == propagated-build-inputs && $outputDev != out ]]; then
            # Who depends on the headers gets the libraries.
            for output in lib out; do
                if [[ -n ${propagatedBuildOutputs+x} ]]; then break; fi
                if [[ $output != "$outputDev" && -n ${!output-} ]]; then items+=("${!output}"); fi
            done
        fi
        if [[ $file == propagated-build-inputs ]]; then
            for output in "${propagatedBuildOutputs[@]}"; do
                if [[ ${!output} != "$target" ]]; then items+=("${!output}"); fi
            done
        fi
        if (( ${#items[@]} )); then
            mkdir -p "$target/nix-support"
            echo "${items[*]}" >"$target/nix-support/$file"
        fi
    done <<<"propagatedNativeBuildInputs propagated-native-build-inputs
propagatedBuildInputs propagated-build-inputs
propagatedHostHost propagated-host-host-deps"
    if [[ -n ${setupHook-} ]]; then
        mkdir -p "$target/nix-support"
        cp "$setupHook" "$target/nix-support/setup-hook"
    fi
}

# What stdenv's own hooks do to each output.
stdenvShrink() {
    local file
    if [[ -n ${dontPatchELF-} || ! -d $prefix ]]; then return 0; fi
    while IFS= read -r -d '' file; do
        if isELF "$file" && [[ -n $(patchelf --print-rpath "$file" 2>/dev/null) ]]; then
            patchelf --shrink-rpath "$file"
        fi
    done < <(find "$prefix" -type f -print0)
}

# After shrinking and before stripping, as the list of nixpkgs' default hooks has it.
stdenvAuditTmpdir() {
    local file directory name
    if [[ -n ${noAuditTmpdir-} || ! -e $prefix ]]; then return 0; fi
    while IFS= read -r -d '' file; do
        if isELF "$file"; then
            if { printf :; patchelf --print-rpath "$file" 2>/dev/null; } | grep -qF ":$TMPDIR/"; then
                echo "RPATH of binary $file contains a forbidden reference to $TMPDIR/" >&2
                exit 1
            fi
        elif isScript "$file"; then
            directory=${file%/*} name=${file##*/}
            if [[ -e $directory/.$name-wrapped ]] && grep -qF "$TMPDIR/" "$file"; then
                echo "wrapper script $file contains a forbidden reference to $TMPDIR/" >&2
                exit 1
            fi
        fi
    done < <(find "$prefix" -type f -not -path '*/.build-id/*' -print0)
}

stdenvStrip() {
    local file
    if [[ -n ${dontStrip-} || ! -d $prefix ]]; then return 0; fi
    while IFS= read -r -d '' file; do
        if isELF "$file"; then strip -S -p "$file" 2>/dev/null || true; fi
    done < <(find "$prefix" -type f -not -name '*.o' -print0)
}

genericBuild() {
    local phase
    for phase in unpackPhase configurePhase buildPhase checkPhase installPhase fixupPhase installCheckPhase distPhase; do
        case $phase in
            checkPhase) if [[ -z ${doCheck-} ]]; then continue; fi ;;
            installCheckPhase) if [[ -z ${doInstallCheck-} ]]; then continue; fi ;;
            fixupPhase) if [[ -n ${dontFixup-} ]]; then continue; fi ;;
            distPhase) if [[ -z ${distPhase-} ]]; then continue; fi ;;
        esac
        if [[ -n ${!phase-} ]]; then eval "${!phase}"; else "$phase"; fi
    done
}

# --- start --------------------------------------------------------------------------------------

# shellcheck disable=SC1091 # beside this file in the store
source "$stdenv/generation.sh"

stdenvInputs
PATH=${stdenvPath:+$stdenvPath:}$PATH
fixupOutputHooks+=(stdenvShrink stdenvAuditTmpdir stdenvStrip)

set +u
prefix=$out
# The first of these outputs that the package has, where no attribute names another.
stdenvOutputs=" $(getAllOutputNames) "
: "${outputDev:=out}" "${outputBin:=out}" "${outputLib:=out}"
if [[ $outputDev == out && $stdenvOutputs == *" dev "* ]]; then outputDev=dev; fi
if [[ $outputBin == out && $stdenvOutputs == *" bin "* ]]; then outputBin=bin; fi
if [[ $outputLib == out && $stdenvOutputs == *" lib "* ]]; then outputLib=lib; fi
unset stdenvOutputs
mkdir -p build
cd build
runHook postHook
