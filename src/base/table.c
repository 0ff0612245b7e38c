#include "base/table.h"

#include "base/buf.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const struct table *table, const char *key)
{
	uint64_t hash;
	_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash has 64 bits");
	_Static_assert(sizeof(table->secret) == crypto_shorthash_KEYBYTES, "and a key of 128");
	(void)crypto_shorthash(
		(unsigned char *)&hash, (const unsigned char *)key, strlen(key), table->secret);
	return hash;
}

static struct table_node **place_of(const struct table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->room - 1)];
}

/* As many places as there are things, or more. */
static void grow(struct table *table)
{
	struct table old = *table;
	if (old.room == 0)
		randombytes_buf(table->secret, sizeof(table->secret));
	table->room = old.room == 0 ? 64 : old.room * 2;
	table->buckets = mem_zero(table->room, sizeof(struct table_node *));
	for (size_t i = 0; i < old.room; i++) {
		for (struct table_node *node = old.buckets[i]; node != NULL;) {
			struct table_node *next = node->next;
			struct table_node **at = place_of(table, node->hash);
			node->next = *at;
			*at = node;
			node = next;
		}
	}
	free(old.buckets);
}

void *table_find(const struct table *table, const char *key)
{
	if (table->count == 0)
		return NULL;
	const uint64_t hash = hash_of(table, key);
	struct table_node *node = *place_of(table, hash);
	while (node != NULL && (node->hash != hash || strcmp(node->key, key) != 0))
		node = node->next;
	return node;
}

void table_add(struct table *table, struct table_node *node)
{
	if (table->count == table->room)
		grow(table);
	table->count++;
	node->hash = hash_of(table, node->key);
	struct table_node **at = place_of(table, node->hash);
	node->next = *at;
	*at = node;
}

void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = place_of(table, node->hash);
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->count--;
}
