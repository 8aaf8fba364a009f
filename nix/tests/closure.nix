# A package whose references are of all kinds, for tests/nix/closure.rs.
let
  make =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-euc"
        "PATH=/usr/bin:/bin; ${script}"
      ];
    };
  library =
    name: more:
    make name ''
      mkdir -p "$out/lib"
      echo 'int ${name}(void) { return 1; }' >${name}.c
      gcc -shared -fPIC ${name}.c -o "$out/lib/lib${name}.so" -Wl,-soname,lib${name}.so
      ${more}
    '';
  data = make "data-1.0" ''mkdir "$out" && head -c 3000001 /dev/zero >"$out/zeroes"'';
  used = library "used" ''echo ${data} >"$out/data"'';
  unused = library "unused" ''echo "$out" >"$out/self"; chmod +x "$out/self"'';
  text = make "text-2.0" ''echo "no more" >"$out"'';
  linked = make "linked" ''ln -s ${text} "$out"'';
  named = make "named" ''echo a >"$out"'';
  # Nix does not see references in compressed files.
  packed = make "packed" ''echo b >"$out"'';
in
make "package" ''
  mkdir -p "$out/bin" "$out/share/$(basename ${named})"
  echo 'int used(void); int main(void) { return used(); }' >main.c
  gcc main.c -o "$out/bin/main" -L${used}/lib -lused -Wl,-rpath,${used}/lib:${unused}/lib:$out/lib
  ln -s ${linked} "$out/share/link"
  echo "$out" >"$out/share/self"
  echo ${packed} | gzip -n >"$out/share/packed.gz"
''
