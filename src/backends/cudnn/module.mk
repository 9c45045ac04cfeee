# The shared module. It exports one symbol, which the program looks up. Its run path has the folders of its libraries;
# LD_LIBRARY_PATH overrides them.
MODULE_SOURCES := $(filter-out $(cudnn_left_out),$(wildcard src/backends/cudnn/*.c)) \
  src/base/error.c src/base/memory.c src/model/net.c src/backends/plan.c
MODULE_OBJECTS := $(MODULE_SOURCES:src/%.c=$(BUILD)/module/%.o) $(BUILD)/module/kernels.o
cudnn_folders  := $(sort $(dir $(cudnn_libs) $(nccl_libs)))

$(MODULE): $(MODULE_OBJECTS) $(BUILD)/parts
	$(call say,link $@)$(CC) -shared $(filter-out -pie,$(LDFLAGS_ALL)) -Wl,-z,defs,--enable-new-dtags \
	  $(cudnn_folders:%/=-Wl,-rpath,%) -o $@ $(MODULE_OBJECTS) $(cudnn_libs) $(nccl_libs) -lm

$(BUILD)/module/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(CC) $(CFLAGS_ALL) $(cudnn_cflags) $(abi_$(*F)) -fPIC -fvisibility=hidden -Wno-strict-prototypes \
	  -MMD -MP -c -o $@ $<
$(BUILD)/module/backends/cudnn/module.o: $(BUILD)/abi

# No contraction to fused multiply-adds, so that kernels give the same bits as on a CPU. No C++ library is needed.
$(BUILD)/module/kernels.o: $(wildcard src/backends/cudnn/kernels.*) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $@)$(NVCC) -O3 --fmad=false $(GENCODE) $(NVCC_FLAGS) -Iinclude $(cudnn_flags) \
	  -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-threadsafe-statics,-fno-rtti -MMD -MP -MF $(@:.o=.d) \
	  -c -o $@ src/backends/cudnn/kernels.cu
