/* settings.h - what a user may choose about a compile.  Plain data. */
#ifndef COMPILER_SETTINGS_H
#define COMPILER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/blocks.h"

typedef enum { FUSE_NONE, FUSE_EPILOGUE, FUSE_BLOCK, FUSE_LAYER } FusePreset;

typedef struct {
    const char *name, *value;
} Setting;

typedef struct {
    BlockType key_type, value_type; /* storage of keys and values */
    BlockType activations; /* what products read: f32, or rounded to it */
    bool taps;                      /* keep the text's probes */
    FusePreset fuse;
    const char *place; /* "8,8,7,7": layers by device; NULL: balanced */
    int64_t scratch; /* bytes of each device that place leaves for scratch */
    bool pipeline; /* stages: several chunks of a prompt in flight at once */
    int64_t context; /* tokens of the longest sequence */
    int64_t batch;   /* tokens of the largest step */
    int64_t least_batch; /* 0, or down to this if memory is short */
    int64_t outputs; /* rows of logits of the largest step */
    int n_sets;      /* --set=NAME=VALUE: RULE=on|off, delta=FORM */
    const Setting *set;
    FILE *explain; /* why each pass did what it did; NULL: silent */
} Settings;

#endif
