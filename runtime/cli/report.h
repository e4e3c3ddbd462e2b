/* report.h - named results, as a table for people or as one JSON object. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *f;
    bool json;
    int n; /* rows so far */
} Report;

/* key: of the JSON object; label: what a person reads; unit may be "". */
void report_begin(Report *r, FILE *f, bool json);
void report_int(Report *r, const char *key, const char *label, int64_t v,
                const char *unit);
void report_real(Report *r, const char *key, const char *label, double v,
                 const char *unit);
/* Bytes of UTF-8. */
void report_text(Report *r, const char *key, const char *label, const char *s,
                 size_t n);
/* median (least to most) */
typedef struct {
    double median, least, most;
} Spread;
void report_spread(Report *r, const char *key, const char *label, Spread v,
                   const char *unit);
/* The time of one kernel. */
typedef struct {
    double seconds, share; /* in all, and as part of everything */
    int64_t launches;
    const char *note; /* what it makes */
} KernelTime;
void report_kernel(Report *r, const char *key, const char *label,
                   const KernelTime *t);
/* A list, in JSON only. */
void report_reals(Report *r, const char *key, const double *v, int64_t n);
/* Bytes, shown with a binary unit. */
void report_bytes(Report *r, const char *key, const char *label, int64_t v);
void report_end(Report *r);

#endif
