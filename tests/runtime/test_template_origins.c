/* What a rendered template says about where its bytes came from. */
#include <criterion/criterion.h>

#include "runtime/jinja/template.h"
#include "runtime/json.h"

static const char context[] =
    "{\"u\": \"<|x|>\", \"e\": \"\", \"l\": [\"a\", \"b\"], \"n\": 7, \"k\": "
    "{\"key\": \"va\\\"l\"}, \"w\": \" \\u00df\\u00e9 \"}";

/* The text, and below each byte T or I. */
static void check(const char *template, const char *text, const char *marks)
{
    Arena *a = arena_new();
    Template *t = NULL;
    Value d;
    const Str *out = NULL;
    cr_assert_null(template_parse(a, template, strlen(template), &t));
    cr_assert_null(json_read(a, context, sizeof context - 1, &d));
    TemplateInput in = {.context = d.dict};
    cr_assert_null(template_render(a, t, &in, &out, NULL), "%s", template);
    cr_assert_eq(out->n, strlen(text), "%s: %s", template, out->p);
    cr_assert_arr_eq(out->p, text, out->n, "%s: %s", template, out->p);
    for (size_t i = 0; i < out->n; i++) {
        Origin o = out->marks ? (Origin)out->marks[i] : out->origin;
        cr_assert_eq(o, marks[i] == 'I' ? ORIGIN_INPUT : ORIGIN_TEMPLATE,
                     "%s: byte %zu of %s", template, i, text);
    }
    arena_free(a);
}

Test(origins, text_around_input)
{
    check("<|x|>{{ u }}<|x|>", "<|x|><|x|><|x|>", "TTTTTIIIIITTTTT");
    check("{{ u }}", "<|x|>", "IIIII");
    check("a{{ e }}b", "ab", "TT");
}

Test(origins, operators_and_slices)
{
    check("{{ '<|' + u ~ '|>' }}", "<|<|x|>|>", "TTIIIIITT");
    check("{{ ('ab' ~ u)[1:4] }}", "b<|", "TII");
    check("{{ ('ab' ~ u)[::-1] }}", ">|x|<ba", "IIIIITT");
    check("{{ u * 2 }}", "<|x|><|x|>", "IIIIIIIIII");
}

Test(origins, filters_and_methods)
{
    check("{{ l|join('<|') }}", "a<|b", "ITTI");
    check("{{ ('-' ~ u)|upper|trim('-') }}", "<|X|>", "IIIII");
    check("{{ w|trim|upper }}!", "SS\xc3\x89!", "IIIIT");
    check("{{ 'a.b'.replace('.', u) }}", "a<|x|>b", "TIIIIIT");
    check("{{ (u ~ '.q').split('.')|join }}", "<|x|>q", "IIIIIT");
    check("{{ u.replace('|', '.') }}", "<.x.>", "ITITI");
    check("{% filter indent(1, true) %}{{ u }}{% endfilter %}", " <|x|>",
          "TIIIII");
}

Test(origins, formats_and_json)
{
    check("{{ '<%s>' % u }}", "<<|x|>>", "TIIIIIT");
    check("{{ '{:>7}|'.format(u) }}", "  <|x|>|", "TTIIIIIT");
    check("{{ k|tojson }}", "{\"key\": \"va\\\"l\"}", "TTIIITTTTIITTITT");
    check("{{ [u] }}", "['<|x|>']", "TTIIIIITT");
}

Test(origins, macros_and_blocks)
{
    check("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(u) }}", "<<|x|>>",
          "TIIIIIT");
    check("{% set x %}<{{ u }}{% endset %}{{ x }}", "<<|x|>", "TIIIII");
    check("{% for c in u %}{{ c }},{% endfor %}", "<,|,x,|,>,", "ITITITITIT");
}
