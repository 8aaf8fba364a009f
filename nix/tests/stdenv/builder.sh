# shellcheck shell=bash
# Starts a build: the attributes first, which structured derivations have in a file.
if [[ -e ${NIX_ATTRS_SH_FILE:-.attrs.sh} ]]; then
    source "${NIX_ATTRS_SH_FILE:-.attrs.sh}"
    for stdenvEnvName in "${!env[@]}"; do
        declare -x "$stdenvEnvName=${env[$stdenvEnvName]}"
    done
    for stdenvEnvName in "${!outputs[@]}"; do
        declare -x "$stdenvEnvName=${outputs[$stdenvEnvName]}"
    done
fi
source "$stdenv/setup"
genericBuild
exit 0
