# cifar10_mpi: `make help` lists the targets.
#
#   make BACKENDS="openblas onednn"   insist on these backends instead of those that are found
#   make BUILD=build/asan SANITIZE=address,undefined    another flavour beside the usual one

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
MPICC   ?= mpicc
CC      := $(MPICC)
NO_MPICC := $(if $(shell command -v $(firstword $(MPICC)) 2>/dev/null),,$(MPICC) is missing (Debian: libopenmpi-dev))
OPTIMISE ?= -O3 -g
SANITIZE ?=

VERSION := 0.1.0

# ---- libraries -------------------------------------------------------------------------------
# A PKG_CONFIG_PATH that is given to make counts as well.
pkg_config = PKG_CONFIG_PATH='$(PKG_CONFIG_PATH)' pkg-config
pkg_cflags = $(shell $(pkg_config) --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell $(pkg_config) --libs $(1) 2>/dev/null)
pkg_version = $(shell $(pkg_config) --modversion $(1) 2>/dev/null)
comma := ,
# HDF5: that of HDF5_PC=NAME (of a .pc file) or of H5CC=/its/bin/h5cc, a compiler wrapper that shows its flags. Else one found by
# PKG_CONFIG_PATH goes before the system's, and h5cc is asked where no .pc file is.
hdf5_of_path := $(wildcard $(addsuffix /hdf5.pc,$(subst :, ,$(PKG_CONFIG_PATH))))
HDF5_PC := $(or $(HDF5_PC),$(if $(H5CC),,$(shell for p in $(if $(hdf5_of_path),hdf5) hdf5-serial hdf5; do $(pkg_config) --exists $$p 2>/dev/null && echo $$p && break; done)))
h5cc_flags := $(if $(HDF5_PC),,$(filter -I% -L% -l% -Wl% %.a %.so,$(shell $(or $(H5CC),h5cc) -shlib -show 2>/dev/null)))
hdf5_cflags := $(if $(HDF5_PC),$(call pkg_cflags,$(HDF5_PC)),$(filter -I%,$(h5cc_flags)))
hdf5_libs := $(if $(HDF5_PC),$(call pkg_libs,$(HDF5_PC)),$(filter-out -I%,$(h5cc_flags)))
# The loader does not look by itself where the system has no libraries.
hdf5_libs += $(patsubst -L%,-Wl$(comma)-rpath$(comma)%,$(filter-out -L/usr/%,$(filter -L%,$(hdf5_libs))))
LIBRARIES := libarchive libcurl libcrypto libjpeg libpng
debian_libarchive := libarchive-dev
debian_libcurl    := libcurl4-openssl-dev
debian_libcrypto  := libssl-dev
debian_libjpeg    := libjpeg-dev
debian_libpng     := libpng-dev
# libcurl's newer options replace some that it calls deprecated.
curl_new := $(shell $(pkg_config) --atleast-version=7.87 libcurl 2>/dev/null && echo yes)

# A backend is built in where a function of its library's that it calls compiles and links: header, function, flags.
HASH := \#
try = $(shell printf '$(HASH)include <$(1)>\nint main(void){void *volatile used = (void *)$(2); return !used;}' | \
  $(CC) $(CFLAGS) -x c - $(LDFLAGS) $(3) -o /dev/null >/dev/null 2>&1 && echo yes)
openblas_flags := $(call pkg_cflags,openblas)
openblas_libs  := $(or $(call pkg_libs,openblas),-lopenblas)
openblas_found := $(call try,cblas.h,openblas_set_num_threads,$(openblas_flags) $(openblas_libs))
openblas_why   := needs OpenBLAS: cblas.h and libopenblas (Debian: libopenblas-dev)
onednn_flags   := -fopenmp
onednn_libs    := -ldnnl -fopenmp
onednn_found   := $(call try,omp.h>\n$(HASH)include <dnnl.h,dnnl_primitive_attr_set_scratchpad_mode,$(onednn_flags) $(onednn_libs))
onednn_why      = needs $(if $(call try,omp.h,omp_get_max_threads,$(onednn_flags)),oneDNN 2 or 3: dnnl.h and libdnnl (Debian: libdnnl-dev),a \
  compiler with OpenMP (Debian: gcc, or libomp-dev for clang))
# Within onednn: libxsmm makes its small products faster; without it oneDNN's own sgemm computes them.
libxsmm_libs   := -lxsmm -lxsmmnoblas -lpthread -lrt -ldl -lm
libxsmm_found  := $(if $(onednn_found),$(call try,libxsmm.h,libxsmm_smmdispatch,$(libxsmm_libs)))
onednn_libs    += $(if $(libxsmm_found),$(libxsmm_libs))

