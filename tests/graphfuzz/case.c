/* case.c - everything besides the module that a case consists of: at random, as
 * text and back. */
#include <inttypes.h>
#include <string.h>

#include "compiler/clone.h"
#include "tests/graphfuzz/graphfuzz.h"

static const char *const preset_name[] = {"none", "epilogue", "block"};
/* Those of the host. */
#define RULE_NONE(name) #name,
#define RULE_EPILOGUE(name) #name,
#define RULE_BLOCK(name) #name,
#define RULE_LAYER(name)
static const char *const rule_name[] = {
#define RULE(name, preset, reach, why) RULE_##preset(name)
#include "compiler/fuse.def"
#undef RULE
};
enum { N_RULES = sizeof rule_name / sizeof *rule_name };

/* What follows from the steps. */
static void set_sizes(FuzzCase *c)
{
    Settings *s = &c->s;
    s->batch = s->outputs = 1;
    s->context = c->spare;
    for (int i = 0; i < c->n_steps; i++) {
        const FuzzStep *p = &c->step[i];
        s->context += p->tokens;
        s->batch = p->tokens > s->batch ? p->tokens : s->batch;
        s->outputs = p->outputs > s->outputs ? p->outputs : s->outputs;
    }
    s->set = c->set;
}

/* ---- at random ---- */

static void random_steps(FuzzCase *c, Random *r)
{
    static const int tokens[] = {1, 1, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 33};
    c->n_steps = 1 + (int)random_below(r, 4);
    for (int i = 0; i < c->n_steps; i++) {
        FuzzStep *s = &c->step[i];
        s->tokens = tokens[random_below(r, sizeof tokens / sizeof *tokens)];
        if (random_below(r, 25) == 0) /* around the delta rule's chunks */
            s->tokens = 62 + (int)random_below(r, 8);
        s->outputs = (int)random_below(r, s->tokens < 4 ? s->tokens + 1 : 4);
    }
}

static void add_set(FuzzCase *c, const char *name, const char *value)
{
    c->set[c->s.n_sets++] = (Setting){name, value};
}

static void random_sets(FuzzCase *c, Random *r)
{
    static const char *const form[] = {"auto", "recurrent", "chunked"};
    for (int i = 0; i < N_RULES && random_below(r, 2); i++) {
        const char *rule = rule_name[random_below(r, N_RULES)];
        add_set(c, rule, random_below(r, 3) ? "off" : "on");
    }
    if (random_below(r, 2))
        add_set(c, "delta", form[random_below(r, 3)]);
    if (random_below(r, 4) == 0)
        add_set(c, "pack", "off");
}

static int calls_of_main(const Module *m)
{
    const Graph *g = module_find(m, "main");
    int n = 0;
    for (Ref i = 0; i < g->n_nodes; i++)
        n += g->node[i].op == OP_call;
    return n;
}

/* "2,0,1" */
static const char *random_place(FuzzCase *c, Random *r)
{
    Buf b = {0};
    int left = calls_of_main(c->m);
    for (int d = 0; d < c->devices; d++) {
        bool last = d + 1 == c->devices;
        int n = last ? left : (int)random_below(r, left + 1);
        buf_printf(&b, "%s%d", d ? "," : "", n);
        left -= n;
    }
    const char *text = arena_strndup(c->arena, b.data, b.n);
    buf_free(&b);
    return text;
}

static FuzzPalette random_palette(Random *r)
{
    static const int width[] = {1,  3,  8,  16, 17, 31,  32,  32,  32,  33, 40,
                                64, 64, 65, 96, 127, 128, 160, 256, 256, 512};
    FuzzPalette p = {{0}, {0}};
    for (int i = 0; i < FUZZ_WIDTHS; i++)
        p.width[i] = width[random_below(r, sizeof width / sizeof *width)];
    for (int i = 0; i < 8; i++)
        p.type[random_below(r, BT_COUNT)] = true;
    return p;
}

static bool fits(BlockType t, const Type *type)
{
    BlockKind k = block_info[t].kind;
    return (k == BLOCK_FLOAT || k == BLOCK_QUANT) &&
           type->dim[0].k % block_info[t].elems == 0;
}

