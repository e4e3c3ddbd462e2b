/* log.h - messages to standard error, for the runtime and the commands.
 *
 * Libraries below return errors instead.  One write per message, so lines of
 * several threads do not mix.  The level is set once, before threads start. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

typedef enum {
    LOG_WARNING, /* something was wrong and we go on without it */
    LOG_INFO,    /* --verbose */
} LogLevel;

void log_set_level(LogLevel most); /* LOG_WARNING to begin with */

/* "sextet: warning: ..." and "sextet: [tag] ..."; the newline is added. */
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
