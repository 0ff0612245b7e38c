#pragma once

/* tree: finding things by a text key, over tsearch(3), whose nodes hold pointers to structs that
 * begin with the key. */

/* What a kept struct begins with. */
struct tree_node {
	const char *key; /* the struct's own; unchanged while it is kept */
};

/* The struct with that key, or NULL. */
void *tree_find(void *const *root, const char *key);
/* Keeps it; a struct with that key must not be there yet. */
void tree_add(void **root, struct tree_node *node);
void tree_remove(void **root, struct tree_node *node);
