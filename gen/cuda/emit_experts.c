#include "gen/cuda/emit.h"

void emit_experts_class(Emit *e)
{
    emit_fail(e, err_new(ERR_DEVICE, "no CUDA code for experts kernels"));
}
