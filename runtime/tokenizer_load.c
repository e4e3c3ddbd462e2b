/* tokenizer_load.c - checks the tokenizer keys of a file and builds tables. */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "hash.h"
#include "tokenizer_impl.h"
#include "unicode.h"

#define KEY(name) "tokenizer.ggml." name

/* The stored spelling of each entry and an index of it; freed after loading.
 * The tag in a slot saves following three pointers for most misses. */
typedef struct {
    uint32_t tag;   /* of the hash */
    uint32_t entry; /* id + 1; 0 = free */
} Slot;

typedef struct {
    const char *const *text;
    const uint32_t *len;
    Slot *slot;
    uint32_t mask;
} Spelling;

typedef struct {
    const ModelInfo *m;
    Tokenizer *t;
    Arena *tmp;
    const MetaValue *types; /* NULL: all normal */
    const MetaValue *merges;
    const SplitRules *rules;
    Spelling spelling;
    int32_t last_result; /* of the merge before */
} Loader;

/* ---- keys */

static Err *optional(const ModelInfo *m, const char *key, MetaKind kind,
                     int is_array, const MetaValue **out)
{
    static const char *const kinds[] = {"whole number", "number", "bool",
                                        "string"};
    *out = model_meta(m, key);
    if (*out && ((*out)->kind != kind || !(*out)->is_array != !is_array))
        return err_new(ERR_INPUT, "%s is not %s%s", key,
                       is_array ? "an array of the type " : "a ", kinds[kind]);
    return NULL;
}

static Err *required(const ModelInfo *m, const char *key, int is_array,
                     const MetaValue **out)
{
    TRY(optional(m, key, META_STRING, is_array, out));
    if (!*out)
        return err_new(ERR_INPUT, "the file has no %s", key);
    return NULL;
}

static bool is_id_key(const char *key)
{
    static const char tail[] = "_token_id";
    size_t n = strlen(key), k = sizeof tail - 1;
    return strncmp(key, KEY(""), sizeof KEY("") - 1) == 0 && n > k &&
           strcmp(key + n - k, tail) == 0;
}

static Err *check_id_keys(const ModelInfo *m, int32_t n)
{
    for (int64_t i = 0; i < m->n_meta; i++) {
        const MetaValue *v = &m->meta[i];
        if (!is_id_key(v->key))
            continue;
        TRY(optional(m, v->key, META_INT, 0, &v));
        if (v->ints[0] < 0 || v->ints[0] >= n)
            return err_new(ERR_INPUT,
                           "%s is %" PRId64 ", outside the vocabulary of %d",
                           v->key, v->ints[0], n);
    }
    return NULL;
}

/* After check_id_keys; -1 if the key is absent. */
static int32_t id_key(const ModelInfo *m, const char *key)
{
    const MetaValue *v = model_meta(m, key);
    return v ? (int32_t)v->ints[0] : -1;
}

/* ---- spellings */

static bool is_spelt(const Spelling *s, uint32_t entry, const char *a,
                     size_t na, const char *b, size_t nb)
{
    const char *have = s->text[entry - 1];
    return s->len[entry - 1] == na + nb && memcmp(have, a, na) == 0 &&
           memcmp(have + na, b, nb) == 0;
}

/* The slot of the text a followed by b, or a free one; NULL if too many keys
 * share a bucket. */
static Slot *spelling_slot(const Spelling *s, const char *a, size_t na,
                           const char *b, size_t nb, uint32_t *tag)
{
    uint64_t h = hash_mix(hash_bytes(hash_bytes(HASH_START, a, na), b, nb));
    uint32_t at = (uint32_t)h;
    *tag = (uint32_t)(h >> 32);
    for (int probe = 0; probe < HASH_MAX_PROBES; probe++, at++) {
        Slot *slot = &s->slot[at & s->mask];
        if (!slot->entry ||
            (slot->tag == *tag && is_spelt(s, slot->entry, a, na, b, nb)))
            return slot;
    }
    return NULL;
}

static int32_t spelling_find(const Spelling *s, const char *a, size_t na,
                             const char *b, size_t nb)
{
    uint32_t tag;
    const Slot *slot = spelling_slot(s, a, na, b, nb, &tag);
    return slot ? (int32_t)slot->entry - 1 : -1;
}

