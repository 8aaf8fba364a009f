# shellcheck shell=bash
# cudaComponentHook: nixpkgs' newest generation (cuda-modules/packages/cudaComponentHook). A published
# package has its metadata in nix-support/cuda-component and sources this hook from its own setup hook,
# so that packages name only components.
# shellcheck source=toolkit.sh
source "@toolkit@"

if [[ -n ${_cudaComponentHookSourced-} ]]; then return 0; fi
declare -g _cudaComponentHookSourced=1
declare -g _cudaComponentHookPath="@cudaComponentHook@"
# nixpkgs' tables, which its tests read: "HOST:TARGET:PATH", and "HOST:TARGET:COMPONENT:OUTPUT" -> path.
declare -gA _cudaCollectedDependencies=() _cudaComponentRegistry=()
cudaFixupRelease="@cudaMajorMinorVersion@"

_cudaError() { "${cudaFixupSay[error]}" "$*"; }

# --- collecting -----------------------------------------------------------------------------------

# _cudaExportUnique VARIABLE VALUE WHAT: two values for one role are an error.
_cudaExportUnique() {
    if [[ -n ${!1-} && ${!1} != "$2" ]]; then
        _cudaError "conflicting $3 for $1: ${!1} and $2"
        return 1
    fi
    export "$1=$2"
}

