#include "runtime/cli/request.h"

#include <string.h>

#include "runtime/cli/devices.h"

enum { DEFAULT_CONTEXT = 4096 };

/* "f16" or "q8_0,f16" */
static Err *kv_types(Arena *a, const char *text, Settings *s)
{
    const char *comma = strchr(text, ',');
    size_t n = comma ? (size_t)(comma - text) : strlen(text);
    s->key_type = block_from_name(arena_strndup(a, text, n));
    s->value_type = comma ? block_from_name(comma + 1) : s->key_type;
    if (s->key_type == BT_COUNT || s->value_type == BT_COUNT)
        return err_new(ERR_USAGE, "--kv=%s: no such type", text);
    return NULL;
}

static Err *set_list(Arena *a, const OptionList *list, Settings *s)
{
    Setting *set = ARENA_ARRAY(a, Setting, list->n + 1);
    for (int i = 0; i < list->n; i++) {
        const char *eq = strchr(list->item[i], '=');
        if (!eq)
            return err_new(ERR_USAGE, "--set %s: expected NAME=VALUE",
                           list->item[i]);
        set[i].name =
            arena_strndup(a, list->item[i], (size_t)(eq - list->item[i]));
        set[i].value = eq + 1;
    }
    s->set = set;
    s->n_sets = list->n;
    return NULL;
}

static int64_t model_context(const ModelInfo *m)
{
    Buf key = {0};
    const MetaValue *arch = model_meta(m, "general.architecture");
    if (!arch || arch->kind != META_STRING)
        return 0;
    buf_printf(&key, "%s.context_length", arch->strings[0]);
    const MetaValue *v = model_meta(m, key.data);
    buf_free(&key);
    return v && v->kind == META_INT && v->n == 1 && v->ints[0] > 0 ? v->ints[0]
                                                                  : 0;
}

/* A card alone reads a prompt in long steps, which read its weights seldom;
 * several devices want chunks to pass on. */
static int64_t wanted_batch(const Options *o, const Machine *m, Settings *s)
{
    enum { SHORT_STEP = 512, LONG_STEP = 4096 };
    bool card = m->n_devices == 1 && devices_are(m->device, 1, "cuda");
    s->least_batch = o->given[OPT_batch] || !card ? 0 : SHORT_STEP;
    if (o->given[OPT_batch])
        return o->batch;
    return card ? LONG_STEP : SHORT_STEP;
}

static Err *sizes(const Options *o, const ModelInfo *m, int64_t outputs,
                  const Machine *machine, Settings *s)
{
    int64_t batch = wanted_batch(o, machine, s);
    int64_t limit = model_context(m);
    s->context = o->context ? o->context : DEFAULT_CONTEXT;
    if (!o->context && limit && limit < s->context)
        s->context = limit;
    s->batch = batch < s->context ? batch : s->context;
    s->outputs = outputs < s->batch ? outputs : s->batch;
    if (s->batch < 1 || s->context > (int64_t)1 << 32)
        return err_new(ERR_USAGE, "--batch is at least 1 and --context at "
                                  "most 2^32");
    return NULL;
}

static BlockType activations(const char *name, const Machine *m)
{
    bool automatic = strcmp(name, "auto") == 0;
    if (strcmp(name, "int8") == 0 ||
        (automatic && devices_are(m->device, m->n_devices, "cuda")))
        return BT_q8a;
    bool words = strcmp(name, "int16") == 0;
    words = words ||
            (automatic && devices_are(m->device, m->n_devices, "host"));
    return words ? BT_q16a : BT_f32;
}

/* The host's kernels take no prologues. */
static FusePreset preset(const char *name, const Machine *m)
{
    if (strcmp(name, "layer") == 0)
        return FUSE_LAYER;
    if (strcmp(name, "auto") == 0)
        return devices_are(m->device, m->n_devices, "cuda") ? FUSE_LAYER
                                                            : FUSE_BLOCK;
    if (strcmp(name, "none") == 0)
        return FUSE_NONE;
    return strcmp(name, "epilogue") == 0 ? FUSE_EPILOGUE : FUSE_BLOCK;
}

Err *request_make(Arena *a, const Options *o, const ModelInfo *model,
                  int64_t outputs, CompileRequest *r)
{
    Machine *machine;
    *r = (CompileRequest){.model = model, .mdl = o->mdl, .messages = stderr};
    Settings *s = &r->settings;
    TRY(devices_machine(a, o, &machine));
    r->machine = machine;
    TRY(kv_types(a, o->kv, s));
    TRY(set_list(a, &o->set, s));
    TRY(sizes(o, model, outputs, machine, s));
    s->activations = activations(o->activations, machine);
    s->fuse = preset(o->fuse, machine);
    if (s->fuse == FUSE_LAYER && !devices_are(machine->device, machine->n_devices, "cuda"))
        return err_new(ERR_USAGE, "--fuse=layer is for GPUs; on a CPU the most "
                                  "is block");
    s->place = o->place;
    s->pipeline = strcmp(o->pipeline, "on") == 0;
    s->explain = o->explain ? stderr : NULL;
    r->dump = o->dump;
    return NULL;
}
