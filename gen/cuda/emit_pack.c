#include "gen/cuda/emit_pack.h"

void emit_packers(const Plan *p, CudaCode *c)
{
    (void)p;
    (void)c;
}

void emit_tables(CudaCode *c) { (void)c; }
