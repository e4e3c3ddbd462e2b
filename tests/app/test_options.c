/* The tables of commands and options: parsing, suggestions, help. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/cli/options_table.h"

enum { MAX_WORDS = 8 };

/* Parses "sextet WORDS..." where words are separated by '|'. */
static Err *parse(Arena *a, const char *words, Options *o)
{
    char *argv[MAX_WORDS] = {arena_strndup(a, "sextet", 6)};
    int argc = 1;
    for (const char *p = words; argc < MAX_WORDS; p++) {
        size_t n = strcspn(p, "|");
        argv[argc++] = arena_strndup(a, p, n);
        p += n;
        if (!*p)
            break;
    }
    char **kept = ARENA_ARRAY(a, char *, argc);
    memcpy(kept, argv, sizeof *kept * (size_t)argc);
    return options_parse(a, argc, kept, o);
}

static void expect_error(const char *words, const char *part)
{
    Arena *a = arena_new();
    Options o;
    Err *e = parse(a, words, &o);
    cr_assert(e, "'%s' must not parse", words);
    cr_expect_eq(err_code(e), ERR_USAGE);
    cr_expect(strstr(err_text(e), part), "'%s': \"%s\" lacks \"%s\"", words,
              err_text(e), part);
    err_free(e);
    arena_free(a);
}

Test(options, defaults_and_given)
{
    Arena *a = arena_new();
    Options o;
    cr_assert(!parse(a, "help|--quiet", &o));
    cr_expect_str_eq(o.command, "help");
    cr_expect(o.quiet && o.given[OPT_quiet]);
    cr_expect(!o.verbose && !o.given[OPT_verbose]);
    cr_expect_eq(o.batch, 0); /* by the devices */
    cr_expect(!o.given[OPT_batch]);
    cr_expect_eq(o.cache_size, INT64_C(1) << 30);
    cr_expect_float_eq(o.top_p, 0.95, 1e-12);
    cr_expect_str_eq(o.devices, "auto");
    arena_free(a);
}

Test(options, lone_dashes)
{
    Arena *a = arena_new();
    Options o;
    cr_assert(!parse(a, "help|--|--quiet", &o));
    cr_expect(!o.quiet);
    cr_expect_eq(o.n_args, 1);
    cr_expect_str_eq(o.args[0], "--quiet");
    cr_assert(!parse(a, "help|-", &o));
    cr_expect_str_eq(o.args[0], "-");
    cr_assert(!parse(a, "--help", &o));
    cr_expect_str_eq(o.command, "help");
    arena_free(a);
}

Test(options, values)
{
    Arena *a = arena_new();
    Options o;
    cr_assert(!parse(a, "run|m|--batch=7|--seed|-3|--top-p=.5|hello", &o));
    cr_expect_eq(o.batch, 7);
    cr_expect_eq(o.seed, -3);
    cr_expect_float_eq(o.top_p, 0.5, 0);
    cr_expect(o.given[OPT_seed] && !o.given[OPT_top_k]);
    cr_expect_eq(o.n_args, 2);
    cr_expect_str_eq(o.args[1], "hello");
    cr_assert(!parse(a, "run|m|--set=a=b|--set|c=d|--kv=q8_0,f16", &o));
    cr_expect_eq(o.set.n, 2);
    cr_expect_str_eq(o.set.item[0], "a=b");
    cr_expect_str_eq(o.set.item[1], "c=d");
    cr_expect_str_eq(o.kv, "q8_0,f16");
    cr_assert(!parse(a, "bench|m|--depth=0,4096,17|--prompt-tokens=5", &o));
    cr_expect_eq(o.depth.n, 3);
    cr_expect_eq(o.depth.item[1], 4096);
    cr_expect_eq(o.depth.item[2], 17);
    cr_expect_eq(o.prompt_tokens.n, 1);
    cr_expect_eq(o.prompt_tokens.item[0], 5);
    arena_free(a);
}

