#!/bin/bash
# The same model and update in PyTorch on the same device at batch 128, with its input in device memory
# time: 75 s, at most 180 s
. scripts/gpu-check/lib.sh
python=${TORCH_PYTHON:-python3}
[ "$DRY" -eq 0 ] || unset LD_LIBRARY_PATH
version=$("$python" -c 'import torch; print(torch.__version__)' 2> /dev/null) || skip "$python has no torch (TORCH_PYTHON names another)"
peers() {
    run "$python" -u scripts/gpu-torch.py --precisions bf16 tf32 fp32 --batches "$(size 128 8)" \
        $(size '--ways graph eager --seconds 55' '--device cpu --steps 2 --ways eager --seconds 20') | tee "$RESULTS/torch.csv"
}
verify "PyTorch $version" peers
tell '' "Our step includes the distortions, PyTorch's does not."
finish
