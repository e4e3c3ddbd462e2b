#include "gen/cuda/emit.h"

void emit_matmul_class(Emit *e)
{
    emit_fail(e, err_new(ERR_DEVICE, "no CUDA code for matmul kernels"));
}
