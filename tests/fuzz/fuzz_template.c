/* fuzz_template.c - template text: any bytes get an answer within the bounds;
 * what parses prints as text that parses to the same and renders to the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/jinja/template.h"
#include "runtime/json.h"
#include "runtime/unicode.h"

static const char context[] =
    "{\"s\": \"Hello, W\\u00f6rld \", \"t\": \"a,b,,c\", \"n\": 42, \"f\": 2.5,"
    "\"big\": 12345678901234567890, \"l\": [3, 1, 2], \"d\": {\"b\": 1, \"a\": "
    "[1]},"
    "\"messages\": [{\"role\": \"user\", \"content\": \" hi \"}, {\"role\": "
    "\"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", "
    "\"arguments\": {\"x\": 1.0}}}]}], \"tools\": [{\"type\": \"function\"}]}";

static const TemplateBounds small = {
    .steps = 20000, .depth = 200, .output = 1 << 16, .memory = 8 << 20};

static const struct tm now = {.tm_year = 126, .tm_mday = 2};

/* NULL: an error, which is fine. */
static const Str *render(Arena *a, const Template *t, const Dict *d)
{
    const Str *out = NULL;
    TemplateInput in = {.context = d, .bounds = &small, .now = &now};
    int64_t steps = 0;
    Err *e = template_render(a, t, &in, &out, &steps);
    if (steps > small.steps || (!e && (out->n > small.output ||
                                       unicode_valid(out->p, out->n) < out->n)))
        abort();
    err_free(e);
    return out;
}

static void check(Arena *a, const Template *t, const Dict *d)
{
    Buf once = {0}, twice = {0};
    Template *again;
    template_print(t, &once);
    if (once.n <= TEMPLATE_MAX_BYTES) {
        Err *e = template_parse(a, once.data, once.n, &again);
        /* more parentheses than the text had may nest too deeply */
        if (e && err_code(e) != ERR_LIMIT)
            abort();
        if (!e) {
            template_print(again, &twice);
            if (once.n != twice.n || memcmp(once.data, twice.data, once.n) != 0)
                abort();
            const Str *s = render(a, t, d), *u = render(a, again, d);
            if (s && u && !str_equal(s, u))
                abort();
        }
        err_free(e);
    }
    buf_free(&once);
    buf_free(&twice);
}

/* ---- mutation by pieces of templates: plain bytes hardly ever parse */

static const char *const pieces[] = {
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{%- ",
    " -%}",
    "{# ",
    " #}",
    "{% for x in l %}",
    "{% endfor %}",
    "{% if s %}",
    "{% else %}",
    "{% endif %}",
    "{% set x = ",
    "{% set ns = namespace(a=l) %}",
    "{% set ns.a = [ns.a, ns.a] %}",
    "{% macro m(x, y=1) %}",
    "{% endmacro %}",
    "{{ m(m) }}",
    "{% call m() %}",
    "{% endcall %}",
    "{% break %}",
    "{% continue %}",
    "{% raw %}",
    "{% endraw %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{% generation %}",
    "{% endset %}",
    "{% for k, v in d.items() recursive %}",
    "{{ loop(l) }}",
    "loop.cycle(1, 2)",
    "messages",
    "tools",
    "[::-1]",
    "[1:]",
    "['a']",
    "|tojson(indent=2)",
    "|map(",
    "|selectattr('role', 'equalto', 'user')|list",
    "|join(', ')",
    "|sort",
    "|groupby('role')",
    "|batch(2)",
    "|indent(2, true)",
    "|replace('', 'xx')",
    "|default('q', true)",
    "|int",
    "|round(2)",
    "|safe",
    "|e",
    ".split(',')",
    ".format(s, n)",
    "'%5.1f' % f",
    "'{:>{n}}'",
    ".strip('H ')",
    ".rsplit()",
    ".title()",
    ".zfill(9)",
    ".replace('l', s)",
    " is defined",
    " is not none",
    " in ",
    " not in ",
    " and ",
    " or ",
    " not ",
    " ~ ",
    " + ",
    " ** ",
    " // ",
    " % ",
    " * 99999",
    "range(9)",
    "s",
    "n",
    "f",
    "big",
    "l",
    "d",
    "none",
    "1e308",
    "9223372036854775807",
    "raise_exception(s)",
    "strftime_now('%Y')",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "*l",
    "**d",
    "x if s else ",
    "joiner()",
    "cycler(1, 2).next()",
};

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    if (seed % 3 == 0 && size)
        return LLVMFuzzerMutate(data, size, max);
    const char *piece = pieces[seed / 3 % (sizeof pieces / sizeof *pieces)];
    size_t n = strlen(piece), at = size ? seed / 1009 % (size + 1) : 0;
    if (size + n > max)
        return size;
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, piece, n);
    return size + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *a = arena_new();
    Template *t;
    Value d;
    Err *e = template_parse(a, size ? (const char *)data : "", size, &t);
    if (!e && (e = json_read(a, context, sizeof context - 1, &d)))
        abort();
    if (!e)
        check(a, t, d.dict);
    err_free(e);
    arena_free(a);
    return 0;
}