/* Vectors are mostly floats. */
static BlockType random_type(const Type *t, const FuzzPalette *p, Random *r)
{
    BlockType found = BT_f32;
    int n = 0;
    if (t->rank == 1 && random_below(r, 4))
        return BT_f32;
    for (int i = 0; i < BT_COUNT; i++)
        if ((p->type[i] || i == BT_f32) && fits((BlockType)i, t) &&
            random_below(r, ++n) == 0)
            found = (BlockType)i;
    return found;
}

/* Layers of one function mostly agree, as in files. */
static void random_types(FuzzCase *c, const FuzzPalette *p, Random *r)
{
    Tensor *t;
    int n = case_tensors(c, c->arena, &t);
    uint64_t common = random_bits(r);
    c->type = ARENA_ARRAY(c->arena, FuzzType, n + 1);
    for (int i = 0; i < n; i++) {
        uint64_t h = common;
        for (const char *s = t[i].pattern; *s; s++)
            h = h * 31 + (unsigned char)*s;
        Random own = random_seed(h);
        BlockType type = random_type(&t[i].type, p,
                                     random_below(r, 12) ? &own : r);
        if (type != BT_f32 && !strstr(t[i].pattern, ".f")) /* factors() */
            c->type[c->n_types++] = (FuzzType){t[i].name, type};
    }
}

FuzzCase *case_random(Arena *a, uint64_t seed, const char *cpu)
{
    static const BlockType activations[] = {BT_f32, BT_f32, BT_f32, BT_q8a,
                                            BT_q16a};
    Random common = random_seed(~(seed / FUZZ_NEIGHBOURS));
    Random r = random_seed(seed);
    FuzzPalette palette = random_palette(&common);
    FuzzCase *c = ARENA_NEW(a, FuzzCase);
    c->arena = a;
    c->cpu = cpu;
    c->m = make_module(a, &r, &palette);
    c->s.fuse = (FusePreset)(random_below(&r, 4) ? 2 : random_below(&r, 2));
    c->s.activations = activations[random_below(&r, 5)];
    c->s.taps = random_below(&r, 2);
    c->s.key_type = c->s.value_type = BT_f32; /* of lowering: not used here */
    c->devices = random_below(&r, 2) ? 1 : 1 + (int)random_below(&r, 4);
    c->s.pipeline = c->devices > 1 && random_below(&r, 2);
    c->spare = random_below(&r, 3) ? 0 : random_below(&r, 40);
    random_steps(c, &r);
    random_sets(c, &r);
    set_sizes(c);
    if (c->devices > 1 && random_below(&r, 2))
        c->s.place = random_place(c, &r);
    random_types(c, &palette, &r);
    return c;
}

/* ---- another module ---- */

FuzzCase *case_with(Arena *a, const FuzzCase *from, Module *m)
{
    FuzzCase *c = ARENA_NEW(a, FuzzCase);
    Tensor *t;
    *c = *from;
    c->arena = a;
    c->m = m;
    set_sizes(c);
    int n = case_tensors(c, a, &t);
    c->type = ARENA_ARRAY(a, FuzzType, n + 1);
    c->n_types = 0;
    for (int i = 0; i < n; i++)
        if (t[i].type.dtype != BT_f32 && fits(t[i].type.dtype, &t[i].type))
            c->type[c->n_types++] = (FuzzType){t[i].name, t[i].type.dtype};
    return c;
}

/* ---- text ---- */

void case_print(const FuzzCase *c, FILE *f)
{
    for (int i = 0; i < c->n_steps; i++)
        fprintf(f, "# step %d %d\n", c->step[i].tokens, c->step[i].outputs);
    fprintf(f, "# cpu %s\n# devices %d\n", c->cpu, c->devices);
    if (c->s.place)
        fprintf(f, "# place %s\n", c->s.place);
    fprintf(f, "# fuse %s\n", preset_name[c->s.fuse]);
    for (int i = 0; i < c->s.n_sets; i++)
        fprintf(f, "# set %s %s\n", c->set[i].name, c->set[i].value);
    if (c->s.activations != BT_f32)
        fprintf(f, "# activations %s\n", block_info[c->s.activations].name);
    if (c->s.taps)
        fprintf(f, "# taps\n");
    if (c->s.pipeline)
        fprintf(f, "# pipeline\n");
    fprintf(f, "# spare %" PRId64 "\n", c->spare);
    for (int i = 0; i < c->n_types; i++)
        fprintf(f, "# type %s %s\n", c->type[i].tensor,
                block_info[c->type[i].type].name);
    module_print(c->m, f);
}

