#include "compiler/pass.h"

#include <stdarg.h>
#include <string.h>

#define PASS(name, needs, leaves) PassFn pass_##name;
#include "compiler/passes.def"
#undef PASS

const Pass pass_table[] = {
#define PASS(name, needs, leaves) {#name, needs, leaves, pass_##name},
#include "compiler/passes.def"
#undef PASS
};
const int pass_count = (int)(sizeof pass_table / sizeof *pass_table);

const Settings pass_defaults = {
    .key_type = BT_f16,
    .value_type = BT_f16,
    .activations = BT_q8a,
    .fuse = FUSE_BLOCK,
    .context = 4096,
    .batch = 512,
    .outputs = 1,
};

Err *pass_run(const char *name, PassContext *c, Module **m)
{
    if (!c->settings)
        c->settings = &pass_defaults;
    for (int i = 0; i < pass_count; i++) {
        if (strcmp(pass_table[i].name, name) != 0)
            continue;
        Err *e = pass_table[i].run(c, m);
        if (!e)
            e = module_verify(*m);
        return e ? err_note(e, "pass %s", name) : NULL;
    }
    return err_new(ERR_INPUT, "no pass '%s'", name);
}

void pass_explain(const PassContext *c, const char *pass, const char *fmt, ...)
{
    FILE *f = c->settings ? c->settings->explain : NULL;
    if (!f)
        return;
    va_list ap;
    va_start(ap, fmt);
    fprintf(f, "%s: ", pass);
    vfprintf(f, fmt, ap);
    fputc('\n', f);
    va_end(ap);
}
