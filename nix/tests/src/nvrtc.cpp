// Compiles a kernel when it runs, as frameworks do: NVRTC loads its built-in functions by name, and
// needs no GPU.
#include <cstdio>
#include <nvrtc.h>
#include <string>

int main() {
    const char *source = "extern \"C\" __global__ void f(float *x) { x[threadIdx.x] = sqrtf(x[0]); }";
    nvrtcProgram program;
    if (nvrtcCreateProgram(&program, source, "f.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
        return 1;
    const char *options[] = {"--gpu-architecture=compute_80"};
    nvrtcResult result = nvrtcCompileProgram(program, 1, options);
    size_t size = 0;
    if (result != NVRTC_SUCCESS || nvrtcGetPTXSize(program, &size) != NVRTC_SUCCESS) {
        std::printf("%s\n", nvrtcGetErrorString(result));
        return 1;
    }
    std::string ptx(size, '\0');
    nvrtcGetPTX(program, &ptx[0]);
    bool found = ptx.find(".target sm_80") != std::string::npos;
    std::printf("%s\n", found ? "fine" : "no PTX for sm_80");
    return !found;
}
