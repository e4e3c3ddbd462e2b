/* report.h - named results, as a table for people or as one JSON object. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *f;
    bool json;
    int n; /* rows so far in this object, or objects in this list */
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
/* A list of objects in JSON, each begun and ended; of a table these are just
 * further rows. */
void report_list(Report *r, const char *key);
void report_list_end(Report *r);
void report_item(Report *r);
void report_item_end(Report *r);
/* A line of text, in the table only. */
void report_line(Report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A list, in JSON only. */
void report_reals(Report *r, const char *key, const double *v, int64_t n);
/* Bytes, shown with a binary unit. */
void report_bytes(Report *r, const char *key, const char *label, int64_t v);
void report_end(Report *r);

#endif
