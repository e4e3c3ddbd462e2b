#include "runtime/plan.h"

#include <string.h>

const char *const weight_class_name[WEIGHT_CLASS_COUNT] = {
#define X(name) #name,
    PLAN_CLASSES(X)
#undef X
};

const char *const sym_name[SYM_COUNT] = {
    [SYM_ONE] = "", [SYM_T] = "T", [SYM_R] = "R", [SYM_C] = "C"};

void plan_free(Plan *p)
{
    if (p)
        arena_free(p->arena);
}

const PlanProgram *plan_program(const Plan *p, const char *name)
{
    for (int i = 0; i < p->n_programs; i++)
        if (strcmp(p->program[i].name, name) == 0)
            return &p->program[i];
    return NULL;
}

const PlanBuffer *plan_port(const Plan *p, const PlanPort *ports, int n,
                            const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(ports[i].name, name) == 0)
            return &p->buffer[ports[i].buffer];
    return NULL;
}

int64_t plan_vocabulary(const Plan *p)
{
    int64_t width = 0;
    for (int i = 0; i < p->n_programs; i++) {
        const PlanProgram *q = &p->program[i];
        const PlanBuffer *b = plan_port(p, q->output, q->n_outputs, "logits");
        if (b && b->rank == 2 && b->dim[1].k > width)
            width = b->dim[1].k;
    }
    return width;
}
