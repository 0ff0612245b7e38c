#pragma once

/* call_number: Go's number literals (Go specification, Integer, Floating-point and Imaginary
 * literals). */

#include <stdbool.h>
#include <stddef.h>

enum call_number_kind { CALL_NUMBER_INT, CALL_NUMBER_FLOAT, CALL_NUMBER_IMAGINARY };

struct call_number {
	enum call_number_kind kind;
	size_t len; /* bytes that Go takes for this number, rightly formed or not */
	bool valid; /* rightly formed; no value is too large here */
};

/* Reads the number at the start of `text`, which begins with a digit, or a point and a digit. */
void call_number_scan(const char *text, size_t len, struct call_number *number);
