# shellcheck shell=bash
postFixupHooks+=('autoFixElfFiles addDriverRunpath')
