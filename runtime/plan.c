#include "runtime/plan.h"

#include <string.h>

const char *const weight_class_name[WEIGHT_CLASS_COUNT] = {
#define X(name) #name,
    PLAN_CLASSES(X)
#undef X
};

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

int64_t dim_value(Dim d, int64_t tokens, int64_t outputs, int64_t context)
{
    switch (d.sym) {
    case SYM_ONE:
        return d.k;
    case SYM_T:
        return d.k * tokens;
    case SYM_R:
        return d.k * outputs;
    case SYM_C:
        return d.k * context;
    case SYM_COUNT:
        break;
    }
    return 0;
}
