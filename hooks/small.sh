# shellcheck shell=bash
# A look at outputs of a few files, without a process: whether there is anything for the program to do.
# What these functions can't see in full they leave to it. Read at the end of a build only.

if declare -F cudaFixupFiles >/dev/null; then return 0; fi

# An ELF file was there: another look would only cost time.
cudaFixupElfSeen=''

# cudaFixupFiles DIRECTORY…: lists the files in so few directories that reading them here takes less
# time than the start of a process, in the caller's array `files`, and counts links in `links`. Fails
# where there is more than that, or anything that the program has a message for.
cudaFixupFiles() {
    local entry LC_ALL=C
    local -i at=0 seen=0
    local -a directories=("$@")
    local -
    set +f
    # With these options, globs list other things.
    if [[ -n $cudaFixupElfSeen${GLOBIGNORE-} || :$BASHOPTS: == *:@(dotglob|failglob):* ]]; then return 1; fi
    for (( ; at < ${#directories[@]}; at++ )); do
        entry=${directories[at]}
        if [[ -L $entry || ! -d $entry || ! -r $entry || ! -x $entry ]]; then return 1; fi
        for entry in "$entry"/* "$entry"/.[!.]* "$entry"/..?*; do
            if [[ -L $entry ]]; then links+=1
            elif [[ -d $entry ]]; then directories+=("$entry")
            elif [[ -f $entry && -r $entry ]]; then files+=("$entry")
            elif [[ -e $entry ]]; then return 1
            # A pattern that matches nothing.
            else continue
            fi
            if (( ++seen > 16 )); then return 1; fi
        done
    done
}

# cudaFixupHasNoElf DIRECTORY…: whether no file begins as ELF files do, as far as that is seen quickly.
# The caller's `others` says then how many there are, as the program does.
cudaFixupHasNoElf() {
    local file magic LC_ALL=C
    local -i links=0
    local -a files=()
    if ! cudaFixupFiles "$@"; then return 1; fi
    for file in "${files[@]}"; do
        # Up to a NUL byte: bash drops those, and would read a file that is full of them to its end.
        IFS= read -r -d '' -n 4 magic <"$file" || true
        if [[ $magic == $'\x7fELF' ]]; then
            cudaFixupElfSeen=1
            return 1
        fi
    done
    links+=${#files[@]}
    # shellcheck disable=SC2034 # the caller's
    others="$links other files"
    # shellcheck disable=SC2034
    if (( links == 1 )); then others='1 other file'; fi
}
