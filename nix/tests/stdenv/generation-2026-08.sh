# shellcheck shell=bash
# August 2026: all log functions.
nixErrorLogOr() { nixErrorLog "$@"; }
nixLog() { echo "${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; }
nixErrorLog() { echo "${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; }
nixWarnLog() { if (( ${NIX_DEBUG:-0} >= 1 )); then echo "WARN: ${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; fi; }
nixInfoLog() { if (( ${NIX_DEBUG:-0} >= 3 )); then echo "INFO: ${FUNCNAME[1]}: $*" >&"$NIX_LOG_FD"; fi; }
