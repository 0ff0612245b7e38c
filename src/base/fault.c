#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void text_append(struct fault *f, const char *more)
{
	size_t used = strlen(f->text);
	(void)snprintf(f->text + used, sizeof(f->text) - used, "%s", more);
}

int fault_set(struct fault *f, enum fault_kind kind, int error, const char *format, ...)
{
	if (f == NULL)
		return -1;
	if (kind == FAULT_PLATFORM && (error == ENOSPC || error == EDQUOT))
		kind = FAULT_FULL;
	f->kind = kind;
	f->error = error;
	f->code[0] = '\0';
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	if (error != 0) {
		text_append(f, ": ");
		text_append(f, strerror(error));
	}
	return -1;
}

int fault_code(struct fault *f, enum fault_kind kind, const char *code, const char *format, ...)
{
	if (f == NULL)
		return -1;
	f->kind = kind;
	f->error = 0;
	(void)snprintf(f->code, sizeof(f->code), "%s", code);
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	return -1;
}

int fault_wrap(struct fault *f, const char *format, ...)
{
	if (f == NULL)
		return -1;
	char old[sizeof(f->text)];
	memcpy(old, f->text, sizeof(old));
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	text_append(f, ": ");
	text_append(f, old);
	return -1;
}
