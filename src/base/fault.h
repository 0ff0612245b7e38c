#pragma once

/*
 * fault: what went wrong on our side or in what we were asked, carried to the border where it is
 * answered. The caller owns a `struct fault`, fixed in size, with nothing to free; every function
 * that can fail takes one as its last parameter, sets it once where the failure happens and wraps
 * it with context at a module's border. That a *function* failed is a result, not a fault.
 */

enum fault_kind {
	FAULT_NONE = 0,
	FAULT_INPUT,        /* the request, or the configuration, is wrong */
	FAULT_UNAUTHORIZED, /* no token, or a wrong one, where one is needed to call functions */
	FAULT_FORBIDDEN,    /* not allowed by policy */
	FAULT_NOT_FOUND,    /* repository, version, package or function does not exist */
	FAULT_CONFLICT,     /* what was asked fights with what is */
	FAULT_TOO_LARGE,    /* a cap on size was exceeded by the request */
	FAULT_FUNCTION, /* the caller's code: does not compile, panicked, exited, ran out of … */
	FAULT_LIMITED,  /* too many calls; try again later */
	FAULT_UPSTREAM, /* a source could not be reached */
	FAULT_BUSY,     /* draining, no jailer, no address: try again later */
	FAULT_FULL,     /* no room left on a device */
	FAULT_PLATFORM, /* the host lacks or refused something; the rest of our own failures */
};

struct fault {
	enum fault_kind kind;
	int error;        /* an errno, or 0 */
	unsigned seconds; /* after which to try again; 0: as its kind has it */
	char code[40];    /* stable, snake_case, for programs; empty: the kind's own */
	char text[1000];  /* for people: what happened and what to do, UTF-8 */
};

/* Sets *f and returns -1, so that `return fault_set(…)` fails. `error` is an errno or 0; its text
 * is appended when not 0. ENOSPC and EDQUOT turn FAULT_PLATFORM into FAULT_FULL. f may be NULL. */
int fault_set(struct fault *f, enum fault_kind kind, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* As fault_set, with a code of its own. */
int fault_code(struct fault *f, enum fault_kind kind, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " before the text; returns -1. */
int fault_wrap(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
