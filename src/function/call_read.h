#pragma once

/*
 * call_read: the recursive descent behind call_parse. It reads a literal call, or finds that the
 * text is none; why does not matter, since Go's own parser has the last word on those.
 */

#include "base/buf.h"

#include <stdbool.h>

/* Reads `text`, which call_lex reads to its end without `unsure`, and whose brackets match and nest
 * at most CALL_DEPTH_MAX deep: that bounds the recursion. True: it is a literal call, *name is the
 * caller's to free and count:u16 node* is appended to `nodes`. False: *name is NULL and `nodes`
 * holds rubbish. */
bool call_read(const char *text, size_t len, char **name, struct buf *nodes);
