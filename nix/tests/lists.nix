# How lib.sh reads lists, in a real build: spaces, globs, empty and unset ones. It fails by itself.
{
  stdenv,
  hook,
  structured,
  strictDeps,
}:
stdenv.mkDerivation {
  name = "lists";
  inherit strictDeps;
  __structuredAttrs = structured;
  nativeBuildInputs = [ hook ];
  words = [ "one" "lib*.so*" "[a-z]?" ];
  spaced = [ "two words" "lib nv*.so*" "" ];
  none = [ ];
  nothing = null;
  single = "just one string";
  number = 3;
  # Directories that an attribute names, and that the build adds to.
  extraAutoPatchelfLibs = [ "/first" "/second" ];
  buildPhase = ''
    # What a glob would find, were it one.
    touch libnv.so.1 "lib nv.so" xy a7
    expect() { # VARIABLE ELEMENT...
        local -a got=(before)
        cudaFixupList got "$1"
        shift
        local -a want=(before "$@")
        if [[ ''${got[*]@Q} != "''${want[*]@Q}" ]]; then
            echo "got ''${got[*]@Q}, not ''${want[*]@Q}" >&2
            return 1
        fi
    }
    expect words one 'lib*.so*' '[a-z]?'
    ${if structured then "expect spaced 'two words' 'lib nv*.so*'" else "expect spaced two words lib 'nv*.so*'"}
    expect none
    expect nothing
    expect unknown
    expect single just one string
    expect number 3
    appendToVar words 'more*'
    expect words one 'lib*.so*' '[a-z]?' 'more*'
    [[ $- != *f* ]]

    mkdir -p deep/er "deep/with space" empty
    touch deep/liba.so deep/er/libb.so.1 deep/er/libc.so "deep/with space/libd.so"
    addAutoPatchelfSearchPath --no-recurse -- deep
    expect extraAutoPatchelfLibs /first /second deep
    extraAutoPatchelfLibs=()
    addAutoPatchelfSearchPath deep empty not-there
    expect extraAutoPatchelfLibs deep deep/er 'deep/with space'
  '';
  installPhase = ''
    mkdir "$out"
  '';
  dontAutoPatchelf = true;
}
