/* profile.h - where the time of a program goes, kernel by kernel. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "runtime/cli/report.h"
#include "runtime/cli/traffic.h"
#include "runtime/exec.h"

typedef struct Profile Profile;

Profile *profile_new(const TrafficMap *m); /* keeps m */
void profile_free(Profile *f);             /* NULL is fine */

/* Times what x runs from now on; NULL: no longer. */
void profile_use(Executor *x, Profile *f);

/* A table of the kernels that took longest: what they do, share of the time,
 * time a launch, and the bytes of weights and states that they touched (see
 * traffic.h), those per second and as part of `bandwidth` (bytes per second;
 * 0: not known).  In JSON all of them, as the list "kernels". */
void profile_report(const Profile *f, Report *r, double bandwidth);

#endif
