# What kind each package is, and which libraries it loads: the outputs of an archive that can't be
# opened at evaluation. An output that turns out to be empty is made empty.
#
# A package that is not here has all outputs; an override names better ones.
let
  library = [
    "out"
    "dev"
    "include"
    "lib"
    "static"
  ];
  withStubs = library ++ [ "stubs" ];
  headers = [
    "out"
    "dev"
    "include"
  ];
  tool = [
    "out"
    "bin"
  ];
  whole = [ "out" ];
  kind = outputs: { inherit outputs; };
  using = outputs: inputs: { inherit outputs inputs; };
  # Programs that MPI starts, and libraries of their own.
  benchmarks =
    mpi:
    using whole [
      "cuda_cudart"
      "libcublas"
      "libcusolver"
      "libcusparse"
      "libnvshmem"
      "nccl"
      "nvpl_blas"
      "nvpl_lapack"
      "nvpl_sparse"
    ]
    // {
      ofNixpkgs = [ mpi ];
      ignoreMissing = [ "*" ];
    };
in
{
  # Of a package that is not in the table below.
  default = kind [
    "out"
    "bin"
    "dev"
    "include"
    "lib"
    "static"
    "stubs"
    "doc"
    "samples"
  ];

  packages = {
    cccl = kind headers;
    collectx_bringup = kind whole;
    cuda_cccl = kind headers;
    cuda_compat = kind whole;
    cuda_crt = kind headers;
    cuda_ctadvisor = kind tool;
    # nvcc links the static runtime by default, and -lcuda finds the stub.
    cuda_cudart = kind withStubs // {
      propagatedOutputs = [
        "static"
        "stubs"
      ];
    };
    cuda_culibos = kind [
      "out"
      "static"
    ];
    cuda_cuobjdump = kind tool;
    cuda_cupti = kind (library ++ [ "samples" ]);
    cuda_cuxxfilt = kind [
      "out"
      "bin"
      "dev"
      "include"
      "static"
    ];
    cuda_demo_suite = using whole [
      "libcufft"
      "libcurand"
    ];
    cuda_documentation = kind whole;
    cuda_gdb = kind tool;
    cuda_memcheck = kind tool;
    cuda_nsight = kind whole;
    # Before 13.0 they are part of it.
    cuda_nvcc = kind whole // {
      propagated = [
        "cuda_crt"
        "libnvvm"
      ];
    };
    cuda_nvdisasm = kind tool;
    cuda_nvml_dev = kind (headers ++ [ "lib" "stubs" ]);
    cuda_nvprof = using (tool ++ [ "lib" ]) [ "cuda_cupti" ];
    cuda_nvprune = kind tool;
    cuda_nvrtc = kind withStubs;
    cuda_nvtx = kind (headers ++ [ "lib" ]);
    cuda_nvvp = kind whole;
    cuda_opencl = kind (headers ++ [ "lib" ]);
    cuda_profiler_api = kind headers;
    cuda_sandbox_dev = kind whole;
    cuda_sanitizer_api = kind whole;
    cudnn = using library [
      "cuda_nvrtc"
      "libcublas"
    ];
    cudnn_jit = using library [
      "cuda_nvrtc"
    ];
    cudnn_samples = kind whole;
    cuquantum = using library [
      "libcublas"
      "libcusolver"
      "libcusparse"
      "libcutensor"
    ];
    driver_assistant = kind whole;
    fabricmanager = kind (tool ++ [ "dev" "include" "lib" ]);
    imex = kind whole;
    libcal = kind library;
    libcublas = kind withStubs;
    libcublasmp = using library [
      "cuda_cudart"
      "libcal"
      "libcublas"
    ];
    libcudla = kind withStubs;
    libcudss = using library [ "libcublas" ];
    libcufft = kind withStubs;
    libcufile = kind (library ++ [ "samples" ]);
    libcurand = kind withStubs;
    libcusolver = using withStubs [
      "libcublas"
      "libcusparse"
      "libnvjitlink"
    ];
    libcusolvermp = using library [
      "cuda_cudart"
      "libcal"
      "libcublas"
      "libcusolver"
    ];
    libcusparse = using withStubs [ "libnvjitlink" ];
    libcusparse_lt = using library [
      "cuda_cudart"
      "libcublas"
      "libcusparse"
    ];
    libcutensor = using library [
      "cuda_cudart"
      "libcublas"
    ];
    libnpp = kind withStubs;
    libnpp_plus = using library [ "libnpp" ];
    libnvfatbin = kind withStubs;
    libnvidia_nscq = kind [
      "out"
      "lib"
    ];
    libnvjitlink = kind withStubs;
    libnvjpeg = kind withStubs;
    libnvjpeg_2k = kind library;
    libnvptxcompiler = kind [
      "out"
      "dev"
      "include"
      "static"
    ];
    libnvsdm = kind [
      "out"
      "dev"
      "include"
      "lib"
    ];
    libnvshmem =
      using (library ++ [ "bin" ]) [ "nccl" ]
      // {
        # Bootstraps and transports that are loaded if their network is there.
        ofNixpkgs = [
          "libfabric"
          "openmpi"
          "pmix"
          "rdma-core"
          "ucx"
        ];
        ignoreMissing = [
          "libfabric.so.*"
          "libibverbs.so.*"
          "libmlx5.so.*"
          "libmpi.so.*"
          "liboshmem.so.*"
          "libpmix.so.*"
          "libuc*.so.*"
        ];
      };
    libnvtiff = kind library;
    libnvvm = kind whole;
    libnvvm_samples = kind whole;
    mft = kind whole;
    mft_autocomplete = kind whole;
    mft_oem = kind whole;
    nsight_compute = kind whole;
    nsight_systems = kind whole;
    nvcomp = kind library;
    # 32-bit libraries among them; wrappers.nix runs programs with it.
    nvidia_driver = kind whole // {
      ignoreMissing = [ "*" ];
    };
    nvidia_fs = kind whole;
    nvidia_hpc_benchmarks_mpich = benchmarks "mpich";
    nvidia_hpc_benchmarks_openmpi = benchmarks "openmpi";
    nvimgcodec = using (library ++ [ "bin" ]) [
      "cuda_cudart"
      "libnvjpeg"
      "libnvjpeg_2k"
      "libnvtiff"
    ];
    nvlsm = kind whole;
    nvpl_blas = using library [ "nvpl_common" ];
    nvpl_common = kind headers;
    nvpl_fft = using library [ "nvpl_common" ];
    nvpl_lapack = using library [
      "nvpl_blas"
      "nvpl_common"
    ];
    nvpl_rand = using library [ "nvpl_common" ];
    nvpl_scalapack = using library [
      "nvpl_blas"
      "nvpl_common"
      "nvpl_lapack"
    ];
    nvpl_sparse = using library [ "nvpl_common" ];
    nvpl_tensor = using library [
      "nvpl_blas"
      "nvpl_common"
    ];
    tensorrt = using (library ++ [ "bin" "samples" ]) [
      "cuda_cudart"
      "cudnn"
    ];
  };

  # What NVIDIA's installer puts into one directory, without the programs with windows.
  toolkit = [
    "cuda_cccl"
    "cuda_crt"
    "cuda_cudart"
    "cuda_cuobjdump"
    "cuda_cupti"
    "cuda_cuxxfilt"
    "cuda_nvcc"
    "cuda_nvdisasm"
    "cuda_nvml_dev"
    "cuda_nvprune"
    "cuda_nvrtc"
    "cuda_nvtx"
    "cuda_profiler_api"
    "libcublas"
    "libcufft"
    "libcurand"
    "libcusolver"
    "libcusparse"
    "libnpp"
    "libnvfatbin"
    "libnvjitlink"
    "libnvjpeg"
    "libnvvm"
  ];

  # Libraries that wheels bring along or load.
  ofWheels = [
    "cuda_cudart"
    "cuda_cupti"
    "cuda_nvrtc"
    "cudnn"
    "libcublas"
    "libcufft"
    "libcufile"
    "libcurand"
    "libcusolver"
    "libcusparse"
    "libcusparse_lt"
    "libnvjitlink"
    "nccl"
  ];

  # Packages that NVIDIA renamed: either name is there, whichever the release has.
  renamed = [
    [
      "cuda_cccl"
      "cccl"
    ]
    [
      "cuda_compat"
      "cuda_compat_orin"
    ]
  ];

  # What a package was part of before it had an archive of its own.
  partOf = {
    cuda_crt = "cuda_nvcc";
    cuda_culibos = "cuda_cudart";
    libnvptxcompiler = "cuda_nvcc";
    libnvvm = "cuda_nvcc";
  };
}
