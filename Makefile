# cifar10_mpi: `make help` lists the targets.
#
#   make BACKENDS="openblas onednn"   build these backends, or fail; the default is every backend that can be built
#   make BUILD=build/asan SANITIZE=address,undefined    a second build in its own folder, with sanitizers

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
MPICC   ?= mpicc
CC      := $(MPICC)
OPTIMISE ?= -O3 -g
SANITIZE ?=

VERSION := 0.1.0

comma := ,
HASH := \#
define newline


endef
quote = '$(subst ','\'',$(1))'

# ---- what this system has --------------------------------------------------------------------
# The variables in PROBED are found by running commands. That is done once, and again for `make info`; $(BUILD)/config.mk keeps the
# results.
mpicc_found = $(shell command -v $(firstword $(MPICC)) 2>/dev/null)
NO_MPICC    = $(if $(mpicc_found),,$(MPICC) is missing (Debian: libopenmpi-dev))

# Passes on PKG_CONFIG_PATH even if it was set as a variable of make, not in the environment.
pkg_config = PKG_CONFIG_PATH='$(PKG_CONFIG_PATH)' pkg-config
pkg_cflags = $(shell $(pkg_config) --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell $(pkg_config) --libs $(1) 2>/dev/null)
pkg_version = $(shell $(pkg_config) --modversion $(1) 2>/dev/null)
# Whether a program that uses a library compiles and links. Arguments: header, function, flags.
try = $(shell printf '$(HASH)include <$(1)>\nint main(void){void *volatile used = (void *)$(2); return !used;}' | \
  $(CC) $(CFLAGS) -x c - $(LDFLAGS) $(3) -o /dev/null >/dev/null 2>&1 && echo yes)

# HDF5: HDF5_PC=NAME names its .pc file, H5CC=/its/bin/h5cc its compiler wrapper, which can print its flags. Without either, a .pc
# file in PKG_CONFIG_PATH comes before the system's, and h5cc in PATH is used if there is no .pc file.
hdf5_of_path := $(if $(wildcard $(addsuffix /hdf5.pc,$(subst :, ,$(PKG_CONFIG_PATH)))),hdf5)
hdf5_pc     = $(or $(HDF5_PC),$(if $(H5CC),,$(shell for p in $(hdf5_of_path) hdf5-serial hdf5; do \
  $(pkg_config) --exists $$p 2>/dev/null && echo $$p && break; done)))
h5cc_flags  = $(if $(hdf5_pc),,$(filter -I% -L% -l% -Wl% %.a %.so,$(shell $(or $(H5CC),h5cc) -shlib -show 2>/dev/null)))
hdf5_cflags = $(if $(hdf5_pc),$(call pkg_cflags,$(hdf5_pc)),$(filter -I%,$(h5cc_flags)))
hdf5_link   = $(if $(hdf5_pc),$(call pkg_libs,$(hdf5_pc)),$(filter-out -I%,$(h5cc_flags)))
# The loader searches only the system's folders, so other ones go into the run path.
hdf5_libs   = $(hdf5_link) $(patsubst -L%,-Wl$(comma)-rpath$(comma)%,$(filter-out -L/usr/%,$(filter -L%,$(hdf5_link))))

LIBRARIES := libarchive libcurl libcrypto libjpeg libpng
debian_libarchive := libarchive-dev
debian_libcurl    := libcurl4-openssl-dev
debian_libcrypto  := libssl-dev
debian_libjpeg    := libjpeg-dev
debian_libpng     := libpng-dev
libraries_cflags = $(call pkg_cflags,$(LIBRARIES))
libraries_libs   = $(call pkg_libs,$(LIBRARIES))
# libconfig reads the files of --config; without it the program refuses the option.
libconfig_cflags = $(call pkg_cflags,libconfig)
libconfig_libs   = $(call pkg_libs,libconfig)
# The files of other programs (src/formats): protobuf-c, its compiler, and ISA-L's checksums. Without them there are none. The compiler
# is a plugin of protoc; the older name protoc-c needs no protoc, but newer versions deprecate it.
formats_pc      := libprotobuf-c libisal
protoc           = $(shell { command -v protoc-gen-c >&2 && command -v protoc || command -v protoc-c; } 2>/dev/null)
formats_libs     = $(if $(protoc),$(call pkg_libs,$(formats_pc)))
formats_cflags   = $(call pkg_cflags,$(formats_pc))
formats_why     := Debian: libprotobuf-c-dev, protobuf-c-compiler, libisal-dev

# Newer versions of libcurl have replaced some options and deprecate the old ones.
curl_new  = $(shell $(pkg_config) --atleast-version=7.87 libcurl 2>/dev/null && echo yes)
# Whether MPI has a function that says if it can read a GPU's memory.
mpi_ext   = $(call try,mpi.h>\n$(HASH)include <mpi-ext.h,MPIX_Query_cuda_support)
# Random123, counter-based random numbers, consists of headers only.
random123_found = $(call try,Random123/philox.h,philox4x32_R)
random123_why  := Random123/philox.h is missing (Debian: librandom123-dev)

