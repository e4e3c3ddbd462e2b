/* plan_text.c - a plan as text; plan_parse.c reads it back.
 *
 *     sextet-plan 1
 *     model "qwen35moe"
 *     context 4096
 *     batch 512
 *     outputs 512
 *     d0 "host:0" "host" capacity 0 reserve 0 bandwidth 1e+10 weights 64 ...
 *     w0 "output_norm.weight" f32 [256] norms d0 at 0 bytes 1024
 *     s0 "keys[3]" per_token f16 512 d0 at 0 bytes 4194304
 *     b0 "x" f32 [T, 256] d0 at 0 bytes 524288
 *     k0 "norm_qkv"
 *     | func @norm_qkv(...) {
 *     program "main"
 *     input "tokens" b0
 *     output "logits" b7
 *     tap "hidden[0]" b5
 *     stage d0
 *     launch k0 on d0 (b0, w0, s0, b1) "q, k"
 *     copy on d1 (b1, b2) "x"
 *     stage d1
 *
 * One thing a line; d, w, s, b and k count from 0 in order.  '#' starts a
 * comment line.  The lines of a kernel's text follow it behind "| ".  A device
 * whose speed is known says "compute 7.1e+13" behind its bandwidth.  A buffer
 * with slots says so behind its shape: "b2 "x" f32 [T, 256] slots 2 d1 at ..".
 * A `stage` line opens a stage, to which the steps below it belong; a program
 * has none or begins its steps with one. */
#include <inttypes.h>
#include <string.h>

#include "runtime/plan.h"

/* ---- printing */

static void print_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (const char *p = s ? s : ""; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\x%02x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

static void print_place(FILE *f, int device, int64_t offset, int64_t bytes)
{
    fprintf(f, " d%d at %" PRId64 " bytes %" PRId64 "\n", device, offset,
            bytes);
}

static void print_device(FILE *f, int i, const PlanDevice *d)
{
    fprintf(f, "d%d ", i);
    print_string(f, d->name);
    fputc(' ', f);
    print_string(f, d->kind);
    fprintf(f,
            " capacity %" PRId64 " reserve %" PRId64 " bandwidth %.17g",
            d->capacity, d->reserve, d->bandwidth);
    if (d->compute != 0)
        fprintf(f, " compute %.17g", d->compute);
    fprintf(f, " weights %" PRId64 " states %" PRId64 " scratch %" PRId64 "\n",
            d->weights, d->states, d->scratch);
}

static void print_weight(FILE *f, int i, const PlanWeight *w)
{
    fprintf(f, "w%d ", i);
    print_string(f, w->tensor);
    fprintf(f, " %s", block_info[w->type].name);
    fprintf(f, w->packing ? "/%s [" : " [", packing_name[w->packing]);
    for (int k = 0; k < w->rank; k++)
        fprintf(f, "%s%" PRId64, k ? ", " : "", w->ne[k]);
    fprintf(f, "] %s", weight_class_name[w->cls]);
    print_place(f, w->device, w->offset, w->bytes);
}

static void print_state(FILE *f, int i, const PlanState *s)
{
    fprintf(f, "s%d ", i);
    print_string(f, s->name);
    fprintf(f, " %s %s %" PRId64,
            s->kind == STATE_PER_TOKEN ? "per_token" : "fixed",
            block_info[s->type].name, s->elems);
    print_place(f, s->device, s->offset, s->bytes);
}

static void print_dim(FILE *f, Dim d)
{
    if (d.k != 1 || d.sym == SYM_ONE)
        fprintf(f, "%" PRId64 "%s", d.k, d.sym == SYM_ONE ? "" : "*");
    fputs(sym_name[d.sym], f);
}

static void print_buffer(FILE *f, int i, const PlanBuffer *b)
{
    fprintf(f, "b%d ", i);
    print_string(f, b->name);
    fprintf(f, " %s [", block_info[b->type].name);
    for (int k = 0; k < b->rank; k++) {
        fputs(k ? ", " : "", f);
        print_dim(f, b->dim[k]);
    }
    fputc(']', f);
    if (b->slots != 1)
        fprintf(f, " slots %d", b->slots);
    print_place(f, b->device, b->offset, b->bytes);
}

static void print_kernel(FILE *f, int i, const PlanKernel *k)
{
    fprintf(f, "k%d ", i);
    print_string(f, k->name);
    fputc('\n', f);
    for (const char *p = k->text, *end;; p = end + 1) {
        end = p + strcspn(p, "\n");
        fprintf(f, "|%s%.*s\n", end > p ? " " : "", (int)(end - p), p);
        if (!*end)
            break;
    }
}

static void print_ports(FILE *f, const char *what, const PlanPort *p, int n)
{
    for (int i = 0; i < n; i++) {
        fprintf(f, "%s ", what);
        print_string(f, p[i].name);
        fprintf(f, " b%d\n", p[i].buffer);
    }
}

static void print_step(FILE *f, const PlanStep *s)
{
    static const char letter[] = {
        [ARG_BUFFER] = 'b', [ARG_WEIGHT] = 'w', [ARG_STATE] = 's'};
    if (s->kind == STEP_LAUNCH)
        fprintf(f, "launch k%d on d%d (", s->kernel, s->device);
    else
        fprintf(f, "copy on d%d (", s->device);
    for (int i = 0; i < s->n_args; i++)
        fprintf(f, "%s%c%d", i ? ", " : "", letter[s->arg[i].kind],
                s->arg[i].index);
    fputs(") ", f);
    print_string(f, s->note);
    fputc('\n', f);
}

static void print_program(FILE *f, const PlanProgram *p)
{
    fputs("program ", f);
    print_string(f, p->name);
    fputc('\n', f);
    print_ports(f, "input", p->input, p->n_inputs);
    print_ports(f, "output", p->output, p->n_outputs);
    print_ports(f, "tap", p->tap, p->n_taps);
    int step = 0;
    for (int i = 0; i < p->n_stages; i++) {
        fprintf(f, "stage d%d\n", p->stage[i].device);
        for (int k = 0; k < p->stage[i].n_steps; k++)
            print_step(f, &p->step[step++]);
    }
    while (step < p->n_steps)
        print_step(f, &p->step[step++]);
}

void plan_print(const Plan *p, FILE *f)
{
    fputs("sextet-plan 1\nmodel ", f);
    print_string(f, p->model);
    fprintf(f,
            "\ncontext %" PRId64 "\nbatch %" PRId64 "\noutputs %" PRId64 "\n",
            p->context, p->batch, p->outputs);
    for (int i = 0; i < p->n_devices; i++)
        print_device(f, i, &p->device[i]);
    for (int i = 0; i < p->n_weights; i++)
        print_weight(f, i, &p->weight[i]);
    for (int i = 0; i < p->n_states; i++)
        print_state(f, i, &p->state[i]);
    for (int i = 0; i < p->n_buffers; i++)
        print_buffer(f, i, &p->buffer[i]);
    for (int i = 0; i < p->n_kernels; i++)
        print_kernel(f, i, &p->kernel[i]);
    for (int i = 0; i < p->n_programs; i++)
        print_program(f, &p->program[i]);
}