Test(options, wrong_values)
{
    expect_error("bench|m|--depth=1,", "0 or more");
    expect_error("bench|m|--depth=,1", "0 or more");
    expect_error("bench|m|--depth=1,-1", "0 or more");
    expect_error("bench|m|--depth=1;2", "whole number");
    expect_error("run|m|--batch=-1", "0 or more");
    expect_error("run|m|--batch=1x", "whole number");
    expect_error("run|m|--batch=99999999999999999999", "whole number");
    expect_error("run|m|--batch= 1", "whole number");
    expect_error("run|m|--batch=", "whole number");
    expect_error("run|m|--batch", "needs a value: --batch=TOKENS");
    expect_error("run|m|--batch|--raw", "needs a value");
    expect_error("run|m|--temperature=nan", "a number");
    expect_error("run|m|--temperature=inf", "a number");
    expect_error("run|m|--temperature=1e999", "a number");
    expect_error("run|m|--fuse=blok", "did you mean 'block'?");
    expect_error("run|m|--fuse=block,none", "expected one of");
    expect_error("run|m|--kv=f16,f16,f16", "expected one of");
    expect_error("run|m|--kv=f16,", "expected one of");
    expect_error("run|m|--cache-size=1GB", "a size such as");
    expect_error("run|m|--stage=plan", "takes no --stage (only: show)");
    expect_error("run", "too few arguments for 'sextet run MODEL.gguf");
    expect_error("run|a|b|c", "too many arguments");
}

Test(options, mistakes)
{
    expect_error("hepl", "did you mean 'help'?");
    expect_error("x", "unknown command 'x'");
    expect_error("help|--quite", "did you mean --quiet?");
    expect_error("help|--zzzzzz", "no option --zzzzzz");
    expect_error("help|--quiet=1", "takes no value");
    expect_error("help|--batch=3", "takes no --batch");
    expect_error("help|a|b", "too many arguments");
    expect_error("help|-q", "unknown option '-q'");
}

Test(options, sizes)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"100B", 100},
        {"1KiB", 1024},
        {"24GiB", INT64_C(24) << 30},
        {"1.5 MiB", 3 << 19},
        {"2TiB", INT64_C(2) << 40},
        {"24GB", -1},
        {"24G", -1},
        {"-1", -1},
        {"", -1},
        {" 1", -1},
        {"1e9", -1},
        {"0x10", -1},
        {"nan", -1},
        {"inf", -1},
        {"99999999999TiB", -1},
        {"1KiBs", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = -1;
        Err *e = options_size("size", cases[i].text, &bytes);
        cr_expect_eq(e != NULL, cases[i].bytes < 0, "%s", cases[i].text);
        cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
        err_free(e);
    }
}

Test(options, suggestions_are_near)
{
    Suggestion s = {0};
    suggest(&s, "contxt", 6, "context", 7);
    suggest(&s, "contxt", 6, "content", 7);
    cr_expect_str_eq(s.name, "context");
    s = (Suggestion){0};
    suggest(&s, "abcdef", 6, "context", 7);
    suggest(&s, "kv", 2, "cp", 2);
    cr_expect_str_eq(s.name, "");
}

/* Help must show each option that a command of the table takes. */
Test(options, help_is_complete)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    options_help(f);
    fclose(f);
    for (int i = 0; i < OPT_COUNT; i++) {
        char name[OPTION_NAME_MAX], shown[OPTION_NAME_MAX + 4];
        bool used = false;
        for (int c = 0; c < COMMAND_COUNT; c++)
            used |= option_taken_by(&option_table[i], command_table[c].name);
        snprintf(shown, sizeof shown, "  --%s",
                 option_dashed(&option_table[i], name));
        cr_expect_eq(strstr(text, shown) != NULL, used, "%s", shown);
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        cr_expect_leq(strlen(line), 79, "%s", line);
    free(text);
}

/* Names of options may not differ only in a way that suggests the wrong one,
 * and every row must name its commands and say something. */
Test(options, rows_are_sound)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const OptionRow *r = &option_table[i];
        cr_expect(r->commands[0] && r->help[0], "%s", r->name);
        cr_expect_eq(r->kind == KIND_FLAG, r->value[0] == '\0', "%s", r->name);
        for (const char *p = r->commands; *p && *p != '*';) {
            size_t n = strcspn(p, " ");
            char *word = strndup(p, n);
            cr_expect(command_find(word), "%s: no command '%s'", r->name, word);
            free(word);
            p += n + (p[n] != '\0');
        }
        cr_expect(strspn(r->name, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
                      strlen(r->name),
                  "%s", r->name);
    }
}
