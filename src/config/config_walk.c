/*
 * Walking a table of fields: unknown names first, then each row in the table's order, so that a
 * default may depend on the rows above it.
 */

#include "base/defer.h"
#include "config/config_field.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMPLAINTS_MAX = 100, /* written down; more are only counted */
	NAME_MAX_COMPARED = 64,
	FOUND_MAX = 80, /* bytes of a value shown */
};

/* Control characters that a JSON string may hold have no business on a terminal: C0, DEL and, in
 * UTF-8, C1. */
static void text_tame(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

static void line_add(struct buf *to, const char *path, const char *format, va_list ap)
{
	defer_free char *text = mem_vprintf(format, ap);
	text_tame(text);
	buf_printf(to, "%s: %s\n", path, text);
}

void field_complain(struct reading *r, const char *path, const char *format, ...)
{
	if (++r->count > COMPLAINTS_MAX)
		return;
	va_list ap;
	va_start(ap, format);
	line_add(r->faults, path, format, ap);
	va_end(ap);
}

void field_complain_rest(struct reading *r)
{
	if (r->count > COMPLAINTS_MAX)
		buf_printf(r->faults, "configuration: %u more faults\n", r->count - COMPLAINTS_MAX);
}

void field_warn(struct reading *r, const char *path, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	line_add(&r->config->warnings, path, format, ap);
	va_end(ap);
}

bool field_faulty(const struct reading *r, const char *path)
{
	size_t len = strlen(path);
	for (const char *line = r->faults->data; line != NULL && *line != '\0';) {
		if (strncmp(line, path, len) == 0 && line[len] == ':')
			return true;
		const char *end = strchr(line, '\n');
		line = end == NULL ? NULL : end + 1;
	}
	return false;
}

void field_complain_member(struct reading *r, const char *path, const char *member,
	const char *found, const char *allowed)
{
	defer_free char *full = mem_printf("%s.%s", path, member);
	if (!field_faulty(r, full))
		field_complain(r, full, "found %s, allowed: %s", found != NULL ? found : "nothing",
			allowed);
}

/* A value as it is shown in a complaint; the caller frees. */
static char *found_text(const json_t *value, bool secret)
{
	if (json_is_object(value))
		return mem_strdup("an object");
	if (json_is_array(value))
		return mem_strdup("a list");
	if (secret && !json_is_null(value))
		return mem_strdup(
			json_is_string(value) ? "a string that is not shown" : "no string");
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (text == NULL)
		abort();
	if (strlen(text) > FOUND_MAX)
		memcpy(text + FOUND_MAX - 3, "...", 4);
	return text;
}

static void complain_value(
	struct reading *r, const struct field *field, const char *path, const json_t *value)
{
	defer_free char *found = found_text(value, field->kind->secret);
	defer_buf struct buf allowed = {0};
	if (field->allowed != NULL)
		buf_puts(&allowed, field->allowed);
	else
		field->kind->allow(field, &allowed);
	field_complain(r, path, "found %s, allowed: %s", found, allowed.data);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, letters' case aside; `most` and more where one of them is too long to
 * matter. */
static size_t name_distance(const char *a, size_t a_len, const char *b, size_t b_len, size_t most)
{
	size_t row[NAME_MAX_COMPARED + 1];
	if (a_len > NAME_MAX_COMPARED || b_len > NAME_MAX_COMPARED)
		return most;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);
			size_t replaced = diagonal + (same ? 0 : 1);
			diagonal = row[j];
			row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_len];
}

/* The path nearest in name to `key` and the length of it that is meant: a field or section in the
 * section `prefix`, or a field elsewhere. NULL where none is near. */
static const char *nearest_path(
	const struct field *table, size_t rows, const char *prefix, const char *key, size_t *shown)
{
	const char *nearest = NULL;
	size_t key_len = strlen(key);
	size_t best = 2 + key_len / 3; /* a name further off than that is another word */
	for (size_t i = 0; i < rows; i++) {
		const char *path = table[i].path;
		const char *dot = strrchr(path, '.');
		const char *last = dot == NULL ? path : dot + 1;
		bool here = strncmp(path, prefix, strlen(prefix)) == 0;
		const char *names[] = {here ? path + strlen(prefix) : last, last};
		for (size_t j = here ? 0 : 1; j < 2; j++) {
			size_t len = strcspn(names[j], ".");
			/* elsewhere counts one more: the section at hand comes first */
			size_t distance = name_distance(key, key_len, names[j], len, best) + j;
			if (distance >= best)
				continue;
			best = distance;
			nearest = path;
			*shown = (size_t)(names[j] - path) + len;
		}
	}
	return nearest;
}

/* The path of a name that no row has, printable; the caller frees. */
static char *unknown_path(const char *root, const char *prefix, const char *key)
{
	json_t *name = json_string(key);
	defer_free char *quoted = found_text(name, false);
	json_decref(name);
	size_t len = strlen(quoted);
	size_t bare = quoted[len - 1] == '"' ? len - 2 : len - 1;
	const char *shown = bare == 0 ? quoted : quoted + 1;
	return mem_printf("%s%s%s%.*s", root, *root == '\0' ? "" : ".", prefix,
		(int)(bare == 0 ? len : bare), shown);
}

