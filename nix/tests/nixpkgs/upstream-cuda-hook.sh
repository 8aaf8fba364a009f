# shellcheck shell=bash
# Does nothing: the tests only compare the names of hooks.