# cudnn is a shared module of its own, which alone is linked with CUDA's libraries: the program starts without them. They are
# found in CUDA_HOME or where each is said to be (pip's NVIDIA packages: a folder each, and no links without a version).
CUDA_HOME ?= $(or $(firstword $(wildcard /usr/local/cuda /opt/cuda)),$(patsubst %/bin/nvcc,%,$(shell command -v nvcc 2>/dev/null)),/usr)
NVCC      ?= $(or $(wildcard $(CUDA_HOME)/bin/nvcc),nvcc)
CUDA_INC  ?= $(CUDA_HOME)/include
CUDNN_INC ?= $(CUDA_INC)
NCCL_INC  ?= $(CUDA_INC)
CUDA_LIB  ?= $(wildcard $(CUDA_HOME)/lib64 $(CUDA_HOME)/lib $(filter /usr/lib/%,$(patsubst %/,%,$(dir $(wildcard /usr/lib/*/libcudart.so)))))
CUBLAS_LIB ?= $(CUDA_LIB)
CUDNN_LIB ?= $(CUDA_LIB)
NCCL_LIB  ?= $(CUDA_LIB)
shared = $(firstword $(wildcard $(addsuffix /lib$(1).so,$(2)) $(addsuffix /lib$(1).so.[0-9]*,$(2))))
cudnn_flags := $(addprefix -isystem ,$(sort $(CUDA_INC) $(CUDNN_INC) $(NCCL_INC)))
# For C, behind all others, nvcc's own folder: pip's headers of CUDA include crt/*.h, which are not in pip's package.
cudnn_cflags := $(cudnn_flags) -idirafter $(CUDA_HOME)/include
cudnn_libs  := $(call shared,cudart,$(CUDA_LIB)) $(call shared,cublasLt,$(CUBLAS_LIB)) $(call shared,cudnn,$(CUDNN_LIB))
cudnn_old   := $(if $(wildcard $(addsuffix /cudnn_version.h,$(CUDNN_INC))),$(shell awk '/define CUDNN_MAJOR/ && $$3 < 9 {print "yes"}' $(firstword $(wildcard $(addsuffix /cudnn_version.h,$(CUDNN_INC))))),yes)
cudnn_found := $(if $(cudnn_old),,$(if $(wildcard $(CUDA_INC)/cuda_runtime_api.h),$(if $(word 3,$(cudnn_libs)),$(shell command -v $(NVCC) 2>/dev/null))))
cudnn_why   := needs nvcc, cuDNN 9 and cublasLt (CUDA_HOME=$(CUDA_HOME); or CUDA_INC, CUDA_LIB, CUDNN_INC, CUDNN_LIB, ...)
nccl_libs   := $(if $(wildcard $(addsuffix /nccl.h,$(NCCL_INC))),$(call shared,nccl,$(NCCL_LIB)))
# PTX for any device, machine code for A100 and H100.
GENCODE   ?= -gencode arch=compute_75,code=compute_75 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90

# Whether MPI can be asked if it reads a GPU's memory.
mpi_ext := $(call try,mpi.h>\n$(HASH)include <mpi-ext.h,MPIX_Query_cuda_support)

# Reads the files of --config; without it the option is refused.
libconfig_libs := $(call pkg_libs,libconfig)

# Headers only: counter-based random numbers.
random123_found := $(call try,Random123/philox.h,philox4x32_R)
random123_why   := Random123/philox.h is missing (Debian: librandom123-dev)

BACKENDS_KNOWN := openblas onednn cudnn
BACKENDS_FOUND := $(foreach b,$(BACKENDS_KNOWN),$(if $($(b)_found),$(b)))
BACKENDS ?= $(BACKENDS_FOUND)
LINKED  := $(filter-out cudnn,$(BACKENDS))
missing := $(filter-out $(BACKENDS_FOUND),$(BACKENDS))

# ---- flags -----------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
# No contraction to fused multiply-adds in our own loops: replicas on mixed CPUs agree to the bit.
# Hot loops are compiled for several instruction sets (target_clones). The attribute is defined away where the compiler has
# none of these sets or makes no indirect function of the plain name (clang 14), and under the thread sanitizer, which is not
# ready yet where the choice is made.
X86 := $(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null))
clones_work := $(shell echo '__attribute__((target_clones("avx2", "default"))) int f(void) { return 0; }' | \
  $(CC) -x c -S - -o - 2>/dev/null | grep -q 'type[[:space:]]*f, *@gnu_indirect_function' && echo yes)
CLONES := $(if $(clones_work),$(if $(filter thread,$(SANITIZE)),none,all),none)
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(WARN) $(OPTIMISE) -ffp-contract=off -fno-math-errno -pthread -fPIE \
  -fstack-protector-strong $(if $(filter thread,$(SANITIZE)),-Wno-tsan) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
  $(if $(filter none,$(CLONES)),'-Dtarget_clones(...)=') -Iinclude -DVERSION='"$(VERSION)"' $(hdf5_cflags) $(call pkg_cflags,$(LIBRARIES) $(if $(libconfig_libs),libconfig)) \
  $(foreach b,$(LINKED),-DHAVE_$(b) $($(b)_flags)) $(CFLAGS)
# These fuse multiply-adds: the measurement of a core's peak, and loops in vector types, compiled for instruction sets that
# are chosen at run time.
flags_core_speed      := -ffp-contract=fast
flags_vectors_generic := -ffp-contract=fast
flags_vectors_avx2    := -ffp-contract=fast $(if $(X86),-mavx2 -mfma)
flags_vectors_avx512  := -ffp-contract=fast $(if $(X86),-mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma -mprefer-vector-width=512)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
LIBS := $(hdf5_libs) $(call pkg_libs,$(LIBRARIES)) $(libconfig_libs) $(foreach b,$(LINKED),$($(b)_libs)) -ldl -lm $(LDLIBS)

ROOMS   := base options commands train eval predict inspect bench pack image data model tower parallel optimize store report backends $(addprefix backends/,$(LINKED))
SOURCES := $(filter-out %/products_$(if $(libxsmm_found),none,libxsmm).c %/options/config_$(if $(libconfig_libs),none,libconfig).c %/pack/curl_$(if $(curl_new),old,new).c %/mpi_devices_$(if $(mpi_ext),none,ext).c,$(wildcard $(addsuffix /*.c,$(addprefix src/,$(ROOMS)))))
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libcifar10.a
PROGRAM := $(if $(filter build,$(BUILD)),cifar10_mpi,$(BUILD)/cifar10_mpi)
MODULE  := $(if $(filter cudnn,$(BACKENDS)),$(if $(filter build,$(BUILD)),cifar10_cudnn.so,$(BUILD)/cifar10_cudnn.so))
MODULE_SOURCES := $(filter-out %/nccl$(if $(nccl_libs),_none).c,$(wildcard src/backends/cudnn/*.c)) src/base/error.c src/base/memory.c src/model/net.c src/backends/plan.c
MODULE_OBJECTS := $(MODULE_SOURCES:src/%.c=$(BUILD)/module/%.o) $(BUILD)/module/kernels.o
# Program and module belong together where these are the same in both.
ABI_HEADERS := include/augment.h include/backend.h include/device.h include/draws.h include/error.h include/model.h include/parcel.h src/backends/module.h
abi_module  := -DMODULE_ABI=$(firstword $(shell { cat $(ABI_HEADERS) | cksum; } 2>/dev/null))u
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c tests/backends/test_*.c tests/mpi/test_*.c))

.PHONY: all lib deps deps-test run bench gpu-check test soak unit tests-built sanitized-asan sanitized-tsan fuzz fuzz-built harnesses info clean install help FORCE
.DELETE_ON_ERROR:

all: $(PROGRAM) $(MODULE) ## build ./cifar10_mpi (the default)

# One short line a file; `make V=1` shows the commands.
say = $(if $(V),,@echo '  $(1)';)

$(PROGRAM): $(BUILD)/main.o $(LIBRARY) $(BUILD)/parts
	$(call say,link $@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out %/parts,$^) $(LIBS)

# What the module exports is its one symbol; the folders of its libraries are noted in it, and LD_LIBRARY_PATH goes before them.
cudnn_folders = $(sort $(dir $(cudnn_libs) $(nccl_libs)))
$(MODULE): $(MODULE_OBJECTS) $(BUILD)/parts
	$(call say,link $@)$(CC) -shared $(filter-out -pie,$(LDFLAGS_ALL)) -Wl,-z,defs,--enable-new-dtags $(cudnn_folders:%/=-Wl,-rpath,%) \
	  -o $@ $(MODULE_OBJECTS) $(cudnn_libs) $(nccl_libs) -lm

$(BUILD)/module/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(CC) $(CFLAGS_ALL) $(cudnn_cflags) $(abi_$(*F)) -fPIC -fvisibility=hidden -Wno-strict-prototypes -MMD -MP -c -o $@ $<

# The same bits as on a CPU: no contraction to fused multiply-adds. No C++ library is needed.
$(BUILD)/module/kernels.o: $(wildcard src/backends/cudnn/kernels.*) src/data/augment.inc include/augment.h include/draws.h include/parcel.h include/step.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(NVCC) -O3 --fmad=false $(GENCODE) $(NVCC_FLAGS) -Iinclude $(cudnn_flags) \
	  -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-threadsafe-statics,-fno-rtti -c -o $@ src/backends/cudnn/kernels.cu

lib: $(LIBRARY)
$(LIBRARY): $(OBJECTS) $(BUILD)/parts
	@rm -f $@
	$(call say,archive $@)ar rcs $@ $(OBJECTS)

# How to compile, the MPI behind mpicc included, and what to link are dependencies too: files that change when it does.
quote = '$(subst ','\'',$(1))'
keep = @mkdir -p $(@D); echo $(call quote,$(1)) | cmp -s - $@ || echo $(call quote,$(1)) > $@
$(BUILD)/flags: FORCE
	$(if $(NO_MPICC),$(error $(NO_MPICC)))$(if $(missing),$(error $(foreach b,$(missing),backend $(b) was asked for, but it $(or $($(b)_why),is not known here))))
	$(if $(random123_found),,$(error $(random123_why)))
	$(call keep,$(CC) $(shell $(CC) -show 2>/dev/null) $(CFLAGS_ALL) $(NVCC) $(GENCODE) $(cudnn_cflags) $(foreach f,$(sort $(filter flags_%,$(.VARIABLES))),$(f) $($(f))))
$(BUILD)/abi: FORCE
	$(call keep,$(abi_module))
$(BUILD)/backends/module.o $(BUILD)/module/backends/cudnn/module.o: $(BUILD)/abi
$(BUILD)/parts: FORCE
	$(call keep,$(LDFLAGS_ALL) $(LIBS) $(OBJECTS) $(MODULE_OBJECTS) $(cudnn_libs) $(nccl_libs))
FORCE:

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(CC) $(CFLAGS_ALL) $(flags_$(*F)) $(abi_$(*F)) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP $(LDFLAGS_ALL) -o $@ $< $(LIBRARY) -lcmocka $(LIBS)

# What makes a chosen system call of the program fail.
FAULTS := $(BUILD)/tests/faults/faults.so
$(FAULTS): tests/faults/faults.c
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O1 -g -U_FORTIFY_SOURCE -fPIC -shared -Wl,--as-needed -o $@ $<

tests-built: $(UNIT_TESTS) $(MODULE) $(FAULTS)

# Harnesses for clang's libFuzzer, which brings main(); they need no backend and no MPI that runs.
HARNESSES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
harnesses: $(HARNESSES)
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

# The referee: CUDA's libraries on the CPU, for the tests of the module.
ifneq ($(and $(MODULE),$(wildcard tests/fakecuda/fake.mk)),)
include tests/fakecuda/fake.mk
# And what the real cuDNN says and plans for devices that are not there, and tells of one that is. LD_LIBRARY_PATH goes before its folder.
GPU_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/gpu/*.c))
tests-built: fakecuda $(FAKE_TESTS) $(KERNEL_TESTS) $(GPU_TESTS)

$(GPU_TESTS): $(BUILD)/tests/gpu/%: tests/gpu/%.c $(MODULE_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) $(cudnn_cflags) -Isrc -Wno-strict-prototypes -MMD -MP $(LDFLAGS_ALL) $(cudnn_folders:%/=-Wl,-rpath,%) \
	  $(cudnn_folders:%/=-Wl,-rpath-link,%) -o $@ $< $(MODULE_OBJECTS) $(LIBRARY) $(cudnn_libs) $(nccl_libs) $(LIBS)
endif

# ---- set-up, run, test: each installs what it needs, then looks again at what is there ---------
# What cannot be installed may be there all the same, from modules or under other names: only `make deps` fails.
JOBS := -j$(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 1)
SELF := $(MAKE) --no-print-directory
THREADED := unit/test_loader unit/test_saver unit/test_stall

deps: ## install the packages that building needs (apt, as root or through sudo)
	@scripts/deps.sh build

deps-test: ## and those that the tests need
	@scripts/deps.sh build test

run: ## set up, build, train on 2 ranks for some minutes, evaluate, show where the results are
	@scripts/deps.sh build || true
	@$(SELF) $(JOBS) all
	@scripts/run.sh

bench: all ## compare training rates (scripts/bench.sh tells how), and show where the time of a step goes
	@scripts/bench.sh

gpu-check: ## check on a GPU what only a GPU can prove (scripts/gpu-check.sh --help)
	@scripts/gpu-check.sh

test: ## set up what the tests need, build and run them all, sanitizers included
	@scripts/deps.sh build test || true
	@$(SELF) $(JOBS) all tests-built
	@$(SELF) $(JOBS) BUILD=build/asan SANITIZE=address,undefined OPTIMISE='-O1 -g' sanitized-asan
	@$(SELF) $(JOBS) BUILD=build/tsan SANITIZE=thread OPTIMISE='-O1 -g' sanitized-tsan
	@$(SELF) $(JOBS) fuzz-built
	@tests/run

soak: all tests-built ## the long tests, after make test: hours
	@tests/run tests/soak/*.sh

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 600
fuzz-built:
	@if printf '$(HASH)include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *d, size_t n){return d && n > 1 << 30;}' | \
	  $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null; then \
	  OMPI_CC=$(FUZZ_CC) MPICH_CC=$(FUZZ_CC) $(SELF) $(JOBS) BUILD=build/fuzz BACKENDS= CLONES=none CFLAGS=-w OPTIMISE='-O1 -g' \
	  SANITIZE=fuzzer-no-link,address,undefined harnesses; \
	else echo "No fuzzing: $(FUZZ_CC) has no libFuzzer here (Debian: clang libclang-rt-dev)"; fi

fuzz: fuzz-built ## run each fuzzing harness for FUZZ_SECONDS (600), two at a time
	@tests/fuzz/run $(FUZZ_SECONDS)

sanitized-asan: $(if $(MODULE),$(MODULE) fakecuda) $(filter $(BUILD)/tests/unit/% $(BUILD)/tests/backends/%,$(UNIT_TESTS))
sanitized-tsan: $(filter $(THREADED:%=$(BUILD)/tests/%),$(UNIT_TESTS))

unit: all tests-built ## build and run the quick tests only
	@tests/run $(filter build/tests/unit/% build/tests/backends/%,$(UNIT_TESTS))

info: ## which libraries and backends are built in, and why others are not
	@echo "compiler   $(if $(NO_MPICC),$(NO_MPICC),$(CC) ($$($(CC) -dumpversion)), $(OPTIMISE))"
	@echo "MPI        $$(mpirun --version 2>/dev/null | head -1)"
	@echo "HDF5       $(if $(HDF5_PC),$(HDF5_PC) $(or $(call pkg_version,$(HDF5_PC)),is missing),$(if $(h5cc_flags),by $(or $(H5CC),h5cc): $(filter -I% -L%,$(h5cc_flags)),missing (Debian: libhdf5-dev)))"
	@$(foreach l,$(LIBRARIES),printf '%-10s %s\n' $(l) '$(or $(call pkg_version,$(l)),missing (Debian: $(debian_$(l))))';)
	@echo "Random123  $(if $(random123_found),found,$(random123_why))"
	@echo "libxsmm    $(if $(libxsmm_found),built into onednn,not built in: onednn is slower without it (Debian: libxsmm-dev))"
	@echo "libconfig  $(or $(call pkg_version,libconfig),not built in: --config is refused without it (Debian: libconfig-dev))"
	@for b in $(BACKENDS); do echo "backend    $$b: built in"; done
	@$(foreach b,$(filter-out $(BACKENDS),$(BACKENDS_KNOWN)),echo "backend    $(b): not built in: $(if $($(b)_found),left out by BACKENDS,$(or $(NO_MPICC),$($(b)_why)))";)
	@echo "NCCL       $(if $(nccl_libs),built into cudnn: $(nccl_libs),not built in)"

install: all ## install the program under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/cifar10_mpi
	$(if $(MODULE),install -D -m 755 $(MODULE) $(DESTDIR)$(PREFIX)/libexec/cifar10_mpi/cifar10_cudnn.so)
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/cifar10_mpi/README.md

clean: ## remove what make made
	rm -rf build cifar10_mpi cifar10_cudnn.so

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

-include $(wildcard $(OBJECTS:.o=.d) $(MODULE_OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(GPU_TESTS:=.d) $(HARNESSES:=.d) $(BUILD)/main.d)