static Err *index_spellings(Loader *l, const MetaValue *tokens)
{
    Spelling *s = &l->spelling;
    uint32_t cap = 1024;
    while (cap < 2 * tokens->n)
        cap *= 2;
    *s = (Spelling){tokens->strings, tokens->lengths,
                    ARENA_ARRAY(l->tmp, Slot, cap), cap - 1};
    for (int32_t i = 0; i < l->t->n; i++) {
        if (s->len[i] == 0 || s->len[i] > TOKEN_MAX_BYTES)
            return err_new(ERR_INPUT,
                           KEY("tokens") "[%d] has %" PRIu32
                                         " bytes; 1 to %d are allowed",
                           i, s->len[i], TOKEN_MAX_BYTES);
        uint32_t tag;
        Slot *slot = spelling_slot(s, s->text[i], s->len[i], "", 0, &tag);
        if (!slot)
            return err_new(ERR_INPUT,
                           KEY("tokens") "[%d]: too many entries "
                                         "fall into one hash bucket",
                           i);
        if (slot->entry)
            return err_new(ERR_INPUT, KEY("tokens") "[%d] is the same as [%d]",
                           i, (int)slot->entry - 1);
        *slot = (Slot){tag, (uint32_t)i + 1};
    }
    return NULL;
}

/* ---- the byte alphabet */

/* Printable bytes stand for themselves, the 68 others are U+0100 and up in
 * their order, so that every token can be written as text. */
static bool is_printable(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
           byte >= 174;
}

enum { ALPHABET_END = 0x100 + 68 };

static void make_alphabet(int16_t byte_of[ALPHABET_END])
{
    int next = 0x100;
    for (int i = 0; i < ALPHABET_END; i++)
        byte_of[i] = -1;
    for (int byte = 0; byte < 256; byte++)
        byte_of[is_printable(byte) ? byte : next++] = (int16_t)byte;
}

/* Bytes of a spelling in the alphabet, at most as many as it has; -1 if some
 * character is none of the alphabet's (then the spelling is the text). */
static int64_t spell_bytes(const int16_t byte_of[ALPHABET_END], const char *s,
                           size_t n, char *out)
{
    int64_t k = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = unicode_step(s + i, n - i, &cp);
        if (len <= 0 || cp >= ALPHABET_END || byte_of[cp] < 0)
            return -1;
        out[k++] = (char)byte_of[cp];
        i += (size_t)len;
    }
    return k;
}

static bool is_added(uint8_t type)
{
    return type == TOKEN_UNKNOWN || type == TOKEN_CONTROL || type == TOKEN_USER;
}

static Err *load_bytes(Loader *l)
{
    Tokenizer *t = l->t;
    const Spelling *s = &l->spelling;
    int16_t byte_of[ALPHABET_END];
    uint64_t total = 0;
    make_alphabet(byte_of);
    for (int32_t i = 0; i < t->n; i++)
        total += s->len[i];
    if (total > INT32_MAX)
        return err_new(ERR_LIMIT, KEY("tokens") " holds %" PRIu64 " bytes",
                       total);
    t->bytes = arena_alloc(t->arena, total);
    t->start = ARENA_ARRAY(t->arena, uint32_t, t->n + 1);
    if (l->rules->whole)
        tokenizer_whole_init(t);
    for (int32_t i = 0; i < t->n; i++) {
        char *to = t->bytes + t->start[i];
        int64_t n = is_added(t->type[i])
                        ? -1
                        : spell_bytes(byte_of, s->text[i], s->len[i], to);
        bool spelt = n >= 0;
        if (!spelt) {
            n = s->len[i];
            memcpy(to, s->text[i], s->len[i]);
        }
        t->start[i + 1] = t->start[i] + (uint32_t)n;
        if (l->rules->whole && spelt && t->type[i] == TOKEN_NORMAL)
            TRY(tokenizer_whole_add(t, i));
    }
    return NULL;
}

/* Vocabularies trained on text alone lack bytes that it had none of. */
static void load_byte_ids(Loader *l)
{
    int16_t byte_of[ALPHABET_END];
    make_alphabet(byte_of);
    for (uint32_t cp = 0; cp < ALPHABET_END; cp++) {
        char text[UNICODE_MAX_BYTES];
        if (byte_of[cp] < 0)
            continue;
        size_t n = (size_t)unicode_put(cp, text);
        l->t->byte_id[byte_of[cp]] =
            spelling_find(&l->spelling, text, n, "", 0);
    }
}

/* ---- merges */

/* Trainers number a token when they make its merge, so the result is mostly the
 * entry after the last one: looking there first spares cold memory. */
