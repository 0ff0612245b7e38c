/* The types of fields: texts, secrets, numbers, durations, sizes, choices, lists. */

#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"
#include "config/config_field.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { SECRET_MAX = 16384 };

struct unit {
	const char *name;
	uint64_t value;
};
/* From the greatest down, as they are printed. */
static const struct unit sizes[] = {{"TiB", UINT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20},
	{"KiB", 1 << 10}, {"B", 1}, {NULL, 0}};
static const struct unit times[] = {{"h", UINT64_C(3600000000000)}, {"m", UINT64_C(60000000000)},
	{"s", 1000000000}, {"ms", 1000000}, {"ns", 1}, {NULL, 0}};

static void text_drop(void *at)
{
	char **text = at;
	free(*text);
	*text = NULL;
}

static void text_put(void *at, const char *text)
{
	text_drop(at);
	*(char **)at = mem_strdup(text);
}

static void number_put(const struct field *field, void *at, uint64_t value)
{
	if (field->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)value;
	else
		*(uint64_t *)at = value;
}

static bool in_range(const struct field *field, uint64_t value)
{
	return value >= field->min && value <= field->max;
}

static bool text_allowed(const struct field *field, const char *text)
{
	return *text != '\0' && (field->valid == NULL || field->valid(text));
}

/* Writes an amount in the greatest unit that divides it. */
static void amount_print(struct buf *out, const struct unit *units, uint64_t value)
{
	while (units[1].name != NULL && (value == 0 || value % units->value != 0))
		units++;
	if (value == 0)
		buf_puts(out, "0");
	else
		buf_printf(out, "%" PRIu64 "%s", value / units->value, units->name);
}

static void range_print(struct buf *out, const struct field *field, const struct unit *units)
{
	amount_print(out, units, field->min);
	buf_puts(out, " to ");
	amount_print(out, units, field->max);
}

static bool string_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)path;
	const char *text = json_string_value(value);
	if (text == NULL || !text_allowed(field, text))
		return false;
	text_put(at, text);
	return true;
}

static void string_allow(const struct field *field, struct buf *out)
{
	(void)field;
	buf_puts(out, "a string that is not empty");
}

static bool text_same(const void *a, const void *b)
{
	const char *left = *(char *const *)a;
	const char *right = *(char *const *)b;
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

const struct field_kind field_string = {
	.read = string_read, .drop = text_drop, .allow = string_allow, .same = text_same};

/* Reads what {"file": path} or {"env": name} points at; NULL with a complaint. The caller frees. */
static char *secret_fetch(struct reading *r, const char *path, const json_t *value)
{
	const char *file = json_string_value(json_object_get(value, "file"));
	const char *env = json_string_value(json_object_get(value, "env"));
	if (json_object_size(value) != 1 || (file == NULL && env == NULL)) {
		field_complain(
			r, path, "found an object, allowed: {\"file\": path} or {\"env\": name}");
		return NULL;
	}
	if (env != NULL) {
		const char *text = getenv(env);
		if (text == NULL)
			field_complain(r, path, "the environment variable %s is not set", env);
		return text == NULL ? NULL : mem_strdup(text);
	}
	struct fault f = {0};
	size_t len = 0;
	char *text = fs_read(file, SECRET_MAX, &len, &f);
	if (text != NULL && strlen(text) == len)
		return text;
	field_complain(r, path, "%s", text == NULL ? f.text : "the file holds a NUL byte");
	free(text);
	return NULL;
}

static bool secret_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	if (!json_is_object(value))
		return string_read(r, field, path, value, at);
	defer_free char *text = secret_fetch(r, path, value);
	if (text == NULL)
		return true; /* said already */
	size_t len = strlen(text);
	if (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len > 0 && text[len - 1] == '\r')
		text[--len] = '\0';
	const char *file = json_string_value(json_object_get(value, "file"));
	const char *env = json_string_value(json_object_get(value, "env"));
	const char *source = file != NULL ? file : env;
	if (len == 0)
		field_complain(r, path, "%s is empty", source);
	else if (!text_allowed(field, text))
		field_complain(r, path, "%s holds what is not allowed; allowed: %s", source,
			field->allowed);
	else
		text_put(at, text);
	return true;
}

const struct field_kind field_secret = {.read = secret_read,
	.drop = text_drop,
	.allow = string_allow,
	.same = text_same,
	.secret = true};

static bool bool_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)field;
	(void)path;
	if (!json_is_boolean(value))
		return false;
	*(bool *)at = json_is_true(value);
	return true;
}

