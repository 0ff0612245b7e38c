#pragma once

/*
 * body: llhttp's side of a request. It reads the head that head.h has taken apart, as a second
 * opinion that must agree on where the body ends, and then decodes the body. Around a chunked body
 * the bytes that are not data are watched too: how forgiving llhttp is there depends on its build.
 * Works with llhttp 6 to 9: only what all of them have is used. No sockets. RFC 9112, section 7.
 */

#include "base/buf.h"
#include "http/head.h"

#include <llhttp.h>

struct http_body {
	llhttp_t parser;
	const struct http_head *head;
	struct buf data; /* decoded */
	size_t max;      /* bytes of data allowed */
	uint64_t left;   /* of a Content-Length */
	bool complete;

	/* The bytes between chunks: lines of their own rules. */
	const char *seen; /* up to here the current piece was looked at */
	unsigned line;    /* 0: the CRLF behind a chunk's data; 1: a size; from 2: trailers */
	size_t line_len;
	size_t overhead; /* bytes on lines 0 and 1 */
	size_t trailer;  /* bytes on lines from 2 */
	bool cr;

	struct http_refusal bad; /* with HTTP_BAD */
};

void http_body_init(struct http_body *b, size_t max);
void http_body_finish(struct http_body *b);
/* Reads a judged head, still as it came, of len bytes. HTTP_MORE: a body follows. */
enum http_result http_body_begin(
	struct http_body *b, const struct http_head *head, const char *data, size_t len);
/* Decodes; *used is how many of the bytes belong to this request. */
enum http_result http_body_feed(struct http_body *b, const char *data, size_t len, size_t *used);
/* Forgets the data; gives back the memory of a large one. */
void http_body_reset(struct http_body *b);
