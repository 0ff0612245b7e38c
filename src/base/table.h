#pragma once

/* table: finding things by a text key. Structs begin with a table_node, and are the owner's. The
 * hash is keyed, so that nobody can choose keys that fall together. */

#include <stddef.h>
#include <stdint.h>

/* What a kept struct begins with. */
struct table_node {
	const char *key; /* the struct's own; unchanged while it is kept */
	struct table_node *next;
	uint64_t hash;
};

/* `= {0}` initialises one. */
struct table {
	struct table_node **buckets;
	size_t count, room; /* room: a power of two */
	unsigned char secret[16];
};

/* The struct with that key, or NULL. */
void *table_find(const struct table *table, const char *key);
/* Keeps it; a struct with that key must not be there yet. */
void table_add(struct table *table, struct table_node *node);
void table_remove(struct table *table, struct table_node *node);
