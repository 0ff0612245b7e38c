#include "storage/dataset.h"

#include <stdio.h>
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:";

/* One element of a path, or what stands behind an "@". A dash in front would be an option. */
static bool is_element(const char *text, size_t len)
{
	if (len == 0 || len >= DATASET_MAX || text[0] == '-')
		return false;
	if (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.')))
		return false;
	return strspn(text, others) >= len;
}

static bool are_elements(const char *text, size_t len)
{
	const char *end = text + len;
	while (text <= end) {
		const char *slash = memchr(text, '/', (size_t)(end - text));
		const char *stop = slash != NULL ? slash : end;
		if (!is_element(text, (size_t)(stop - text)))
			return false;
		text = stop + 1;
	}
	return true;
}

static bool is_path(const char *text, size_t len)
{
	return len > 0 && len < DATASET_MAX && strchr(letters, text[0]) != NULL &&
	       are_elements(text, len);
}

bool dataset_is_name(const char *text)
{
	return text != NULL && text[0] != '\0' && is_path(text, strlen(text));
}

bool dataset_is_below(const char *root, const char *name)
{
	if (!dataset_is_name(root) || name == NULL || strlen(name) >= DATASET_MAX)
		return false;
	const size_t len = strlen(root);
	const size_t path = strcspn(name, "@");
	if (path <= len + 1 || strncmp(name, root, len) != 0 || name[len] != '/')
		return false;
	if (name[path] == '@' && !is_element(name + path + 1, strlen(name + path + 1)))
		return false;
	return is_path(name, path);
}

static int join(const char *name, char by, const char *more, char out[DATASET_MAX], struct fault *f)
{
	if (dataset_is_name(name) && more != NULL && is_element(more, strlen(more)) &&
		snprintf(out, DATASET_MAX, "%s%c%s", name, by, more) < DATASET_MAX)
		return 0;
	out[0] = '\0';
	return fault_set(f, FAULT_INPUT, 0,
		"filesystem.zfs_dataset: \"%.100s%c%.100s\" is no "
		"dataset's name, or longer than ZFS takes",
		name != NULL ? name : "", by, more != NULL ? more : "");
}

int dataset_child(const char *root, const char *leaf, char out[DATASET_MAX], struct fault *f)
{
	return join(root, '/', leaf, out, f);
}

int dataset_snapshot(const char *name, const char *snapshot, char out[DATASET_MAX], struct fault *f)
{
	return join(name, '@', snapshot, out, f);
}
