# Builds the referee's libraries and its tests. Included by the Makefile (which sets BUILD, SANITIZE, CUDA_INC, CUDNN_INC, NCCL_INC),
# or used alone: make -f tests/fakecuda/fake.mk fakecuda
BUILD     ?= build
CUDA_HOME ?= /usr/local/cuda
CUDA_INC  ?= $(CUDA_HOME)/include
CUDNN_INC ?= $(CUDA_INC)
NCCL_INC  ?= $(CUDA_INC)
FAKE_CC   ?= gcc
FAKE_OPTIMISE ?= -O2 -g

FAKE     := $(BUILD)/fakecuda
FAKE_DIR := tests/fakecuda
fake_cflags := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(FAKE_OPTIMISE) -fPIC \
  -fvisibility=hidden -ffp-contract=off -pthread \
  $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
  -I$(FAKE_DIR) -Iinclude -Isrc/backends/cudnn $(addprefix -isystem ,$(sort $(CUDA_INC) $(CUDNN_INC) $(NCCL_INC)))
# Like the real libraries, these are never unloaded, and symbols that the executable defines itself (a test's own twins) come first.
fake_link = $(FAKE_CC) -shared -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -Wl,-soname,$(@F) -Wl,-z,nodelete,-z,relro -o $@ $(filter %.o,$^)
fake_objects = $(patsubst %,$(FAKE)/%.o,$(1))

FAKE_CUDART := calls objects devices memory pinned queue streams events capture graph copies launch errors \
  $(if $(wildcard $(FAKE_DIR)/twins.c),twins)
FAKE_LIBRARIES := libcudart.so.13 libcublasLt.so.13 libnccl.so.2 $(if $(wildcard $(FAKE_DIR)/cudnn.c),libcudnn.so.9)

.PHONY: fakecuda
fakecuda: $(addprefix $(FAKE)/,$(FAKE_LIBRARIES))

$(FAKE)/%.o: $(FAKE_DIR)/%.c $(FAKE_DIR)/fake.mk
	@mkdir -p $(@D)
	$(call say,build $@)$(FAKE_CC) $(fake_cflags) -MMD -MP -c -o $@ $<

$(FAKE)/libcudart.so.13: $(call fake_objects,$(FAKE_CUDART))
	$(call say,build $@)$(fake_link) -lm
$(FAKE)/libcublasLt.so.13: $(call fake_objects,cublaslt cublaslt_compute) $(FAKE)/libcudart.so.13
	$(call say,build $@)$(fake_link) -L$(FAKE) -l:libcudart.so.13 -lopenblas -lm
$(FAKE)/libnccl.so.2: $(call fake_objects,nccl) $(FAKE)/libcudart.so.13
	$(call say,build $@)$(fake_link) -L$(FAKE) -l:libcudart.so.13
$(FAKE)/libcudnn.so.9: $(call fake_objects,$(patsubst $(FAKE_DIR)/%.c,%,$(wildcard $(FAKE_DIR)/cudnn*.c))) $(FAKE)/libcudart.so.13
	$(call say,build $@)$(fake_link) -L$(FAKE) -l:libcudart.so.13 -lopenblas -lm

# An MPI library that can read device memory; it is loaded before the real one.
fakecuda: $(FAKE)/mpi_cuda.so
$(FAKE)/mpi_cuda.so: $(FAKE_DIR)/mpi_cuda.c $(FAKE)/libcudart.so.13
	$(call say,build $@)$(MPICC) $(fake_cflags) -fvisibility=default -shared -o $@ $< -L$(FAKE) -l:libcudart.so.13

# The test programs, with the referee's folder in their run path.
fake_program = $(FAKE_CC) $(fake_cflags) -MMD -MP -o $@ $(filter %.c %.o,$^) -L$(FAKE) -Wl,-rpath,'$$ORIGIN/../../fakecuda' \
  -l:libcudart.so.13 -l:libcublasLt.so.13 -l:libnccl.so.2 -lcmocka -lm
NVCC ?= $(wildcard $(CUDA_HOME)/bin/nvcc)
FAKE_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(FAKE_DIR)/test_referee*.c))
$(FAKE_TESTS): $(BUILD)/tests/fakecuda/%: $(FAKE_DIR)/%.c $(FAKE)/libcudart.so.13 $(FAKE)/libcublasLt.so.13 $(FAKE)/libnccl.so.2
	@mkdir -p $(@D)
	$(call say,build $@)$(fake_program)
ifneq ($(NVCC),)
$(BUILD)/tests/fakecuda/test_referee_libraries: $(FAKE)/referee.cu.o
$(FAKE)/referee.cu.o: $(FAKE_DIR)/referee.cu
	@mkdir -p $(@D)
	$(call say,build $@)$(NVCC) -ccbin $(FAKE_CC) -gencode=arch=compute_90,code=sm_90 -O2 -Xcompiler -fPIC,-fno-exceptions,-fno-threadsafe-statics,-fno-rtti -c -o $@ $<
endif

# The tests of the kernels: compare their twins with the CPU towers, without the referee.
KERNEL_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(FAKE_DIR)/test_kernels*.c))
$(KERNEL_TESTS): $(BUILD)/tests/fakecuda/%: $(FAKE_DIR)/%.c $(FAKE)/twins.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) $(cudnn_cflags) -Itests -I$(FAKE_DIR) -Isrc/backends/cudnn -MMD -MP $(LDFLAGS_ALL) -o $@ $(filter %.c %.o,$^) $(LIBRARY) -lcmocka $(LIBS)

-include $(wildcard $(FAKE)/*.d $(FAKE_TESTS:=.d) $(KERNEL_TESTS:=.d))
