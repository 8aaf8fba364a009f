# shellcheck shell=bash
# October 2024: log functions, but no nixLog; a concatTo that loses globs.
nixErrorLogOr() { nixErrorLog "$@"; }
nixErrorLog() { echo "${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; }
nixWarnLog() { if (( ${NIX_DEBUG:-0} >= 1 )); then echo "WARN: ${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; fi; }
