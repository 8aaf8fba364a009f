# shellcheck shell=bash
# Starts a build: the attributes first, which structured derivations have in a file.
# In a sandbox, older Nix names the file by its path outside.
if [[ -e .attrs.sh ]]; then
    source .attrs.sh
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
