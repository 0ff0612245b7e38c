#include "function/call_number.h"

struct scan {
	const char *text;
	size_t len;
	size_t at;
	int base;
	char prefix; /* x, o or b; '0' for a leading zero alone; 0 for none */
};

static char lower_at(const struct scan *s, size_t at)
{
	char c = at < s->len ? s->text[at] : '\0';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes digits and underscores; those of a smaller base are taken as decimals, so that *highest
 * says what was wrong. Returns whether there was a digit. */
static bool take_digits(struct scan *s, int base, int *highest)
{
	bool some = false;
	for (;; s->at++) {
		char c = lower_at(s, s->at);
		int value = digit_value(c);
		if (c == '_')
			continue;
		if (value < 0 || value >= (base == 16 ? 16 : 10))
			return some;
		some = true;
		if (value > *highest)
			*highest = value;
	}
}

static void take_prefix(struct scan *s)
{
	s->base = 10;
	if (lower_at(s, 0) != '0')
		return;
	s->prefix = lower_at(s, 1);
	s->at = 2;
	switch (s->prefix) {
	case 'x':
		s->base = 16;
		break;
	case 'o':
		s->base = 8;
		break;
	case 'b':
		s->base = 2;
		break;
	default:
		s->base = 8;
		s->prefix = '0';
		s->at = 1;
		break;
	}
}

/* An exponent, where there is one; false where it is malformed, or missing though needed. */
static bool take_exponent(struct scan *s, enum call_number_kind *kind)
{
	char e = lower_at(s, s->at);
	bool hex = s->prefix == 'x';
	if (e != 'p' && (e != 'e' || hex))
		return !hex || *kind == CALL_NUMBER_INT;
	*kind = CALL_NUMBER_FLOAT;
	s->at++;
	char sign = lower_at(s, s->at);
	if (sign == '+' || sign == '-')
		s->at++;
	int highest = 0;
	bool fits = e == 'p' ? hex : s->base == 10 || s->prefix == '0';
	return take_digits(s, 10, &highest) && fits;
}

/* Each underscore has a digit, or the base's prefix, before it, and a digit behind it. */
static bool underscores_ok(const struct scan *s)
{
	int base = s->base == 16 ? 16 : 10;
	bool prefixed = s->prefix != 0 && s->prefix != '0';
	for (size_t i = 0; i < s->at; i++) {
		if (s->text[i] != '_')
			continue;
		int before = i > 0 ? digit_value(lower_at(s, i - 1)) : -1;
		int behind = i + 1 < s->at ? digit_value(lower_at(s, i + 1)) : -1;
		bool first = prefixed && i == 2;
		if ((!first && (before < 0 || before >= base)) || behind < 0 || behind >= base)
			return false;
	}
	return true;
}

void call_number_scan(const char *text, size_t len, struct call_number *number)
{
	struct scan s = {.text = text, .len = len};
	take_prefix(&s);
	int highest = 0;
	bool valid = take_digits(&s, s.base, &highest) || s.prefix == '0';
	int whole = highest;
	number->kind = CALL_NUMBER_INT;
	if (lower_at(&s, s.at) == '.') {
		number->kind = CALL_NUMBER_FLOAT;
		s.at++;
		valid = take_digits(&s, s.base, &highest) || valid;
		valid = valid && s.base != 2 && s.prefix != 'o';
	}
	valid = take_exponent(&s, &number->kind) && valid;
	bool imaginary = s.at < len && text[s.at] == 'i';
	if (imaginary) {
		number->kind = CALL_NUMBER_IMAGINARY;
		s.at++;
	}
	/* 0755 is octal, but 089.5 and, from Go's first years, 089i are decimal. */
	if (number->kind == CALL_NUMBER_INT || s.prefix == 'o' || s.prefix == 'b')
		valid = valid && whole < s.base;
	number->valid = valid && underscores_ok(&s);
	number->len = s.at;
}
