/* What is made of the driver's source, which the program carries: the tool, compiled, and the cache
 * of compiled packages that every build starts from. */

#include "node/prepare.h"

#include "base/defer.h"
#include "base/fs.h"
#include "node/driver_tree.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "private/gocache"
/* Before the key: what is in the cache is of that driver and Go. */
#define CACHE_MARK "seeded-"

void driver_key(struct preparing *p)
{
	unsigned char hash[16];
	crypto_generichash_state state;
	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	(void)crypto_generichash_update(
		&state, (const unsigned char *)p->node->go_version, strlen(p->node->go_version));
	for (const struct driver_file *file = driver_tree; file->path != NULL; file++) {
		(void)crypto_generichash_update(
			&state, (const unsigned char *)file->path, strlen(file->path) + 1);
		(void)crypto_generichash_update(&state, file->data, file->len);
	}
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	(void)sodium_bin2hex(p->key, sizeof(p->key), hash, sizeof(hash));
}

static int driver_unpack(const char *to, struct fault *f)
{
	for (const struct driver_file *file = driver_tree; file->path != NULL; file++) {
		defer_free char *path = mem_printf("%s/%s", to, file->path);
		char *slash = strrchr(path, '/');
		*slash = '\0';
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
		*slash = '/';
		if (fs_write(path, file->data, file->len, 0644, f) < 0)
			return -1;
	}
	return 0;
}

/* The variables under which both tool and cache are compiled. */
static int with_toolchain(const struct preparing *p, const char *cache, char *const *argv,
	const char *dir, struct fault *f)
{
	defer_free char *root = mem_printf("GOROOT=%s", p->goroot);
	defer_free char *build = mem_printf("GOCACHE=%s", cache);
	defer_free char *modules = mem_printf("GOMODCACHE=%s/private/modcache", p->node->state);
	defer_free char *home = mem_printf("HOME=%s/private", p->node->state);
	const char *more[] = {root, build, modules, home, "GOPROXY=off", "GOFLAGS=-mod=mod",
		"GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off", "GOTELEMETRY=off", "CGO_ENABLED=0"};
	return toolchain_run(p, argv, more, sizeof(more) / sizeof(more[0]), dir, f);
}

void driver_tool_undo(const struct preparing *p)
{
	defer_free char *part = node_path(p->node, TOOL_PART);
	(void)fs_remove_all(part, NULL);
	driver_cache_undo(p);
}

int driver_tool(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	defer_free char *part = node_path(p->node, TOOL_PART);
	if (access(p->tool, X_OK) == 0)
		return fs_remove_all(part, f);
	defer_free char *source = mem_printf("%s/driver", part);
	defer_free char *made = mem_printf("%s/tool", part);
	defer_free char *cache = node_path(p->node, CACHE_PART);
	defer_free char *go = mem_printf("%s/bin/go", p->goroot);
	if (fs_remove_all(part, f) < 0 || driver_unpack(source, f) < 0)
		return -1;
	char *const argv[] = {go, (char *)"build", (char *)"-trimpath", (char *)"-buildvcs=false",
		(char *)"-o", made, (char *)"./cmd/tool", NULL};
	int did = with_toolchain(p, cache, argv, source, f);
	if (did == 0 && (chmod(made, 0755) < 0 || rename(made, p->tool) < 0))
		did = fault_set(f, FAULT_PLATFORM, errno, "rename %s", made);
	(void)fs_remove_all(part, NULL);
	return did;
}

/* Gives what is in the cache to a uid, and opens its directories to all (see cache_overlay in
 * jail/linux/root.c). The directory itself stays ours, so that an ordinary user can remove
 * everything again. */
static int cache_give(const struct node *n, const char *cache, unsigned uid, struct fault *f)
{
	defer_closedir DIR *dir = opendir(cache);
	if (dir == NULL || chmod(cache, 0777) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open up %s", cache);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		defer_free char *path = mem_printf("%s/%s", cache, e->d_name);
		struct stat st;
		if (e->d_name[0] == '.' || strncmp(e->d_name, CACHE_MARK, strlen(CACHE_MARK)) == 0)
			continue;
		if (n->plan.uids_apart && fs_chown_all(path, uid, uid, f) < 0)
			return -1;
		if (stat(path, &st) < 0 || (S_ISDIR(st.st_mode) && chmod(path, 0777) < 0))
			return fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path);
	}
	return 0;
}

/* The mark is given last, and says whose the cache is. */
static int mark_give(const struct node *n, const char *mark, struct fault *f)
{
	const uid_t uid = n->plan.cache_uid;
	return n->plan.uids_apart && chown(mark, uid, uid) < 0
		       ? fault_set(f, FAULT_PLATFORM, errno, "chown %s", mark)
		       : 0;
}

/* Where jails.uid_base is another one since. */
static int cache_give_again(
	const struct node *n, const char *cache, const char *mark, struct fault *f)
{
	struct stat st;
	if (!n->plan.uids_apart || (stat(mark, &st) == 0 && st.st_uid == n->plan.cache_uid))
		return 0;
	return cache_give(n, cache, n->plan.cache_uid, f) < 0 ? -1 : mark_give(n, mark, f);
}

static char *mark_path(const struct preparing *p, const char *cache)
{
	return node_path(p->node, "%s/" CACHE_MARK "%s", cache, p->key);
}

bool driver_is_cached(const struct preparing *p)
{
	defer_free char *mark = mark_path(p, CACHE);
	return access(mark, F_OK) == 0;
}

void driver_cache_undo(const struct preparing *p)
{
	defer_free char *part = node_path(p->node, CACHE_PART);
	(void)fs_remove_all(part, NULL);
}

int driver_cache(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	struct node *n = p->node;
	defer_free char *part = node_path(n, CACHE_PART);
	defer_free char *cache = node_path(n, CACHE);
	defer_free char *mark = mark_path(p, CACHE);
	defer_free char *mark_part = mark_path(p, CACHE_PART);
	if (driver_is_cached(p))
		return cache_give_again(n, cache, mark, f) < 0 ? -1 : fs_remove_all(part, f);
	if (fs_mkdirs(part, 0755, f) < 0 ||
		cache_give(n, part, n->plan.uid_base + n->plan.slots, f) < 0 ||
		node_seed(n, f) < 0 || cache_give(n, part, n->plan.cache_uid, f) < 0 ||
		fs_write(mark_part, "", 0, 0644, f) < 0 || mark_give(n, mark_part, f) < 0 ||
		fs_remove_all(cache, f) < 0)
		return -1;
	if (rename(part, cache) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rename %s", part);
	return 0;
}