/* The names in a section, each once. */
static void names_list(const struct field *table, size_t rows, const char *prefix, struct buf *out)
{
	const char *last = "";
	for (size_t i = 0; i < rows; i++) {
		if (strncmp(table[i].path, prefix, strlen(prefix)) != 0)
			continue;
		const char *rest = table[i].path + strlen(prefix);
		size_t len = strcspn(rest, ".");
		if (strncmp(rest, last, len) != 0 || last[len] != '.')
			buf_printf(out, "%s%.*s", out->len == 0 ? "" : ", ", (int)len, rest);
		last = rest;
	}
}

static void complain_unknown(struct reading *r, const struct field *table, size_t rows,
	const char *root, const char *prefix, const char *key)
{
	if (r->count >= COMPLAINTS_MAX) {
		r->count++; /* without the work */
		return;
	}
	size_t shown = 0;
	defer_free char *path = unknown_path(root, prefix, key);
	const char *nearest = nearest_path(table, rows, prefix, key, &shown);
	if (nearest != NULL) {
		field_complain(r, path, "unknown field, did you mean %s%s%.*s?", root,
			*root == '\0' ? "" : ".", (int)shown, nearest);
		return;
	}
	defer_buf struct buf names = {0};
	names_list(table, rows, prefix, &names);
	field_complain(r, path, "unknown field, allowed: %s", names.data);
}

/* Complains about names that no row has; sections are walked into. `prefix` is "" or ends
 * in a dot. */
static void names_check(struct reading *r, const struct field *table, size_t rows, const char *root,
	const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;
	/* jansson's iterators take no const object, though they change nothing */
	json_object_foreach((json_t *)object, key, value)
	{
		const char *rest = NULL;
		for (size_t i = 0; i < rows && rest == NULL; i++) {
			const char *path = table[i].path;
			size_t skip = strlen(prefix);
			size_t len = strlen(key);
			if (strncmp(path, prefix, skip) == 0 &&
				strncmp(path + skip, key, len) == 0 &&
				strcspn(path + skip, ".") == len)
				rest = path + skip + len;
		}
		if (rest == NULL) {
			complain_unknown(r, table, rows, root, prefix, key);
		} else if (*rest == '.') {
			defer_free char *path = mem_printf("%s%s", prefix, key);
			defer_free char *inner = mem_printf("%s.", path);
			defer_free char *found = found_text(value, false);
			if (json_is_object(value))
				names_check(r, table, rows, root, inner, value);
			else
				field_complain(r, path, "found %s, allowed: an object", found);
		}
	}
}

/* The value at a dotted path; NULL where there is none. */
static const json_t *value_at(const json_t *object, const char *path)
{
	char name[NAME_MAX_COMPARED];
	while (object != NULL) {
		size_t len = strcspn(path, ".");
		if (len >= sizeof(name))
			abort(); /* no row of ours is so long */
		memcpy(name, path, len);
		name[len] = '\0';
		object = json_object_get(object, name);
		if (path[len] == '\0')
			return object;
		path += len + 1;
	}
	return NULL;
}

/* The default of a row as a new reference; NULL: none. */
static json_t *default_of(const struct reading *r, const struct field *field)
{
	if (field->derive != NULL)
		return field->derive(r->config);
	if (field->fallback == NULL)
		return NULL;
	json_t *value = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
	if (value == NULL)
		abort(); /* the table is wrong: every test finds that */
	return value;
}

static void row_read(struct reading *r, const struct field *field, const char *path,
	const json_t *object, void *out)
{
	void *at = (char *)out + field->offset;
	const json_t *value = value_at(object, field->path);
	bool optional = field->fallback == NULL;
	bool given = value != NULL && !(optional && json_is_null(value));
	json_t *made = given ? NULL : default_of(r, field);
	if (!given && made == NULL)
		return;
	if (!given)
		value = made;
	if (!field->kind->read(r, field, path, value, at))
		complain_value(r, field, path, value);
	else if (given && field->there != NULL && !field->there(json_string_value(value)))
		field_warn(r, path, "%s is not there; what needs it will fail",
			json_string_value(value));
	json_decref(made);
}

void field_walk(struct reading *r, const struct field *table, size_t rows, const char *path,
	const json_t *object, void *out)
{
	names_check(r, table, rows, path, "", object);
	for (size_t i = 0; i < rows; i++) {
		defer_free char *full =
			mem_printf("%s%s%s", path, *path == '\0' ? "" : ".", table[i].path);
		row_read(r, &table[i], full, object, out);
	}
}

void field_drop(const struct field *table, size_t rows, void *out)
{
	for (size_t i = 0; i < rows; i++)
		if (table[i].kind->drop != NULL)
			table[i].kind->drop((char *)out + table[i].offset);
}

bool field_entry_read(struct reading *r, const struct field_entry *kind, const char *path,
	const json_t *value, void *out)
{
	const unsigned before = r->count;
	if (json_is_object(value)) {
		field_walk(r, kind->table, kind->rows, path, value, out);
		kind->check(r, path, out);
	} else {
		field_complain(r, path, "found what is no object, allowed: %s", kind->allowed);
	}
	if (r->count == before)
		return true;
	field_drop(kind->table, kind->rows, out);
	return false;
}

void field_each(struct reading *r, const char *path, const json_t *list,
	void (*read)(struct reading *r, const char *path, const json_t *value))
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		defer_free char *place = mem_printf("%s[%zu]", path, i);
		read(r, place, json_array_get(list, i));
	}
}
