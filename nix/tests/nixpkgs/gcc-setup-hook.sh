# shellcheck shell=bash
# Like nixpkgs' wrapper, but only after all hooks have been sourced, so that none relies on it.
gccExport() { export CC=cc NIX_CC=@out@; }
postHooks+=(gccExport)
