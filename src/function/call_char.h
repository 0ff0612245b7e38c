#pragma once

/*
 * call_char: the characters of a call: strict UTF-8 (RFC 3629) and the letters and digits that a Go
 * identifier is made of (Go specification, Characters).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of `text`, of which `len` > 0 bytes are there. Returns its
 * length in bytes and sets *c; 0 where the bytes are not UTF-8: cut short, overlong, a surrogate,
 * above U+10FFFF. */
size_t call_char_decode(const char *text, size_t len, uint32_t *c);

/* Writes c, a code point that is no surrogate, as UTF-8 to `out`; returns the number of bytes. */
size_t call_char_encode(uint32_t c, char out[4]);

/* '_' or a letter (category L) of Unicode 15.0, the version of every Go from 1.21 to 1.26; a letter
 * that came later is not one here, and its call is left to Go. */
bool call_char_is_letter(uint32_t c);

/* A decimal digit (category Nd) of Unicode 15.0. */
bool call_char_is_digit(uint32_t c);