# _cudaResolveCompiler OUTPUT COMPILER VARIABLE: the path of a compiler that is named below its output.
_cudaResolveCompiler() {
    if [[ $2 == /* || /$2/ == */../* ]]; then
        _cudaError "compiler must be relative to its component output: $2"
        return 1
    fi
    if [[ ! -f $1/$2 || ! -x $1/$2 ]]; then
        _cudaError "compiler is not an executable file: $1/$2"
        return 1
    fi
    printf -v "$3" %s "$1/$2"
}

_cudaValidateIdentifier() {
    if [[ $2 =~ ^[A-Za-z0-9][A-Za-z0-9._+-]*$ ]]; then return 0; fi
    _cudaError "invalid $1: $2"
    return 1
}

# _cudaCollectComponent PACKAGE: the env hook. Libraries and headers have the role of what they are
# for, compilers that of what they compile for. Without strictDeps there is one role.
_cudaCollectComponent() {
    local marker=$1/nix-support/cuda-component offsets='*:*' key suffix='' path=''
    local -A cudaComponentMetadata=() suffixes=([-1]=_FOR_BUILD [0]='' [1]=_FOR_TARGET)
    if [[ ! -f $marker ]]; then return 0; fi
    if [[ -n ${strictDeps-} ]]; then offsets=${depHostOffset:?}:${depTargetOffset:?}; fi
    key=${offsets#'*:*'}${strictDeps:+:}$1
    if [[ -n ${_cudaCollectedDependencies[$key]-} ]]; then return 0; fi
    # shellcheck disable=SC1090 # bash's own declaration of an array, by a package that is sourced anyway
    source "$marker"
    _cudaCheckMetadata "$marker" || return
    local compiler=${cudaComponentMetadata[compiler]-} release=${cudaComponentMetadata[cudaMajorMinorVersion]-}
    local component=${cudaComponentMetadata[component]} output=${cudaComponentMetadata[output]}
    if [[ -n ${strictDeps-} ]]; then
        suffix=${suffixes[$depHostOffset]}
        if [[ -n $compiler ]]; then suffix=${suffixes[$depTargetOffset]}; fi
    fi
    if [[ -n $compiler ]]; then _cudaResolveCompiler "$1" "$compiler" path || return; fi
    if [[ -n $release ]]; then
        _cudaExportUnique "NIX_CUDA_MAJOR_MINOR_VERSION$suffix" "$release" "CUDA major-minor versions" || return
    fi
    local registered=${_cudaComponentRegistry["$offsets:$component:$output"]-}
    if [[ -n $registered && $registered != "$1" ]]; then
        _cudaError "conflicting output $component:$output for dependency role $offsets: $registered and $1"
        return 1
    fi
    _cudaComponentRegistry["$offsets:$component:$output"]=$1
    _cudaCollectedDependencies[$key]=1
    # A compiler that doesn't run in this build is a library to it: nothing is compiled with it.
    if [[ -n $compiler && -n ${strictDeps-} ]] && (( depHostOffset >= 0 )); then return 0; fi
    if [[ -n $compiler ]]; then
        _cudaExportUnique "NIX_CUDA_COMPILER$suffix" "$path" "CUDA compilers" || return
        _cudaExportUnique "NIX_CUDA_COMPILER_ROOT$suffix" "$1" "CUDA compiler roots" || return
        cudaFixupCompilers[$1]=$path
    fi
    cudaFixupAddPiece "$1"
}
addEnvHooks -1 _cudaCollectComponent
addEnvHooks 0 _cudaCollectComponent
addEnvHooks 1 _cudaCollectComponent

# _cudaCheckMetadata FILE: what `source` has read from it.
_cudaCheckMetadata() {
    local key
    for key in "${!cudaComponentMetadata[@]}"; do
        case $key in
            # hostCompiler is of the first version of this format.
            format | component | output | cudaMajorMinorVersion | cudaComponentVersion | compiler | hostCompiler) ;;
            *)
                _cudaError "unknown field \"$key\" in $1"
                return 1
                ;;
        esac
    done
    for key in component output cudaComponentVersion; do
        if [[ -z ${cudaComponentMetadata[$key]-} ]]; then
            _cudaError "invalid component metadata in $1: no $key"
            return 1
        fi
    done
    if [[ ${cudaComponentMetadata[format]-} != 3 ]]; then
        _cudaError "invalid component metadata in $1: format ${cudaComponentMetadata[format]-}, expected 3"
        return 1
    fi
    _cudaValidateIdentifier "component name" "${cudaComponentMetadata[component]}" || return
    _cudaValidateIdentifier "output name" "${cudaComponentMetadata[output]}"
}

# --- publishing -----------------------------------------------------------------------------------

# With cudaPublishComponent the outputs become components: metadata, and a setup hook that begins with
# this one, since the package's own may return early. A compiler is published by the output that has it.
_cudaPublishComponents() {
    local output names path release=${cudaMajorMinorVersion:-$cudaFixupRelease} IFS=$' \t\n'
    local component=${cudaComponentName:-${pname:-${name:?}}} version=${cudaComponentVersion:-${version-}}
    local -A cudaComponentMetadata=([format]=3 [component]="$component" [cudaComponentVersion]="$version")
    if [[ -z ${cudaPublishComponent-} ]]; then return 0; fi
    _cudaValidateIdentifier "component name" "$component" || return
    if [[ -z $version ]]; then
        _cudaError "cudaComponentVersion is required for $component"
        return 1
    fi
    if [[ -n $release && ! $release =~ ^[0-9]+\.[0-9]+$ ]]; then
        _cudaError "cudaMajorMinorVersion: expected a release such as 12.4, found $release"
        return 1
    fi
    if [[ -n $release ]]; then cudaComponentMetadata[cudaMajorMinorVersion]=$release; fi
    if [[ -n ${cudaCompilerExecutable-} ]]; then cudaComponentMetadata[compiler]=$cudaCompilerExecutable; fi
    names=$(getAllOutputNames) || return
    if [[ -n ${cudaCompilerExecutable-} ]]; then names=${outputBin:-out}; fi
    for output in $names; do
        path=${!output}
        if [[ -n ${cudaCompilerExecutable-} ]]; then
            _cudaResolveCompiler "$path" "$cudaCompilerExecutable" path || return
            path=${!output}
        elif [[ $output == debug || ! -d $path ]]; then
            continue
        fi
        cudaComponentMetadata[output]=$output
        mkdir -p "$path/nix-support" || return
        declare -p cudaComponentMetadata >"$path/nix-support/cuda-component" || return
        _cudaInstallSetupHook "$path/nix-support/setup-hook" || return
    done
}

_cudaInstallSetupHook() {
    local own=''
    if [[ -f $1 ]]; then
        # One that was copied out of the store is read-only.
        own=$(<"$1") && chmod u+w "$1" || return
    fi
    printf 'source %q\n%s\n' "$_cudaComponentHookPath/nix-support/setup-hook" "$own" >"$1"
}

# --- passing on -----------------------------------------------------------------------------------

# cudaPropagateDependenciesToOutput = "cxxdev": that output passes the components on, each in the role
# that it has here, and the package's development output.
_cudaPropagateComponentDependencies() {
    local name=${cudaPropagateDependenciesToOutput-} list file package
    local -a packages
    if [[ -z $name ]]; then return 0; fi
    if [[ -z ${!name-} ]]; then
        _cudaError "cudaPropagateDependenciesToOutput names an unknown output: $name"
        return 1
    fi
    # setup.sh's accumulators of inputs, and the file that each is written to.
    while read -r list file; do
        local -n cudaFixupAccumulated=$list
        packages=()
        for package in "${cudaFixupAccumulated[@]}"; do
            if [[ -f $package/nix-support/cuda-component ]]; then packages+=("$package"); fi
        done
        if [[ $list == pkgsHostTarget && ${outputDev:?} != "$name" ]]; then packages+=("${!outputDev}"); fi
        _cudaMergePropagatedInputs "${!name}/nix-support/$file" "${packages[@]}" || return
    done <<'EOF'
pkgsBuildBuild propagated-build-build-deps
pkgsBuildHost propagated-native-build-inputs
pkgsBuildTarget propagated-build-target-deps
pkgsHostHost propagated-host-host-deps
pkgsHostTarget propagated-build-inputs
pkgsTargetTarget propagated-target-target-deps
EOF
}

# _cudaMergePropagatedInputs FILE PACKAGE…: appends them, each once, in the order of the caller.
_cudaMergePropagatedInputs() {
    local file=$1 package IFS=$' \t\n'
    local -a merged=()
    local -A known=()
    shift
    # shellcheck disable=SC2046 # its words are the packages
    if [[ -f $file ]]; then set -- $(<"$file") "$@"; fi
    for package; do
        if [[ -n ${known[$package]-} ]]; then continue; fi
        known[$package]=1
        merged+=("$package")
    done
    if (( ${#merged[@]} == 0 )); then return 0; fi
    mkdir -p "${file%/*}" || return
    echo "${merged[*]}" >"$file"
}

postFixupHooks+=(_cudaPublishComponents _cudaPropagateComponentDependencies)
