# The targets and variables of GDRCopy's Makefile that a package uses.
lib:
	test -e "$(CUDA)/include/cuda.h"
	echo 'int gdr_open(void) { return 1; }' | cc -x c - -shared -fPIC -Wl,-soname,libgdrapi.so.2 -o libgdrapi.so.2.5
exes:
	test -x "$(NVCC)"
	echo 'int main(void) { return 0; }' | cc -x c - -o gdrcopy_sanity
lib_install:
	mkdir -p "$(DESTDIR)$(prefix)/lib64" "$(DESTDIR)$(prefix)/include"
	cp libgdrapi.so.2.5 "$(DESTDIR)$(prefix)/lib64/"
	ln -s libgdrapi.so.2.5 "$(DESTDIR)$(prefix)/lib64/libgdrapi.so.2"
	cp include/gdrapi.h "$(DESTDIR)$(prefix)/include/"
exes_install:
	mkdir -p "$(DESTDIR)$(prefix)/bin"
	cp gdrcopy_sanity "$(DESTDIR)$(prefix)/bin/"
