# On top of cuda-fixup's overlay: others take it with theirs, and each adds to every set.
_: prev: {
  cudaFixupSets = (prev.cudaFixupSets or [ ]) ++ [
    {
      # Of `cuda-fixup redist index redistrib_VERSION.json >mine.json`.
      manifests = [
        {
          layer = "mine";
          files = [ ];
        }
      ];
      overrides.mine = [
        {
          package = "libcufft";
          attrs.postInstall = "echo patched";
        }
      ];
      extensions = [ (final: _: { my-cudart = final.cuda_cudart; }) ];
    }
  ];
}
