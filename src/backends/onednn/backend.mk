# oneDNN 2 or 3, with OpenMP.
onednn_flags := -fopenmp
dnnl_libs    := -ldnnl -fopenmp
onednn_found  = $(call try,omp.h>\n$(HASH)include <dnnl.h,dnnl_primitive_attr_set_scratchpad_mode,$(onednn_flags) $(dnnl_libs))
openmp_found  = $(call try,omp.h,omp_get_max_threads,$(onednn_flags))
onednn_why    = needs $(if $(openmp_found),oneDNN 2 or 3: dnnl.h and libdnnl (Debian: libdnnl-dev),a \
  compiler with OpenMP (Debian: gcc, or libomp-dev for clang))

# libxsmm makes the backend's small matrix products faster; without it oneDNN's sgemm computes them.
libxsmm_libs := -lxsmm -lxsmmnoblas -lpthread -lrt -ldl -lm
libxsmm_found = $(if $(onednn_found),$(call try,libxsmm.h,libxsmm_smmdispatch,$(libxsmm_libs)))
onednn_libs   = $(dnnl_libs) $(if $(libxsmm_found),$(libxsmm_libs))
PROBED += openmp_found onednn_found libxsmm_found

onednn_left_out = $(if $(libxsmm_found),src/backends/onednn/products_none.c,src/backends/onednn/products_libxsmm.c)

# Loops over vector types, compiled for several instruction sets, one of which is chosen at run time. They fuse multiply-adds.
flags_vectors_generic = -ffp-contract=fast
flags_vectors_avx2    = -ffp-contract=fast $(if $(X86),-mavx2 -mfma)
flags_vectors_avx512  = -ffp-contract=fast \
  $(if $(X86),-mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma -mprefer-vector-width=512)