X86 = $(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null))
# The compiler must support target_clones, and define an indirect function with the plain name (clang 14 does not).
clones_work = $(shell echo '__attribute__((target_clones("avx2", "default"))) int f(void) { return 0; }' | \
  $(CC) -x c -S - -o - 2>/dev/null | grep -q 'type[[:space:]]*f, *@gnu_indirect_function' && echo yes)

PROBED := mpicc_found hdf5_pc h5cc_flags hdf5_cflags hdf5_link libraries_cflags libraries_libs libconfig_cflags libconfig_libs \
  protoc formats_libs formats_cflags \
  curl_new mpi_ext random123_found X86 clones_work

# Each backend's backend.mk sets NAME_found, NAME_flags, NAME_libs, and NAME_why, which says what is missing.
BACKENDS_KNOWN := openblas onednn cudnn
include $(BACKENDS_KNOWN:%=src/backends/%/backend.mk)

# config.mk is valid while its key is the same: a checksum of everything the results depend on, namely these variables, these files,
# the compiler, and the times of the folders in which libraries are installed.
KEY_VARIABLES := PATH CPATH C_INCLUDE_PATH LIBRARY_PATH PKG_CONFIG_PATH PKG_CONFIG_LIBDIR MPICC OMPI_CC MPICH_CC CFLAGS LDFLAGS \
  HDF5_PC H5CC NVCC CUDA_HOME CUDA_INC CUDNN_INC NCCL_INC CUDA_LIB CUBLAS_LIB CUDNN_LIB NCCL_LIB
