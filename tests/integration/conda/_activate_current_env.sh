# Sourced: activates the environment `base`, where that is asked for.
if [ "${MAMBA_DOCKERFILE_ACTIVATE:-0}" = 1 ] || [ "${MAMBA_ACTIVATE:-0}" = 1 ]; then
    export CONDA_PREFIX=$MAMBA_ROOT_PREFIX PATH=$MAMBA_ROOT_PREFIX/bin:$PATH
fi
