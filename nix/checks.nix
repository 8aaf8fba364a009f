# Checks of built packages: `cuda-fixup lint` in one small derivation for each package, so that
# auditing a whole package set spreads over Nix's own remote builders.
{
  lib,
  runCommand,
  cuda-fixup,
}:
rec {
  # Findings of lint for all outputs of a package: `lint.jsonl`, one JSON object a line, and
  # `status`, which is 1 if there are errors. Errors do not fail this derivation, so that a joined
  # report can show those of all packages.
  lintOutputs = lintOutputsWith { };

  # The same with flags of `cuda-fixup lint`, say [ "--deny" "CODE" ].
  lintOutputsWith =
    {
      flags ? [ ],
    }:
    drv:
    runCommand "lint-${lib.getName drv}"
      { paths = map (output: "${lib.getOutput output drv}") (drv.outputs or [ "out" ]); }
      ''
        mkdir "$out"
        status=0
        ${cuda-fixup}/bin/cuda-fixup lint --format json ${lib.escapeShellArgs flags} -- $paths \
            >"$out/lint.jsonl" || status=$?
        if (( status > 1 )); then exit "$status"; fi
        echo "$status" >"$out/status"
      '';

  # The findings in all these packages, in the order of the list, in one file: `$out`. It fails
  # where there are errors, unless `keepGoing`.
  lintClosure =
    {
      drvs,
      flags ? [ ],
      keepGoing ? false,
    }:
    runCommand "lint-closure" { findings = map (lintOutputsWith { inherit flags; }) drvs; } ''
      status=0
      for each in $findings; do
          cat "$each/lint.jsonl"
          if [[ $(<"$each/status") != 0 ]]; then status=1; fi
      done >"$out"
      if (( status )) && [[ -z "${lib.optionalString keepGoing "1"}" ]]; then
          cat "$out" >&2
          exit 1
      fi
    '';
}