KEY_FILES   := Makefile $(wildcard src/backends/*/backend.mk)
KEY_FOLDERS := /opt /usr/local \
  $(foreach f,bin include lib* lib*/pkgconfig lib/*-linux-gnu lib/*-linux-gnu/pkgconfig,/usr/$(f) /usr/local/$(f)) \
  $(CUDA_HOME) $(CUDA_INC) $(CUDNN_INC) $(NCCL_INC) $(CUDA_LIB) $(CUBLAS_LIB) $(CUDNN_LIB) $(NCCL_LIB) \
  $(subst :, ,$(CPATH) $(LIBRARY_PATH) $(PKG_CONFIG_PATH))

# These targets need no results, so their variables become empty. (Those from the environment keep their values, for makes that this
# one starts.)
ifeq ($(filter-out help clean deps deps-test run test gpu-check,$(or $(MAKECMDGOALS),all)),)
$(foreach v,$(PROBED),$(if $(filter file,$(origin $(v))),$(eval $(v) :=)))
else
key := $(HASH) $(firstword $(shell { echo $(call quote,$(foreach v,$(KEY_VARIABLES),$(v)=$($(v)))); cat $(KEY_FILES); $(CC) -show; \
  stat -Lc '%n %y' $(KEY_FOLDERS); } 2>/dev/null | cksum 2>/dev/null))
ifeq ($(if $(filter info,$(MAKECMDGOALS)),always asked,$(shell tail -n 1 $(BUILD)/config.mk 2>/dev/null)),$(key))
include $(BUILD)/config.mk
else
$(foreach v,$(PROBED),$(eval $(v) := $$($(v))))
ifneq ($(shell mkdir -p $(BUILD) 2>/dev/null && [ -w $(BUILD) ] && echo yes),)
$(file >$(BUILD)/config.mk,$(foreach v,$(PROBED),$(v) := $(subst $$,$$$$,$($(v)))$(newline))$(key))
endif
endif
endif

BACKENDS_FOUND := $(foreach b,$(BACKENDS_KNOWN),$(if $($(b)_found),$(b)))
BACKENDS ?= $(BACKENDS_FOUND)
LINKED  := $(filter-out cudnn,$(BACKENDS))
missing := $(filter-out $(BACKENDS_FOUND),$(BACKENDS))

# ---- flags -----------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
# Hot loops are compiled for several instruction sets (target_clones). The attribute is defined away if the compiler cannot do it, and
# under the thread sanitizer, which is not initialised yet when the instruction set is chosen.
CLONES := $(if $(clones_work),$(if $(filter thread,$(SANITIZE)),none,all),none)
# No contraction to fused multiply-adds in our own loops, so that replicas on different CPUs agree bit for bit.
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(WARN) $(OPTIMISE) -ffp-contract=off -fno-math-errno -pthread -fPIE \
  -fstack-protector-strong $(if $(filter thread,$(SANITIZE)),-Wno-tsan) \
  $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined, \
  -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
  $(if $(filter none,$(CLONES)),'-Dtarget_clones(...)=') -Iinclude -DVERSION='"$(VERSION)"' $(hdf5_cflags) $(libraries_cflags) $(libconfig_cflags) \
  $(if $(formats_libs),$(formats_cflags) -I$(BUILD)/proto) \
  $(foreach b,$(LINKED),-DHAVE_$(b) $($(b)_flags)) $(CFLAGS)
# flags_NAME apply to src/*/NAME.c only. core_speed measures a core's peak rate, which needs fused multiply-adds.
flags_core_speed := -ffp-contract=fast
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
LIBS := $(hdf5_libs) $(libraries_libs) $(libconfig_libs) $(formats_libs) $(foreach b,$(LINKED),$($(b)_libs)) -ldl -lm $(LDLIBS)

# Every file in src is built in, except that of two files for the same purpose only the one for the libraries found is.
LEFT_OUT := $(if $(curl_new),src/pack/curl_old.c,src/pack/curl_new.c) \
  $(if $(libconfig_libs),src/options/config_none.c,src/options/config_libconfig.c src/options/config_text.c) \
  $(if $(formats_libs),$(wildcard src/formats/*_none.c),$(filter-out %_none.c %/histogram.c,$(wildcard src/formats/*.c))) \
  $(if $(mpi_ext),src/parallel/mpi_devices_none.c,src/parallel/mpi_devices_ext.c) $(foreach b,$(BACKENDS_KNOWN),$($(b)_left_out))
SOURCES := $(filter-out $(LEFT_OUT),$(wildcard src/*/*.c $(LINKED:%=src/backends/%/*.c)))
# What protoc makes from src/formats/NAME.proto: NAME.pb-c.h and NAME.pb-c.c.
PROTOS  := $(if $(formats_libs),$(patsubst src/formats/%.proto,$(BUILD)/proto/%.pb-c,$(wildcard src/formats/*.proto)))
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/%.o) $(PROTOS:=.o)
LIBRARY := $(BUILD)/libcifar10.a
PROGRAM := $(if $(filter build,$(BUILD)),cifar10_mpi,$(BUILD)/cifar10_mpi)
MODULE  := $(if $(filter cudnn,$(BACKENDS)),$(if $(filter build,$(BUILD)),cifar10_cudnn.so,$(BUILD)/cifar10_cudnn.so))

.PHONY: all lib deps deps-test run bench gpu-check test soak unit tests-built sanitized-asan sanitized-tsan fuzz fuzz-built \
  harnesses info clean install help FORCE
.DELETE_ON_ERROR:

all: $(PROGRAM) $(MODULE) ## build ./cifar10_mpi (the default)

# Prints one short line per file; `make V=1` shows the commands.
say = $(if $(V),,@echo '  $(1)';)

$(PROGRAM): $(BUILD)/main.o $(LIBRARY) $(BUILD)/parts
	$(call say,link $@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out %/parts,$^) $(LIBS)

lib: $(LIBRARY)
$(LIBRARY): $(OBJECTS) $(BUILD)/parts
	@rm -f $@
	$(call say,archive $@)ar rcs $@ $(OBJECTS)

# Everything depends on these files, which change when the compile or link commands change, or the MPI that mpicc uses.
keep = @mkdir -p $(@D); echo $(call quote,$(1)) | cmp -s - $@ || echo $(call quote,$(1)) > $@
$(BUILD)/flags: FORCE
	$(if $(NO_MPICC),$(error $(NO_MPICC)))
	$(if $(missing),$(error $(foreach b,$(missing),backend $(b) was asked for, but it $(or $($(b)_why),is not known here))))
	$(if $(random123_found),,$(error $(random123_why)))
	$(call keep,$(CC) $(shell $(CC) -show 2>/dev/null) $(CFLAGS_ALL) $(NVCC) $(GENCODE) $(cudnn_cflags) \
	  $(foreach f,$(sort $(filter flags_%,$(.VARIABLES))),$(f) $($(f))))
$(BUILD)/parts: FORCE
	$(call keep,$(LDFLAGS_ALL) $(LIBS) $(OBJECTS) $(MODULE_OBJECTS) $(cudnn_libs) $(nccl_libs))
FORCE:

# A module fits a program if both were built with the same versions of these headers.
ABI_HEADERS := $(addprefix include/,augment.h backend.h device.h draws.h error.h model.h optimize.h parcel.h step.h) src/backends/module.h
abi_module  := -DMODULE_ABI=$(firstword $(shell { cat $(ABI_HEADERS) | cksum; } 2>/dev/null))u
$(BUILD)/abi: FORCE
	$(call keep,$(abi_module))
$(BUILD)/backends/module.o: $(BUILD)/abi

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(CC) $(CFLAGS_ALL) $(flags_$(*F)) $(abi_$(*F)) -MMD -MP -c -o $@ $<

$(BUILD)/proto/%.pb-c.c $(BUILD)/proto/%.pb-c.h: src/formats/%.proto
	@mkdir -p $(@D)
	$(call say,generate $(@D)/$*.pb-c.c)$(protoc) --c_out=$(@D) --proto_path=src/formats $<
$(PROTOS:=.o): %.o: %.c $(BUILD)/flags
	$(call say,compile $@)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
$(filter $(BUILD)/formats/%,$(OBJECTS)) $(PROTOS:=.o): | $(PROTOS:=.h)

ifneq ($(MODULE),)
include src/backends/cudnn/module.mk
endif

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c tests/backends/test_*.c tests/mpi/test_*.c))
$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP $(LDFLAGS_ALL) -o $@ $< $(LIBRARY) -lcmocka $(LIBS)

# A library that makes a chosen system call of the program fail.
FAULTS := $(BUILD)/tests/faults/faults.so
$(FAULTS): tests/faults/faults.c
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O1 -g -U_FORTIFY_SOURCE -fPIC -shared -Wl,--as-needed -o $@ $<

tests-built: $(UNIT_TESTS) $(MODULE) $(FAULTS)

# Harnesses for clang's libFuzzer, which provides main(). They need no backend and do not start MPI.
HARNESSES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
harnesses: $(HARNESSES)
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) -Itests -MMD -MP $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

# The referee: CUDA's libraries reimplemented on the CPU, to test the module.
ifneq ($(and $(MODULE),$(wildcard tests/fakecuda/fake.mk)),)
include tests/fakecuda/fake.mk
# Tests of what the real cuDNN answers and plans for devices that are not present. LD_LIBRARY_PATH overrides its folder.
GPU_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/gpu/*.c))
tests-built: fakecuda $(FAKE_TESTS) $(KERNEL_TESTS) $(GPU_TESTS)

$(GPU_TESTS): $(BUILD)/tests/gpu/%: tests/gpu/%.c $(MODULE_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,build $@)$(CC) $(CFLAGS_ALL) $(cudnn_cflags) -Isrc -Wno-strict-prototypes -MMD -MP $(LDFLAGS_ALL) \
	  $(cudnn_folders:%/=-Wl,-rpath,%) $(cudnn_folders:%/=-Wl,-rpath-link,%) \
	  -o $@ $< $(MODULE_OBJECTS) $(LIBRARY) $(cudnn_libs) $(nccl_libs) $(LIBS)
endif

# ---- set-up, run, test: each installs what it needs, then starts make again, which finds it ----
# A package that cannot be installed may be present anyway, from an environment module or under another name. So only `make deps`
# and `make deps-test` fail if a package is missing.
JOBS := -j$(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 1)
SELF := $(MAKE) --no-print-directory
THREADED := unit/test_loader unit/test_saver unit/test_stall unit/test_summary

deps: ## install the packages that building needs (apt, as root or through sudo)
	@scripts/deps.sh build

deps-test: ## install these and the packages that the tests need
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
	@tests/venv > /dev/null || true
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

hdf5_other = $(if $(h5cc_flags),by $(or $(H5CC),h5cc): $(filter -I% -L%,$(h5cc_flags)),missing (Debian: libhdf5-dev))
left_out   = $(if $($(1)_found),left out by BACKENDS,$(or $(NO_MPICC),$($(1)_why)))
info: ## which libraries and backends are built in, and why others are not
	@echo "compiler   $(if $(NO_MPICC),$(NO_MPICC),$(CC) ($$($(CC) -dumpversion)), $(OPTIMISE))"
	@echo "MPI        $$(mpirun --version 2>/dev/null | head -1)"
	@echo "HDF5       $(if $(hdf5_pc),$(hdf5_pc) $(or $(call pkg_version,$(hdf5_pc)),is missing),$(hdf5_other))"
	@$(foreach l,$(LIBRARIES),printf '%-10s %s\n' $(l) '$(or $(call pkg_version,$(l)),missing (Debian: $(debian_$(l))))';)
	@echo "Random123  $(if $(random123_found),found,$(random123_why))"
	@echo "libxsmm    $(if $(libxsmm_found),built into onednn,not built in: onednn is slower without it (Debian: libxsmm-dev))"
	@echo "libconfig  $(or $(call pkg_version,libconfig),not built in: --config is refused without it (Debian: libconfig-dev))"
	@echo "protobuf-c $(if $(formats_libs),$(call pkg_version,libprotobuf-c),not built in: no TensorBoard files without it ($(formats_why)))"
	@for b in $(BACKENDS); do echo "backend    $$b: built in"; done
	@$(foreach b,$(filter-out $(BACKENDS),$(BACKENDS_KNOWN)),echo "backend    $(b): not built in: $(call left_out,$(b))";)
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
