#!/bin/bash
# The machine's compiler as nixpkgs' wrappers call it: the store's loader, and a RUNPATH entry for
# each directory of the store that has a library of the link, as
# pkgs/build-support/bintools-wrapper/ld-wrapper.sh decides: for `-L DIR -l NAME` and for libraries
# by their path, in the order of the directories, and for nothing outside of the store. (The entry
# for the package's own lib, which shrinking drops again, is left out.)
# No build ID: that is a hash of store paths, too, and the tests compare programs without those.
dirs=() rpaths=() seen=' ' links=1 previous=''
declare -A libraries=()
for argument; do
    case $previous in
        -L) dirs+=("$argument") ;;
        -l) libraries[lib$argument.so]=1 ;;
        *)
            case $argument in
                -c | -E | -S) links= ;;
                -L?*) dirs+=("${argument#-L}") ;;
                -l?*) libraries[lib${argument#-l}.so]=1 ;;
                "${NIX_STORE:?}"/*.so | "$NIX_STORE"/*.so.*)
                    dirs+=("${argument%/*}")
                    libraries[${argument##*/}]=1
                    ;;
            esac
            ;;
    esac
    previous=$argument
done
if [[ ${NIX_DONT_SET_RPATH-} == 1 ]]; then dirs=(); fi
for dir in "${dirs[@]}"; do
    dir=$(realpath -sm "$dir")
    if [[ $dir != "$NIX_STORE"/* || $seen == *" $dir "* ]]; then continue; fi
    for file in "$dir"/*; do
        if [[ -n ${libraries[${file##*/}]-} ]]; then
            seen+="$dir "
            rpaths+=("-Wl,-rpath,$dir")
            break
        fi
    done
done
if [[ -z $links ]]; then exec /usr/bin/gcc "$@"; fi
exec /usr/bin/gcc "$@" "${rpaths[@]}" -Wl,--enable-new-dtags -Wl,--build-id=none -Wl,-dynamic-linker,@loader@
