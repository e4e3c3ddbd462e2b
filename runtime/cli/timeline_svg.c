/* timeline_svg.c - timelines as a picture: devices are rows, chunks coloured
 * bars with their number, time goes to the right. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/timeline.h"

/* Pixels. */
enum {
    WIDTH = 1120,
    LEFT = 132,   /* of the bars: names of devices stand before */
    RIGHT = 1050, /* their end: how busy each device is stands behind */
    HEAD = 58,    /* above the first panel */
    TITLE = 46,   /* above the rows of a panel */
    ROW = 30,
    BAR = 24,
    AXIS = 44,
    NUMBER = 7, /* a digit in a bar */
};

typedef struct {
    FILE *f;
    double end; /* of the axis of time */
    TimelineUnit unit;
} Drawing;

/* Chunks take these in turn; neighbours differ, and the order can be seen. */
static const struct {
    const char *bar, *text;
} colours[] = {
    {"#3b4cc0", "#fff"}, {"#2f7fb8", "#fff"}, {"#2fa4a0", "#fff"},
    {"#4bb56b", "#111"}, {"#a3cc4a", "#111"}, {"#f0cf3c", "#111"},
    {"#f5a142", "#111"}, {"#e8663f", "#fff"}, {"#c73e5c", "#fff"},
    {"#8a3f98", "#fff"},
};
enum { COLOURS = sizeof colours / sizeof colours[0] };

static void put_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '<' || c == '>' || c == '&' || c == '"' || c < 0x20)
            fprintf(f, c < 0x20 ? "?" : "&#%d;", c);
        else
            fputc(c, f);
    }
}

static double x_of(const Drawing *d, double when)
{
    return LEFT + (RIGHT - LEFT) * (d->end > 0 ? when / d->end : 0);
}

/* ---- one bar */

static void draw_number(const Drawing *d, int64_t chunk, double left,
                        double right, double y)
{
    char number[24];
    int n = snprintf(number, sizeof number, "%" PRId64, chunk);
    if (right - left < NUMBER * n + 4)
        return;
    fprintf(d->f,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"%s\">%s"
            "</text>\n",
            (left + right) / 2, y + BAR / 2.0 + 4, colours[chunk % COLOURS].text,
            number);
}

static void draw_bar(const Drawing *d, const Timeline *t, int row,
                     int64_t chunk, double y)
{
    const Span *s = &t->span[chunk * t->n_rows + row];
    double left = x_of(d, s->start), right = x_of(d, s->end);
    double per = d->unit.per_second;
    fprintf(d->f,
            "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" "
            "fill=\"%s\" stroke=\"#fff\" stroke-width=\"%s\"><title>chunk "
            "%" PRId64 " on ",
            left, y, right - left, BAR, colours[chunk % COLOURS].bar,
            right - left > 4 ? "1" : "0.2", chunk);
    put_text(d->f, t->row[row].device);
    fprintf(d->f, ": %.4g to %.4g %s</title></rect>\n", s->start * per,
            s->end * per, d->unit.name);
    draw_number(d, chunk, left, right, y);
}

/* ---- the axis */

