# OpenBLAS's flags are from pkg-config, if it knows them.
openblas_flags = $(call pkg_cflags,openblas)
openblas_libs  = $(or $(call pkg_libs,openblas),-lopenblas)
openblas_found = $(call try,cblas.h,openblas_set_num_threads,$(openblas_flags) $(openblas_libs))
openblas_why  := needs OpenBLAS: cblas.h and libopenblas (Debian: libopenblas-dev)
PROBED += openblas_flags openblas_libs openblas_found
