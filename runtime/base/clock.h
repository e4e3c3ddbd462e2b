/* clock.h - seconds since some moment in the past, never going back. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

double clock_seconds(void);

#endif
