# The targets and variables of NCCL's Makefile that a package uses.
src.build:
	test -x "$(CUDA_HOME)/bin/nvcc"
	test -e "$(CUDA_HOME)/include/cuda_runtime.h"
	test "$(NVCC_GENCODE)" = "-gencode=arch=compute_86,code=sm_86 -gencode=arch=compute_86,code=compute_86"
	mkdir -p "$(BUILDDIR)"
	$(CXX) -x c -shared -fPIC -Wl,-soname,libnccl.so.2 -o "$(BUILDDIR)/libnccl.so.2.29.7" src/nccl.c
src.install:
	mkdir -p "$(PREFIX)/lib/pkgconfig" "$(PREFIX)/include"
	cp "$(BUILDDIR)/libnccl.so.2.29.7" "$(PREFIX)/lib/"
	ln -s libnccl.so.2.29.7 "$(PREFIX)/lib/libnccl.so.2"
	ln -s libnccl.so.2 "$(PREFIX)/lib/libnccl.so"
	# As nvlink does.
	printf '!<arch>\n&devrt -L %s/bin' "$(CUDA_HOME)" >"$(PREFIX)/lib/libnccl_static.a"
	echo 'int ncclGetVersion(int *);' >"$(PREFIX)/include/nccl.h"
	printf 'prefix=/usr/local\nlibdir=$${prefix}/lib\nName: nccl\n' >"$(PREFIX)/lib/pkgconfig/nccl.pc"