static int32_t find_result(Loader *l, const char *a, size_t na, const char *b,
                           size_t nb)
{
    int32_t next = l->last_result + 1;
    if (next >= l->t->n ||
        !is_spelt(&l->spelling, (uint32_t)next + 1, a, na, b, nb))
        next = spelling_find(&l->spelling, a, na, b, nb);
    if (next >= 0)
        l->last_result = next;
    return next;
}

static Err *load_merge(Loader *l, const char *s, size_t n)
{
    const char *gap = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    if (!gap)
        return err_new(ERR_INPUT, "it is not two tokens with a space between");
    const char *right = gap + 1;
    size_t n_left = (size_t)(gap - s), n_right = n - n_left - 1;
    const Spelling *sp = &l->spelling;
    BpeMerge m = {
        .left = spelling_find(sp, s, n_left, "", 0),
        .right = spelling_find(sp, right, n_right, "", 0),
        .result = find_result(l, s, n_left, right, n_right),
    };
    if (m.left < 0 || m.right < 0 || m.result < 0)
        return err_new(ERR_INPUT, "%s is not in the vocabulary",
                       m.left < 0    ? "its left half"
                       : m.right < 0 ? "its right half"
                                     : "its result");
    return bpe_add(&l->t->bpe, m);
}

static Err *load_merges(Loader *l)
{
    const MetaValue *v = l->merges;
    bpe_init(l->t->arena, &l->t->bpe, (uint32_t)v->n);
    for (int64_t i = 0; i < v->n; i++) {
        Err *e = load_merge(l, v->strings[i], v->lengths[i]);
        if (e)
            return err_note(e, KEY("merges") "[%" PRId64 "] ('%.40s')", i,
                            v->strings[i]);
    }
    return NULL;
}

/* ---- types, ends, added tokens */

static Err *load_types(Loader *l)
{
    Tokenizer *t = l->t;
    t->type = ARENA_ARRAY(t->arena, uint8_t, t->n);
    memset(t->type, TOKEN_NORMAL, (size_t)t->n);
    if (l->types && l->types->n != t->n)
        return err_new(ERR_INPUT,
                       KEY("token_type") " has %" PRId64
                                         " entries, " KEY("tokens") " has %d",
                       l->types->n, t->n);
    for (int32_t i = 0; l->types && i < t->n; i++) {
        int64_t type = l->types->ints[i];
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return err_new(ERR_INPUT,
                           KEY("token_type") "[%d] is %" PRId64
                                             "; 1 to 6 are known",
                           i, type);
        t->type[i] = (uint8_t)type;
        if (type != TOKEN_UNUSED)
            t->n_real = i + 1;
    }
    if (!l->types)
        t->n_real = t->n;
    return NULL;
}

/* An ordinary token with such a text is a word of the language, unless it has
 * the look of markup that a converter forgot to mark. */
static bool may_end(const Loader *l, int32_t id)
{
    const Spelling *s = &l->spelling;
    return l->t->type[id] != TOKEN_NORMAL ||
           (s->len[id] > 2 && memcmp(s->text[id], "<|", 2) == 0);
}

static void add_end(Tokenizer *t, int32_t id)
{
    int at = t->n_ends;
    if (id < 0 || tokenizer_is_end(t, id))
        return;
    for (; at && t->ends[at - 1] > id; at--)
        t->ends[at] = t->ends[at - 1];
    t->ends[at] = id;
    t->n_ends++;
}

static void load_ends(Loader *l)
{
    static const struct {
        const char *text, *key;
    } row[] = {
#define END_TOKEN(text, key) {text, key},
#include "end_tokens.def"
#undef END_TOKEN
    };
    static const char *const keys[] = {KEY("eos_token_id"), KEY("eot_token_id"),
                                       KEY("eom_token_id")};
    enum {
        N_ROWS = sizeof row / sizeof *row,
        N_KEYS = sizeof keys / sizeof *keys
    };
    Tokenizer *t = l->t;
    t->ends = ARENA_ARRAY(t->arena, int32_t, N_ROWS + N_KEYS);
    for (int i = 0; i < N_KEYS; i++)
        add_end(t, id_key(l->m, keys[i]));
    for (int i = 0; i < N_ROWS; i++) {
        const char *s = row[i].text;
        int32_t id = spelling_find(&l->spelling, s, strlen(s), "", 0);
        bool overridden = *row[i].key && model_meta(l->m, row[i].key);
        if (id >= 0 && may_end(l, id) && !overridden)
            add_end(t, id);
    }
    for (int i = 0; i < t->n_ends; i++)
        if (may_end(l, t->ends[i]))
            t->type[t->ends[i]] = TOKEN_CONTROL;
}

