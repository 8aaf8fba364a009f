# Mocks of nixpkgs' own hooks, over the machine's patchelf: their variables, their rules as in
# ../../../docs/hooks.md, and their faults.
final:
let
  inherit (final) bintools makeSetupHook;
  driverLink = "/run/opengl-driver";
  functions = makeSetupHook {
    name = "add-driver-runpath";
    substitutions = { inherit driverLink; };
    passthru = { inherit driverLink; };
  } ./upstream-driver-runpath.sh;
  auto = makeSetupHook {
    name = "auto-add-driver-runpath-hook";
    propagatedBuildInputs = [ functions ];
  } ./upstream-auto-driver-runpath.sh;
in
{
  autoPatchelfHook = makeSetupHook {
    name = "auto-patchelf-hook";
    propagatedBuildInputs = [ bintools ];
  } ./upstream-auto-patchelf.sh;
  auto-patchelf = throw "the stand-in for nixpkgs has no program auto-patchelf";
  autoFixElfFiles = functions;
  addDriverRunpath = functions;
  autoAddDriverRunpath = auto;
  addOpenGLRunpath = functions;
  autoAddOpenGLRunpathHook = auto;
}
