#pragma once

/*
 * config_field: how the configuration is read. A table has a row for each field; walking it reads
 * what the JSON object has, fills in defaults and complains about the rest. Private to src/config.
 *
 * A complaint is one line, "PATH: found WHAT, allowed: WHAT", and never shows a secret.
 */

#include "config/config.h"

#include <jansson.h>

struct field;

/* The reading of one text: where complaints and warnings go. */
struct reading {
	struct config *config;
	struct buf *faults;
	unsigned count; /* complaints, also those no longer written down */
};

/* A type of field. */
struct field_kind {
	/* Puts the value where it belongs; false where it is not of the kind or not allowed. */
	bool (*read)(struct reading *r, const struct field *field, const char *path,
		const json_t *value, void *at);
	/* Frees what read has put there; NULL where that is nothing. */
	void (*drop)(void *at);
	/* Says what is allowed; NULL where the field says it itself. */
	void (*allow)(const struct field *field, struct buf *out);
	/* Whether two values are the same; NULL: bytes are compared. */
	bool (*same)(const void *a, const void *b);
	bool secret; /* values are not shown */
};

extern const struct field_kind field_string, field_secret, field_bool, field_number, field_duration,
	field_size, field_choice, field_strings, field_pools, field_statsd, field_git_hosts,
	field_tokens, field_reuse;

struct field {
	const char *path; /* dots divide sections */
	const struct field_kind *kind;
	size_t offset, size;  /* the member it goes to */
	const char *fallback; /* the default, as JSON; NULL: none, and null means the same */
	/* a default that depends on rows above; NULL: none */
	json_t *(*derive)(const struct config *c);
	uint64_t min, max;               /* numbers, bytes, nanoseconds, elements */
	bool (*valid)(const char *text); /* of texts; NULL: any */
	const char *allowed;             /* in words */
	const char *const *choices;      /* NULL-terminated, in the order of their enum */
	bool (*there)(const char *text); /* whether what it names exists; NULL: not asked */
	bool reload;                     /* SIGHUP reads it again (config_reload.c) */
};

/* The member a row goes to. */
#define FIELD_AT(type, member)                                                                     \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* Reads an object by a table into `out`; `path` is the object's own, "" for the whole. */
void field_walk(struct reading *r, const struct field *table, size_t rows, const char *path,
	const json_t *object, void *out);
/* Frees what a table's rows hold. */
void field_drop(const struct field *table, size_t rows, void *out);

/* An object that stands several times, in a list or under names: an entry. */
struct field_entry {
	const struct field *table;
	size_t rows;
	const char *allowed; /* in words, where it is no object */
	/* Complains about what the table cannot tell, and fills in what follows from the rest. */
	void (*check)(struct reading *r, const char *path, void *entry);
};

/* Reads an entry into `out`. False where there was a complaint about it: what was read is freed. */
bool field_entry_read(struct reading *r, const struct field_entry *kind, const char *path,
	const json_t *value, void *out);
/* Calls `read` for each element of a list, with the element's path. */
void field_each(struct reading *r, const char *path, const json_t *list,
	void (*read)(struct reading *r, const char *path, const json_t *value));

/* A complaint in free words; control characters in it are replaced. */
void field_complain(struct reading *r, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A complaint about a member of the object at `path`, where there is none yet; `found` NULL: there is
 * nothing. */
void field_complain_member(struct reading *r, const char *path, const char *member,
	const char *found, const char *allowed);
/* Says how many complaints were not written down, where that is any. */
void field_complain_rest(struct reading *r);
/* Whether there is a complaint about this path already. */
bool field_faulty(const struct reading *r, const char *path);
void field_warn(struct reading *r, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What texts may be (config_check.c). */
bool check_absolute(const char *text);   /* an absolute path */
bool check_dataset(const char *text);    /* a ZFS dataset's name */
bool check_go_version(const char *text); /* 1.26.8, 1.9, 1.27rc1 */
bool check_header_name(const char *text);
bool check_host(const char *text); /* a host name (RFC 1123) or an address */
bool check_interface(const char *text);
bool check_ip4(const char *text);
bool check_listen(const char *text);
bool check_log_level(const char *text);
bool check_proxy(const char *text); /* http://[user:password@]host[:port] */
bool check_name(const char
		*text); /* of a user, pool or release: letters, digits, dots, dashes, underscores */
bool check_package_url(const char *text); /* https:// or file://, a directory */
bool check_visible(const char *text);     /* visible ASCII, no space */
/* Whether things exist. */
bool there_path(const char *text);
bool there_dataset(const char *text);
bool there_interface(const char *text);

/* The rules that span fields (config_rules.c). */
void rules_apply(struct reading *r);
/* Of those, what tokens must be where it listens. */
void rules_listening(struct reading *r);
/* Frees c->pools, c->reuse. */
void pools_drop(struct config *c);
void reuse_drop(struct config *c);
