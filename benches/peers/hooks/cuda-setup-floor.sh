# shellcheck shell=bash
# What setupCudaHook does beside nixpkgs' hook, and no more of it than must be: benches/floors/toolkit.c.
# shellcheck source=/dev/null
source "@theirs@"

floorFarm() {
    local nvcc
    nvcc=$(type -P nvcc)
    # shellcheck disable=SC2154 # cuda-setup.sh fills it
    "@floor@" farm "${NIX_BUILD_TOP:?}/cuda-toolkit" "$nvcc" "${!cudaPieces[@]}" "${nvcc%/bin/nvcc}"
}
postHooks+=(floorFarm)

# For RUNPATHs, and for everything else: only where there are libraries, as ours sees by itself.
floorSearch() {
    local -a libraries=("${out:?}"/lib/*.so)
    if (( ${#libraries[@]} )); then "@floor@" search "$NIX_BUILD_TOP/cuda-toolkit" "$out"; fi
}
preFixupHooks+=(floorSearch)
postFixupHooks+=(floorSearch)
