# shellcheck shell=bash
# Like nixpkgs' wrapper: where the linker's support files are, by role. Only after all hooks have
# been sourced, so that none relies on it earlier.
case $targetOffset in
    -1) bintoolsRoleForBuild() { export NIX_BINTOOLS_FOR_BUILD=@out@; }; postHooks+=(bintoolsRoleForBuild) ;;
    0) bintoolsRole() { export NIX_BINTOOLS=@out@; }; postHooks+=(bintoolsRole) ;;
    1) bintoolsRoleForTarget() { export NIX_BINTOOLS_FOR_TARGET=@out@; }; postHooks+=(bintoolsRoleForTarget) ;;
esac