typedef struct {
    FuzzCase *c;
    const char *key, *a, *b; /* words of the line; "" where there is none */
} Line;

static Err *parse_step(const Line *l)
{
    FuzzCase *c = l->c;
    int tokens = atoi(l->a), outputs = atoi(l->b);
    if (c->n_steps == FUZZ_MAX_STEPS || tokens < 1 || outputs < 0 ||
        outputs > tokens)
        return err_new(ERR_INPUT, "# step %s %s", l->a, l->b);
    c->step[c->n_steps++] = (FuzzStep){tokens, outputs};
    return NULL;
}

static Err *parse_set(const Line *l)
{
    if (l->c->s.n_sets == FUZZ_MAX_SETS)
        return err_new(ERR_INPUT, "too many # set lines");
    add_set(l->c, l->a, l->b);
    return NULL;
}

static Err *parse_type(const Line *l)
{
    BlockType t = block_from_name(l->b);
    if (t == BT_COUNT)
        return err_new(ERR_INPUT, "# type %s %s", l->a, l->b);
    l->c->type[l->c->n_types++] = (FuzzType){l->a, t};
    return NULL;
}

static Err *parse_fuse(const Line *l)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(preset_name[i], l->a) == 0) {
            l->c->s.fuse = (FusePreset)i;
            return NULL;
        }
    return err_new(ERR_INPUT, "# fuse %s", l->a);
}

static Err *parse_word(const Line *l)
{
    FuzzCase *c = l->c;
    if (strcmp(l->key, "cpu") == 0)
        c->cpu = l->a;
    else if (strcmp(l->key, "devices") == 0)
        c->devices = atoi(l->a);
    else if (strcmp(l->key, "place") == 0)
        c->s.place = l->a;
    else if (strcmp(l->key, "activations") == 0)
        c->s.activations = block_from_name(l->a);
    else if (strcmp(l->key, "taps") == 0)
        c->s.taps = true;
    else if (strcmp(l->key, "pipeline") == 0)
        c->s.pipeline = true;
    else if (strcmp(l->key, "spare") == 0)
        c->spare = atoi(l->a);
    else
        return err_new(ERR_INPUT, "# %s: no such line", l->key);
    return NULL;
}

static Err *parse_line(const Line *l)
{
    if (strcmp(l->key, "step") == 0)
        return parse_step(l);
    if (strcmp(l->key, "set") == 0)
        return parse_set(l);
    if (strcmp(l->key, "type") == 0)
        return parse_type(l);
    return strcmp(l->key, "fuse") == 0 ? parse_fuse(l) : parse_word(l);
}

/* The next word of a line, cut off behind. */
static const char *next_word(char **at)
{
    char *p = *at + strspn(*at, " ");
    size_t n = strcspn(p, " ");
    *at = p + n + (p[n] != '\0');
    p[n] = '\0';
    return p;
}

static Err *parse_head(FuzzCase *c, char *text)
{
    for (char *line = text, *end; *line == '#'; line = end) {
        size_t n = strcspn(line, "\n");
        end = line + n + (line[n] != '\0');
        line[n] = '\0';
        char *at = line + 1;
        Line l = {.c = c};
        l.key = next_word(&at);
        l.a = next_word(&at);
        l.b = next_word(&at);
        if (*l.key)
            TRY(parse_line(&l));
    }
    return NULL;
}

Err *case_parse(Arena *a, const char *text, FuzzCase **out)
{
    FuzzCase *c = *out = ARENA_NEW(a, FuzzCase);
    size_t n = strlen(text);
    c->arena = a;
    c->cpu = "native";
    c->devices = 1;
    c->s.fuse = FUSE_BLOCK;
    c->s.activations = BT_f32;
    c->type = ARENA_ARRAY(a, FuzzType, n / 8 + 1);
    TRY(parse_head(c, arena_strndup(a, text, n)));
    TRY(module_parse(a, text, &c->m));
    if (!c->n_steps || c->devices < 1 || c->devices > 64 || c->spare < 0 ||
        !module_find(c->m, "main"))
        return err_new(ERR_INPUT, "no @main, no steps or no devices");
    set_sizes(c);
    return NULL;
}
