#include "base/tree.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct tree_node *)a)->key, ((const struct tree_node *)b)->key);
}

void *tree_find(void *const *root, const char *key)
{
	const struct tree_node want = {.key = key};
	struct tree_node *const *found = tfind(&want, root, compare);
	return found != NULL ? *found : NULL;
}

void tree_add(void **root, struct tree_node *node)
{
	if (tsearch(node, root, compare) == NULL)
		abort();
}

void tree_remove(void **root, struct tree_node *node)
{
	(void)tdelete(node, root, compare);
}