/* 1, 2 or 5 times a power of ten, so that there are about eight ticks. */
static double tick_step(double end)
{
    double rough = end / 8, power = pow(10, floor(log10(rough)));
    double part = rough / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void draw_axis(const Drawing *d, double top, double bottom)
{
    double end = d->end * d->unit.per_second, step = tick_step(end);
    for (int i = 0; i * step <= end * 1.0001; i++) {
        double x = x_of(d, i * step / d->unit.per_second);
        fprintf(d->f,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                "stroke=\"#cfd4da\"/>\n<text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\" fill=\"#555\">%.10g</text>\n",
                x, top, x, bottom + 5, x, bottom + 19, i * step);
    }
    fprintf(d->f,
            "<text x=\"%d\" y=\"%.1f\" fill=\"#555\">%s</text>\n", RIGHT + 12,
            bottom + 19, d->unit.name);
}

/* ---- a panel */

static void draw_row(const Drawing *d, const Timeline *t, int row, double end,
                     double y)
{
    fprintf(d->f, "<text x=\"12\" y=\"%.1f\" font-weight=\"600\">",
            y + BAR / 2.0 + 4);
    put_text(d->f, t->row[row].device);
    fprintf(d->f,
            "</text>\n<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" "
            "fill=\"#777\">",
            LEFT - 10, y + BAR / 2.0 + 4);
    put_text(d->f, t->row[row].layers);
    fprintf(d->f,
            "</text>\n<rect x=\"%d\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" "
            "fill=\"#f1f3f5\"/>\n",
            LEFT, y, x_of(d, end) - LEFT, BAR);
    for (int64_t c = 0; c < t->n_chunks; c++)
        draw_bar(d, t, row, c, y);
    fprintf(d->f,
            "<text x=\"%d\" y=\"%.1f\" fill=\"#555\">%.0f %%</text>\n",
            RIGHT + 12, y + BAR / 2.0 + 4,
            end > 0 ? 100 * timeline_busy(t, row) / end : 0);
}

/* "545 ms (7512 tokens/s); 4.6 of 6 devices at work, 23 % idle" */
static void draw_sums(const Drawing *d, const Timeline *t,
                      const TimelineSums *s, double y)
{
    fprintf(d->f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#333\">"
                  "%.4g %s",
            RIGHT, y, s->end * d->unit.per_second, d->unit.name);
    if (!t->relative && s->end > 0)
        fprintf(d->f, ", %.0f tokens/s", (double)t->tokens / s->end);
    if (t->n_rows > 1)
        fprintf(d->f, "; %.2f of %d devices at work on average", s->at_once,
                t->n_rows);
    if (t->lanes > 1)
        fprintf(d->f, ", %.0f %% idle", 100 * s->idle);
    fprintf(d->f, "</text>\n<text x=\"%d\" y=\"%.1f\" fill=\"#777\">busy</text>"
                  "\n",
            RIGHT + 12, y);
}

static double draw_panel(const Drawing *d, const Timeline *t, double top)
{
    TimelineSums s = timeline_sums(t);
    double rows = top + TITLE, bottom = rows + ROW * t->n_rows;
    fprintf(d->f, "<text x=\"12\" y=\"%.1f\" font-weight=\"600\" "
                  "fill=\"#222\">",
            top + 18);
    put_text(d->f, t->title);
    fputs("</text>\n<text x=\"122\" y=\"", d->f);
    fprintf(d->f, "%.1f\" text-anchor=\"end\" fill=\"#777\">layers</text>\n",
            top + 36);
    draw_sums(d, t, &s, top + 36);
    draw_axis(d, rows - 2, bottom);
    for (int r = 0; r < t->n_rows; r++)
        draw_row(d, t, r, s.end, rows + ROW * r);
    return bottom + AXIS;
}

/* ---- the whole */

void timeline_svg(const char *heading, const Timeline *t, int n, FILE *f)
{
    Drawing d = {.f = f};
    double height = HEAD, y = HEAD;
    for (int i = 0; i < n; i++) {
        TimelineSums s = timeline_sums(&t[i]);
        d.end = s.end > d.end ? s.end : d.end;
        height += TITLE + ROW * t[i].n_rows + AXIS;
    }
    d.unit = timeline_unit(&t[0], d.end);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%.0f\" viewBox=\"0 0 %d %.0f\" "
            "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text x=\"12\" y=\"26\" font-size=\"16\" font-weight=\"600\">",
            WIDTH, height, WIDTH, height);
    put_text(f, heading);
    fprintf(f, "</text>\n<text x=\"12\" y=\"45\" fill=\"#555\">%" PRId64
               " chunks of %" PRId64 " tokens, numbered; a device takes them "
               "in order, each after the device above it</text>\n",
            t[0].n_chunks, t[0].chunk_tokens);
    for (int i = 0; i < n; i++)
        y = draw_panel(&d, &t[i], y);
    fputs("</svg>\n", f);
}
