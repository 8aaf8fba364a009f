# checkWheels { wheels = [ … ]; }: whether a set's libraries suit wheels, as a derivation that fails with
# the reason where one does not. `wheels` are files or unpacked directories, `packages` the set's
# libraries.
{
  lib,
  runCommand,
  unzip ? null,
  cuda-fixup,
}:
{
  wheels,
  packages,
  name ? "wheels-suit",
}:
runCommand name
  {
    inherit wheels;
    nativeBuildInputs = lib.optional (unzip != null) unzip;
    libraries = map (package: "${lib.getLib package}") packages;
  }
  ''
    directories=()
    number=0
    for wheel in $wheels; do
        if [[ -d $wheel ]]; then
            directories+=("$wheel")
        else
            number=$((number + 1))
            unzip -q -d "wheel-$number" "$wheel"
            directories+=("wheel-$number")
        fi
    done
    ${cuda-fixup}/bin/cuda-fixup redist check-wheel "''${directories[@]}" --set $libraries >found || status=$?
    cat found
    [[ ''${status-0} == 0 ]] || exit "$status"
    cp found "$out"
  ''
