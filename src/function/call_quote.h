#pragma once

/* call_quote: what Go's string and rune literals stand for (Go specification, Rune and String
 * literals). */

#include "base/buf.h"

#include <stdbool.h>

/* Appends what a string literal, given with its quotes, stands for. Returns false where Go would
 * refuse it; `out` then holds a part of it. */
bool call_quote_string(const char *text, size_t len, struct buf *out);

/* The same for a raw string: its carriage returns are dropped. */
void call_quote_raw(const char *text, size_t len, struct buf *out);

/* Whether a rune literal, given with its quotes, is one. */
bool call_quote_rune(const char *text, size_t len);
