/* timeline.h - which device works on which chunk of a prompt when, predicted or
 * measured: its sums, as text, as a picture. */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/pipeline.h"

typedef struct {
    const char *device; /* "cuda:0" */
    const char *layers; /* "0-10", or "" */
} TimelineRow;

typedef struct {
    const char *title;  /* "predicted", "measured", and from what */
    bool relative;      /* times in units of the mean work, not seconds */
    int n_rows;         /* devices that take part, in the order of the layers */
    TimelineRow *row;
    int lanes;          /* how many of them may work at once */
    int64_t n_chunks;
    int64_t tokens, chunk_tokens; /* of the prompt, of all chunks but the last */
    const Span *span;   /* row r on chunk c at [c * n_rows + r] */
} Timeline;

typedef struct {
    double end;     /* when the last work ends */
    double busy;    /* all work, added up */
    double at_once; /* rows at work on average */
    double idle;    /* part of the lanes' time without work: the bubble */
} TimelineSums;

TimelineSums timeline_sums(const Timeline *t);
/* Time that a row works. */
double timeline_busy(const Timeline *t, int row);

/* A table and a drawing of letters, chunks numbered 0-9, a-z, A-Z, 0-9... */
void timeline_print(const Timeline *t, FILE *f);
/* An object: the sums and all spans. */
void timeline_json(const Timeline *t, FILE *f);

/* timeline_svg.c: n of them below each other on one axis of time, in seconds
 * or all relative. */
void timeline_svg(const char *heading, const Timeline *t, int n, FILE *f);

/* In which unit to write times up to `end`: "ms", and how many to a second. */
typedef struct {
    const char *name;
    double per_second;
} TimelineUnit;
TimelineUnit timeline_unit(const Timeline *t, double end);

#endif
