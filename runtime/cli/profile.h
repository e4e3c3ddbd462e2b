/* profile.h - where the time of a program goes, kernel by kernel. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "runtime/cli/report.h"
#include "runtime/exec.h"

typedef struct Profile Profile;

Profile *profile_new(const Plan *p); /* keeps p */
void profile_free(Profile *f);       /* NULL is fine */

/* Times what x runs from now on; NULL: no longer. */
void profile_use(Executor *x, Profile *f);

/* A table of the kernels that took longest: share of the time, seconds a
 * launch, launches, and what the kernel makes. */
void profile_report(const Profile *f, Report *r, const char *what);

#endif
