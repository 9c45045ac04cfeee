# Exports the folders of CUDA's files for make (CUDA_INC, CUDNN_LIB, ...): CUDA_HOME's, or those of the pip packages of TORCH_PYTHON
# (default: python3). Keeps variables that are already set, and sets none for files that are not found. Source it.
pip_folders() { "${TORCH_PYTHON:-python3}" -c 'import nvidia; print(*nvidia.__path__, sep="\n")' 2> /dev/null; }

offer() { # VARIABLE FILE FOLDER...: exports the first folder that has FILE, which may be a pattern
    local name=$1 file=$2 folder
    shift 2
    [ -z "${!name:-}" ] || return 0
    for folder; do
        if compgen -G "$folder/$file" > /dev/null; then export "$name=$folder"; return; fi
    done
}

cuda_home=${CUDA_HOME:-/usr/local/cuda}
nvcc_version() { "${NVCC:-$(command -v nvcc || echo "$cuda_home/bin/nvcc")}" --version 2> /dev/null | sed -n 's/.*release \([0-9.]*\).*/CUDA \1/p'; }
mapfile -t pip < <(pip_folders)
offer CUDA_INC cublasLt.h "$cuda_home/include" "${pip[@]/%//cu13/include}"
offer CUDA_LIB 'libcudart.so*' "$cuda_home/lib64" "$cuda_home/lib" "${pip[@]/%//cu13/lib}"
offer CUBLAS_LIB 'libcublasLt.so*' "$cuda_home/lib64" "$cuda_home/lib" "${pip[@]/%//cu13/lib}"
offer CUDNN_INC cudnn.h "$cuda_home/include" "${pip[@]/%//cudnn/include}"
offer CUDNN_LIB 'libcudnn.so*' "$cuda_home/lib64" "$cuda_home/lib" "${pip[@]/%//cudnn/lib}"
offer NCCL_INC nccl.h "$cuda_home/include" "${pip[@]/%//nccl/include}"
offer NCCL_LIB 'libnccl.so*' "$cuda_home/lib64" "$cuda_home/lib" "${pip[@]/%//nccl/lib}"
