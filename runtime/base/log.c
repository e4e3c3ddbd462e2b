#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static LogLevel level = LOG_WARNING;

void log_set_level(LogLevel most) { level = most; }

void log_warning(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "sextet: warning: %s\n", text);
}

void log_info(const char *tag, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    if (level < LOG_INFO)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "sextet: [%s] %s\n", tag, text);
}