typedef struct {
    const char *text;
    size_t n;
    int32_t id;
} Added;

static int added_cmp(const void *x, const void *y)
{
    const Added *a = x, *b = y;
    int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    return c ? c : a->n < b->n ? -1 : a->n > b->n;
}

static Err *load_added(Loader *l)
{
    Tokenizer *t = l->t;
    Added *added = ARENA_ARRAY(l->tmp, Added, t->n);
    for (int32_t i = 0; i < t->n; i++) {
        if (!is_added(t->type[i]))
            continue;
        Added *a = &added[t->n_added++];
        a->text = tokenizer_bytes(t, i, &a->n);
        a->id = i;
        if (a->n > SPECIAL_MAX_BYTES)
            return err_new(ERR_INPUT,
                           KEY("tokens") "[%d] is an added token of %zu bytes; "
                                         "at most %d are allowed",
                           i, a->n, SPECIAL_MAX_BYTES);
    }
    qsort(added, (size_t)t->n_added, sizeof *added, added_cmp);
    t->added = ARENA_ARRAY(t->arena, int32_t, t->n_added);
    for (int32_t i = 0; i < t->n_added; i++) {
        t->added[i] = added[i].id;
        t->added_first[(unsigned char)added[i].text[0]] = true;
    }
    return NULL;
}

/* ---- all of it */

static Err *load_keys(Loader *l)
{
    const MetaValue *model, *tokens;
    Tokenizer *t = l->t;
    TRY(required(l->m, KEY("model"), 0, &model));
    if (strcmp(model->strings[0], "gpt2") != 0)
        return err_new(ERR_INPUT,
                       KEY("model") " is '%.64s'; only 'gpt2' (byte-level "
                                    "byte pairs) is known here",
                       model->strings[0]);
    TRY(required(l->m, KEY("tokens"), 1, &tokens));
    TRY(required(l->m, KEY("merges"), 1, &l->merges));
    TRY(optional(l->m, KEY("token_type"), META_INT, 1, &l->types));
    if (tokens->n > VOCAB_MAX || l->merges->n > VOCAB_MAX)
        return err_new(ERR_LIMIT, "a vocabulary of more than %d entries",
                       VOCAB_MAX);
    t->n = (int32_t)tokens->n;
    TRY(check_id_keys(l->m, t->n));
    return index_spellings(l, tokens);
}

static Err *load_splitter(Loader *l, const TokenizerOptions *o)
{
    const MetaValue *pre;
    TRY(optional(l->m, KEY("pre"), META_STRING, 0, &pre));
    if (!pre)
        log_warning("the file has no " KEY("pre") "; text is cut as for "
                                                  "'default'");
    TRY(splitter_new(pre ? pre->strings[0] : "default", !o->no_jit,
                     &l->t->splitter));
    l->rules = splitter_rules(l->t->splitter);
    l->t->nfc = o->nfc == NFC_DEFAULT ? l->rules->nfc : o->nfc == NFC_ON;
    return NULL;
}

static Err *load_bos(Loader *l)
{
    const MetaValue *add;
    TRY(optional(l->m, KEY("add_bos_token"), META_BOOL, 0, &add));
    bool wanted = add ? add->ints[0] : l->rules->bos;
    l->t->bos = wanted ? id_key(l->m, KEY("bos_token_id")) : -1;
    return NULL;
}

static Err *load_all(Loader *l, const TokenizerOptions *o)
{
    TRY(load_keys(l));
    TRY(load_splitter(l, o));
    TRY(load_types(l));
    load_ends(l); /* may change types: before whatever depends on them */
    TRY(load_bytes(l));
    load_byte_ids(l);
    TRY(load_merges(l));
    TRY(load_added(l));
    return load_bos(l);
}

Err *tokenizer_new(const ModelInfo *m, const TokenizerOptions *o,
                   Tokenizer **out)
{
    static const TokenizerOptions defaults = {NFC_DEFAULT, false};
    Arena *a = arena_new();
    Tokenizer *t = ARENA_NEW(a, Tokenizer);
    t->arena = a;
    Loader l = {.m = m, .t = t, .tmp = arena_new()};
    Err *e = load_all(&l, o ? o : &defaults);
    arena_free(l.tmp);
    *out = e ? NULL : t;
    if (!e)
        return NULL;
    tokenizer_free(t);
    return err_note(e, "tokenizer of '%.128s'", m->path ? m->path : "");
}

void tokenizer_free(Tokenizer *t)
{
    if (!t)
        return;
    splitter_free(t->splitter);
    arena_free(t->arena);
}
