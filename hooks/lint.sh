# shellcheck shell=bash
# cudaFixupLintHook: `cuda-fixup lint` over the outputs, after everything else has been done to them.
# An error stops the build.
# shellcheck source=lib.sh
source "@lib@"

# As a part of cudaFixupHook it waits to be asked for, by itself it doesn't.
cudaFixupLintDefault=${cudaFixupLintDefault:-@default@}

cudaFixupLintOutputs() {
    local line status=0
    local -a cudaFixupArgs=() capabilities=() lines=() parts=() paths=()
    if [[ -z ${cudaFixupLint-$cudaFixupLintDefault} ]]; then return 0; fi
    cudaFixupOutputs paths || return
    if (( ${#paths[@]} == 0 )); then return 0; fi
    if [[ -n $cudaFixupDriverLink ]]; then cudaFixupArgs+=("--driver-link=$cudaFixupDriverLink"); fi
    cudaFixupActive parts
    if [[ " ${parts[*]} " == *" addDriverRunpathPart "* && ${cudaFixupDriverRunpath:-all} == all ]]; then
        cudaFixupArgs+=(--driver-link-everywhere)
    fi
    cudaFixupList capabilities cudaCapabilities
    cudaFixupArgs+=("${capabilities[@]/#/--capabilities=}" "${cudaFixupNvccLibs[@]/#/--host-compiler=}")
    cudaFixupOptions --allow cudaFixupLintAllow
    cudaFixupList cudaFixupArgs cudaFixupLintFlags
    mapfile -t lines < <("@cudaFixup@" lint "${cudaFixupArgs[@]}" -- "${paths[@]}" 2>&1)
    wait "$!" || status=$?
    for line in "${lines[@]}"; do "${cudaFixupSay[log]}" "$line"; done
    if (( status )); then
        "${cudaFixupSay[error]}" "cuda-fixup lint ended with status $status; \`cuda-fixup lint --explain CODE\` tells" \
            "why, and cudaFixupLintAllow = [ \"CODE\" ] lets a finding pass"
    fi
    return "$status"
}

# All hooks have been sourced by then: what they do in postFixup comes first, whatever their order.
cudaFixupLintLast() { postFixupHooks+=(cudaFixupLintOutputs); }
if [[ " ${postHooks[*]-} " != *" cudaFixupLintLast "* ]]; then postHooks+=(cudaFixupLintLast); fi
