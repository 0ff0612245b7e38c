#pragma once

/*
 * head: a request's line and fields, taken apart strictly. Works on bytes only, no sockets.
 *
 * llhttp reads the same bytes afterwards (body.h) and both must agree. Ours exists because what
 * llhttp lets pass depends on its version and build: bare LF, HTTP/2.0, two Hosts, no version.
 * Nothing is copied: what is found points into the caller's buffer, which must not move.
 * Follows RFC 9112 (sections 2, 3, 5, 6) and RFC 9110 (7.2 Host, 10.1.1 Expect).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_result {
	HTTP_MORE,  /* right so far, more bytes are needed */
	HTTP_WHOLE, /* complete */
	HTTP_BAD,   /* to be refused: a struct http_refusal says how */
};

struct http_refusal {
	int status;
	const char *why; /* static */
};

struct http_field {
	char *name;
	char *value; /* without whitespace around it */
	size_t name_len;
	size_t value_len;
};

struct http_head {
	/* The caller's, set by http_head_init. */
	struct http_field *fields;
	unsigned field_max;
	size_t byte_max;

	/* Where the scan stands. */
	size_t at;      /* bytes looked at; when HTTP_WHOLE: where the body begins */
	size_t line;    /* where the current line begins */
	size_t start;   /* where the request line begins */
	bool cr;        /* the last byte was CR */
	bool blank;     /* the one empty line allowed before a request was there */
	bool line_read; /* the request line is done */
	bool readable;  /* strings are terminated: accessors may read them */

	/* The request line. */
	char *method;
	char *path;      /* NULL: an absolute target without a path, which is "/" */
	char *query;     /* NULL: none */
	char *authority; /* of an absolute target; NULL: none */
	size_t method_len;
	size_t path_len;
	size_t query_len;
	size_t authority_len;
	unsigned minor; /* HTTP/1.minor */

	/* The fields, and what they say (after http_head_judge). */
	unsigned field_count;
	uint64_t content_length;
	bool chunked;
	bool keep_alive;
	bool expects_continue;

	struct http_refusal bad; /* with HTTP_BAD */
};

/* fields: room for field_max of them. byte_max: cap on request line and fields together. */
void http_head_init(
	struct http_head *h, struct http_field *fields, unsigned field_max, size_t byte_max);
/* Forgets the request, keeps what init set. */
void http_head_reset(struct http_head *h);
/* Looks at the bytes of data that were not looked at before; data[0, len) is all there is since the
 * reset. Wrong bytes are refused as they come, before the head is whole. */
enum http_result http_head_scan(struct http_head *h, char *data, size_t len);
/* Applies the rules on fields to a whole head. */
enum http_result http_head_judge(struct http_head *h);
/* Ends every string by NUL, in place: after this the bytes are no longer a request. */
void http_head_terminate(struct http_head *h);
/* Value of the first field of that name; NULL where there is none or nothing is readable yet. */
const char *http_head_find(const struct http_head *h, const char *name);

/* How many fields of that name there are. */
unsigned http_head_count(const struct http_head *h, const char *name);

/* Whether c may stand in a token (RFC 9110, 5.6.2). */
bool http_is_token(unsigned char c);
