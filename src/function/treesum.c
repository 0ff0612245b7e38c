#include "function/treesum.h"

#include "base/buf.h"
#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, CHUNK = 65536 };

/* Linux has one const less: a comparison of either kind. */
static int by_name(const void *a, const void *b)
{
	const FTSENT *const *first = a;
	const FTSENT *const *second = b;
	return strcmp((*first)->fts_name, (*second)->fts_name);
}

static int file_add(
	crypto_generichash_state *state, const char *path, uint64_t *bytes, struct fault *f)
{
	defer_free unsigned char *chunk = mem_alloc(CHUNK);
	defer_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t size = 0;
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open %s", path);
	for (ssize_t n; (n = read(fd, chunk, CHUNK)) != 0;) {
		if (n < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "read %s", path);
		(void)crypto_generichash_update(state, chunk, (unsigned long long)n);
		size += (uint64_t)n;
	}
	/* Behind the contents, so that where one file ends and the next name begins is certain. */
	(void)crypto_generichash_update(state, (const unsigned char *)&size, sizeof(size));
	*bytes += (size + BLOCK - 1) / BLOCK * BLOCK;
	return 0;
}

static int entry_add(crypto_generichash_state *state, const FTSENT *e, size_t root_len,
	uint64_t *bytes, struct fault *f)
{
	const unsigned char type = (unsigned char)e->fts_info;
	if (e->fts_info == FTS_DP)
		return 0;
	if (e->fts_info != FTS_D && e->fts_info != FTS_F)
		return fault_set(f, FAULT_PLATFORM, e->fts_errno, "%s is no file", e->fts_path);
	(void)crypto_generichash_update(state, &type, 1);
	(void)crypto_generichash_update(state, (const unsigned char *)e->fts_path + root_len,
		strlen(e->fts_path + root_len) + 1);
	if (e->fts_info == FTS_F)
		return file_add(state, e->fts_path, bytes, f);
	*bytes += BLOCK;
	return 0;
}

int treesum_make(const char *path, struct treesum *sum, struct fault *f)
{
	unsigned char hash[32];
	crypto_generichash_state state;
	defer_free char *root = mem_strdup(path);
	char *const roots[] = {root, NULL};
	int did = 0;
	*sum = (struct treesum){0};
	if (access(path, F_OK) < 0)
		return fault_set(f, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_PLATFORM, errno,
			"open %s", path);
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, (void *)by_name);
	if (walk == NULL)
		return fault_set(f, FAULT_PLATFORM, errno, "open %s", path);
	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	for (FTSENT *e; did == 0 && (e = fts_read(walk)) != NULL;)
		did = entry_add(&state, e, strlen(path), &sum->bytes, f);
	if (did == 0 && errno != 0)
		did = fault_set(f, FAULT_PLATFORM, errno, "read %s", path);
	(void)fts_close(walk);
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	(void)sodium_bin2hex(sum->digest, sizeof(sum->digest), hash, sizeof(hash));
	return did;
}
