# shellcheck shell=bash
# June 2024: no log functions and no concatTo.
nixErrorLogOr() { echo "$*" >&2; }
