// A Python extension of the stable ABI: saxpy.run() computes on the GPU and returns "right result"
// or CUDA's own words.
#define Py_LIMITED_API 0x03080000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cuda_runtime.h>

__global__ void twice(int *values) { values[threadIdx.x] *= 2; }

static PyObject *run(PyObject *, PyObject *)
{
    int *values;
    cudaError_t error = cudaMallocManaged(&values, 32 * sizeof *values);
    if (error == cudaSuccess) {
        for (int i = 0; i < 32; i++)
            values[i] = i;
        twice<<<1, 32>>>(values);
        error = cudaGetLastError();
        if (error == cudaSuccess)
            error = cudaDeviceSynchronize();
    }
    if (error != cudaSuccess)
        return PyUnicode_FromString(cudaGetErrorString(error));
    return PyUnicode_FromString(values[21] == 42 ? "right result" : "wrong result");
}

static PyMethodDef methods[] = {{"run", run, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module_definition = {PyModuleDef_HEAD_INIT, "saxpy", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_saxpy(void) { return PyModule_Create(&module_definition); }
