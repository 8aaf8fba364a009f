# Checks of built packages: `cuda-fixup lint` in one small derivation for each package, so that
# auditing a whole package set spreads over Nix's own remote builders.
{
  lib,
  runCommand,
  cuda-fixup,
}:
let
  outputsOf = drv: map (output: "${lib.getOutput output drv}") (drv.outputs or [ "out" ]);
in
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
      { paths = outputsOf drv; }
      ''
        mkdir "$out"
        status=0
        ${cuda-fixup}/bin/cuda-fixup lint --format json ${lib.escapeShellArgs flags} -- $paths \
            >"$out/lint.jsonl" || status=$?
        if (( status > 1 )); then exit "$status"; fi
        echo "$status" >"$out/status"
      '';

  # A page that shows all outputs of a package at a glance: `report.html`, which Hydra lists among
  # the products of the build. With `before`, another version of the package, it shows the changes.
  report =
    {
      drv,
      before ? null,
      flags ? [ ],
    }:
    runCommand "report-${lib.getName drv}"
      {
        paths = outputsOf drv;
        earlier = lib.optionals (before != null) (outputsOf before);
      }
      ''
        mkdir -p "$out/nix-support"
        changes=()
        for each in $earlier; do changes+=(--before "$each"); done
        ${cuda-fixup}/bin/cuda-fixup report --output "$out/report.html" ''${changes[@]+"''${changes[@]}"} \
            ${lib.escapeShellArgs flags} -- $paths
        echo "report cuda-fixup $out report.html" >"$out/nix-support/hydra-build-products"
      '';

  # The changes between two versions of a package, output by output: `diff.md` for a pull request,
  # `diff.jsonl`, and `status`, which is 1 where something got worse.
  diff =
    {
      before,
      after,
      accept ? [ ],
    }:
    let
      known = before.outputs or [ "out" ];
      names = lib.filter (name: lib.elem name known) (after.outputs or [ "out" ]);
      pair = name: "${lib.getOutput name before} ${lib.getOutput name after}";
      flags = lib.concatMap (topic: [ "--accept" topic ]) accept;
    in
    runCommand "diff-${lib.getName after}" { pairs = lib.concatStringsSep "\n" (map pair names); } ''
      mkdir "$out"
      status=0
      while read -r before after; do
          for format in markdown json; do
              ended=0
              ${cuda-fixup}/bin/cuda-fixup diff --format "$format" ${lib.escapeShellArgs flags} -- \
                  "$before" "$after" >>"$out/diff.$format" || ended=$?
              if (( ended > 1 )); then exit "$ended"; fi
              if (( ended )); then status=1; fi
          done
      done <<<"$pairs"
      mv "$out/diff.markdown" "$out/diff.md"
      mv "$out/diff.json" "$out/diff.jsonl"
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
