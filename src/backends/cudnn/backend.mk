# cudnn is a shared module (module.mk). Only the module is linked with CUDA's libraries, so the program starts without them. They are
# found in CUDA_HOME, or in the folder that the variable of each names (pip's NVIDIA packages have one folder each, and no library
# names without a version).
CUDA_HOME ?= $(or $(firstword $(wildcard /usr/local/cuda /opt/cuda)),$(nvcc_home),/usr)
nvcc_home = $(patsubst %/bin/nvcc,%,$(shell command -v nvcc 2>/dev/null))
NVCC      ?= $(or $(wildcard $(CUDA_HOME)/bin/nvcc),nvcc)
CUDA_INC  ?= $(CUDA_HOME)/include
CUDNN_INC ?= $(CUDA_INC)
NCCL_INC  ?= $(CUDA_INC)
CUDA_LIB  ?= $(wildcard $(CUDA_HOME)/lib64 $(CUDA_HOME)/lib) $(patsubst %/libcudart.so,%,$(wildcard /usr/lib/*/libcudart.so))
CUBLAS_LIB ?= $(CUDA_LIB)
CUDNN_LIB ?= $(CUDA_LIB)
NCCL_LIB  ?= $(CUDA_LIB)

shared_library = $(firstword $(wildcard $(addsuffix /lib$(1).so,$(2)) $(addsuffix /lib$(1).so.[0-9]*,$(2))))
cudnn_header = $(firstword $(wildcard $(addsuffix /cudnn_version.h,$(CUDNN_INC))))
cudnn_new    = $(if $(cudnn_header),$(shell awk '/define CUDNN_MAJOR/ && $$3 >= 9 {print "yes"}' $(cudnn_header)))
nvcc_found   = $(shell command -v $(NVCC) 2>/dev/null)
cudnn_flags  = $(addprefix -isystem ,$(sort $(CUDA_INC) $(CUDNN_INC) $(NCCL_INC)))
# C code searches nvcc's own folder last: CUDA's headers include crt/*.h, which pip's package of headers lacks.
cudnn_cflags = $(cudnn_flags) -idirafter $(CUDA_HOME)/include
cudnn_libs   = $(call shared_library,cudart,$(CUDA_LIB)) $(call shared_library,cublasLt,$(CUBLAS_LIB)) \
  $(call shared_library,cudnn,$(CUDNN_LIB))
cudnn_found  = $(if $(and $(cudnn_new),$(wildcard $(CUDA_INC)/cuda_runtime_api.h),$(word 3,$(cudnn_libs)),$(nvcc_found)),yes)
cudnn_why    = needs nvcc, cuDNN 9 and cublasLt (CUDA_HOME=$(CUDA_HOME); or CUDA_INC, CUDA_LIB, CUDNN_INC, CUDNN_LIB, ...)
nccl_libs    = $(if $(wildcard $(addsuffix /nccl.h,$(NCCL_INC))),$(call shared_library,nccl,$(NCCL_LIB)))
PROBED += CUDA_HOME NVCC CUDA_LIB cudnn_cflags cudnn_libs cudnn_found nccl_libs

cudnn_left_out = $(if $(nccl_libs),src/backends/cudnn/nccl_none.c,src/backends/cudnn/nccl.c)

# PTX for any device, machine code for A100 and H100.
GENCODE ?= -gencode arch=compute_75,code=compute_75 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90