static void bool_allow(const struct field *field, struct buf *out)
{
	(void)field;
	buf_puts(out, "true or false");
}

const struct field_kind field_bool = {.read = bool_read, .allow = bool_allow};

static bool number_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)path;
	json_int_t number = json_integer_value(value);
	if (!json_is_integer(value) || number < 0 || !in_range(field, (uint64_t)number))
		return false;
	number_put(field, at, (uint64_t)number);
	return true;
}

static void number_allow(const struct field *field, struct buf *out)
{
	buf_printf(out, "a whole number from %" PRIu64 " to %" PRIu64, field->min, field->max);
}

const struct field_kind field_number = {.read = number_read, .allow = number_allow};

static bool duration_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)path;
	const char *text = json_string_value(value);
	int64_t ns = text == NULL ? -1 : clock_parse_duration(text);
	if (ns < 0 || !in_range(field, (uint64_t)ns))
		return false;
	*(int64_t *)at = ns;
	return true;
}

static void duration_allow(const struct field *field, struct buf *out)
{
	buf_puts(out, "a duration such as \"5s\" or \"1h30m\", from ");
	range_print(out, field, times);
}

const struct field_kind field_duration = {.read = duration_read, .allow = duration_allow};

/* "16MiB" → bytes; -1 where it is none. */
static int64_t size_parse(const char *text)
{
	if (!isdigit((unsigned char)*text))
		return -1;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno != 0)
		return -1;
	for (const struct unit *unit = sizes; unit->name != NULL; unit++)
		if (strcmp(end, unit->name) == 0)
			return number > INT64_MAX / unit->value ? -1
								: (int64_t)(number * unit->value);
	return -1;
}

static bool size_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)path;
	json_int_t bytes = json_is_string(value)    ? size_parse(json_string_value(value))
			   : json_is_integer(value) ? json_integer_value(value)
						    : -1;
	if (bytes < 0 || !in_range(field, (uint64_t)bytes))
		return false;
	number_put(field, at, (uint64_t)bytes);
	return true;
}

static void size_allow(const struct field *field, struct buf *out)
{
	buf_puts(out, "a number of bytes or a size such as \"64MiB\", from ");
	range_print(out, field, sizes);
}

const struct field_kind field_size = {.read = size_read, .allow = size_allow};

/* One of the choices, kept as its place among them. */
static bool choice_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)r;
	(void)path;
	const char *text = json_string_value(value);
	for (unsigned i = 0; text != NULL && field->choices[i] != NULL; i++) {
		if (strcmp(field->choices[i], text) != 0)
			continue;
		number_put(field, at, i);
		return true;
	}
	return false;
}

static void choice_allow(const struct field *field, struct buf *out)
{
	for (size_t i = 0; field->choices[i] != NULL; i++)
		buf_printf(out, "%s\"%s\"",
			i == 0                          ? ""
			: field->choices[i + 1] == NULL ? " or "
							: ", ",
			field->choices[i]);
}

const struct field_kind field_choice = {.read = choice_read, .allow = choice_allow};

static void strings_drop(void *at)
{
	char ***list = at;
	for (char **text = *list; text != NULL && *text != NULL; text++)
		free(*text);
	free(*list);
	*list = NULL;
}

static bool strings_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	size_t count = json_array_size(value);
	if (!json_is_array(value) || !in_range(field, count))
		return false;
	strings_drop(at);
	char **list = mem_zero(count + 1, sizeof(*list));
	*(char ***)at = list;
	for (size_t i = 0, used = 0; i < count; i++) {
		const json_t *element = json_array_get(value, i);
		const char *text = json_string_value(element);
		if (text != NULL && text_allowed(field, text)) {
			list[used++] = mem_strdup(text);
			continue;
		}
		defer_free char *found =
			json_is_object(element) || json_is_array(element)
				? NULL
				: json_dumps(element, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		field_complain(r, path, "found %.80s at place %zu, allowed: %s",
			found == NULL ? "an object or list" : found, i, field->allowed);
	}
	return true;
}

static bool strings_same(const void *a, const void *b)
{
	char **left = *(char **const *)a;
	char **right = *(char **const *)b;
	if (left == NULL || right == NULL)
		return left == right;
	for (; *left != NULL && *right != NULL; left++, right++)
		if (strcmp(*left, *right) != 0)
			return false;
	return *left == *right;
}

const struct field_kind field_strings = {
	.read = strings_read, .drop = strings_drop, .same = strings_same};
