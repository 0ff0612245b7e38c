/* The roots that jails share: /etc, places for mounts, CA certificates, time zones. */

#include "node/prepare.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "function/treesum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONES "usr/share/zoneinfo.zip"

/* For calls, for calls with an address, for builds and fetches. */
enum { ROOTS = 3 };
static const char *const names[ROOTS] = {"base", "base-net", "base-tools"};

static int base_file(const char *root, const char *name, const char *text, struct fault *f)
{
	defer_free char *path = mem_printf("%s/%s", root, name);
	return fs_keep(path, text, strlen(text), 0644, f);
}

int base_certificates(const struct node *n, const char *root, struct fault *f)
{
	static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
		"/usr/local/share/certs/ca-root-nss.crt"};
	const char *given = n->config.modules.ssl_cert_file != NULL
				    ? n->config.modules.ssl_cert_file
				    : getenv("SSL_CERT_FILE");
	defer_free char *to = mem_printf("%s/etc/ssl/certs/ca-certificates.crt", root);
	if (given != NULL)
		return fs_copy(given, to, 0644, f);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (access(usual[i], R_OK) == 0)
			return fs_copy(usual[i], to, 0644, f);
	}
	log_warn("no CA certificates found: fetching modules over https will fail; install "
		 "ca-certificates");
	return 0;
}

/* What all kinds of root have. */
static int root_make(
	const struct preparing *p, const char *root, const char *const *dirs, struct fault *f)
{
	static const char *const devices[] = {"null", "zero", "full", "random", "urandom"};
	static const char *const files[][2] = {
		{"etc/passwd", "root:x:0:0:root:/:/nologin\njail:x:1000:1000:jail:/tmp:/"
			       "nologin\nnobody:x:65534:65534::/:/nologin\n"},
		{"etc/group", "root:x:0:\njail:x:1000:\nnogroup:x:65534:\n"},
		{"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
		{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	};
	for (; *dirs != NULL; dirs++) {
		defer_free char *path = mem_printf("%s/%s", root, *dirs);
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		defer_free char *name = mem_printf("dev/%s", devices[i]);
		if (base_file(root, name, "", f) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (base_file(root, files[i][0], files[i][1], f) < 0)
			return -1;
	}
	return base_certificates(p->node, root, f);
}

struct root {
	const char *name;
	const char *const *dirs;
	/* What it has besides; may be NULL. */
	int (*more)(struct node *n, const char *root, struct fault *f);
};

static int resolvers_place(struct node *n, const char *root, struct fault *f)
{
	(void)n;
	return base_file(root, "etc/resolv.conf", "", f);
}

/* The time zones of the root before it: those of the toolchain come only once there is one. */
static void zones_keep(const char *root, const char *part)
{
	defer_free char *from = mem_printf("%s/" ZONES, root);
	defer_free char *to = mem_printf("%s/" ZONES, part);
	(void)!link(from, to); /* they are copied all the same */
}

static int part_make(const struct preparing *p, const struct root *r, const char *root,
	const char *part, struct fault *f)
{
	if (fs_remove_all(part, f) < 0 || root_make(p, part, r->dirs, f) < 0 ||
		(r->more != NULL && r->more(p->node, part, f) < 0))
		return -1;
	zones_keep(root, part);
	return 0;
}

/* Made anew each time, so that nothing of an older version is seen in jails: beside its place, or,
 * on a disk without room for both, once the one before is gone. */
static int root_up(const struct preparing *p, const struct root *r, struct fault *f)
{
	defer_free char *root = node_path(p->node, "%s", r->name);
	defer_free char *part = node_path(p->node, "%s.part", r->name);
	int made = part_make(p, r, root, part, f);
	if (made < 0 && f->kind == FAULT_FULL) {
		*f = (struct fault){0};
		made = fs_remove_all(root, f) < 0 ? -1 : part_make(p, r, root, part, f);
	}
	if (made < 0 || fs_remove_all(root, f) < 0)
		return -1;
	return rename(part, root) == 0 ? 0 : fault_set(f, FAULT_PLATFORM, errno, "rename %s", part);
}

/* Where jails get clones, these are of what stands in the state directory. */
static int roots_copy(const struct preparing *p, struct fault *f)
{
	for (size_t i = 0; i < ROOTS && p->node->storage.type == STORAGE_ZFS; i++) {
		struct treesum sum;
		defer_free char *root = node_path(p->node, "%s", names[i]);
		if (treesum_make(root, &sum, f) < 0)
			return -1;
		sum.digest[32] = '\0';
		if (storage_base_copy(&p->node->storage, names[i], root, sum.digest, f) < 0)
			return -1;
	}
	return 0;
}

/* Calls have no place that is of no use to them, and /proc where it is asked for. */
int base_make(void *thing, struct fault *f)
{
	static const char *const calls[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", NULL};
	static const char *const with_proc[] = {
		"dev", "tmp", "etc/ssl/certs", "usr/share", "proc", NULL};
	static const char *const tools[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", "go", "src",
		"cache", "modules/0", "modules/1", "modules/2", "modules/3", "modules/4",
		"modules/5", "modules/6", "modules/7", NULL};
	const struct preparing *p = thing;
	const char *const *dirs = p->node->config.proc ? with_proc : calls;
	const struct root all[] = {{names[0], dirs, NULL}, {names[1], dirs, resolvers_place},
		{names[2], tools, node_git_places}};
	node_git_find(p->node);
	for (size_t i = 0; i < ROOTS; i++) {
		if (root_up(p, &all[i], f) < 0)
			return -1;
	}
	return roots_copy(p, f);
}

void base_undo(const struct preparing *p)
{
	for (size_t i = 0; i < ROOTS; i++) {
		defer_free char *part = node_path(p->node, "%s.part", names[i]);
		(void)fs_remove_all(part, NULL);
	}
}

int base_zones(const struct preparing *p, struct fault *f)
{
	defer_free char *zones = mem_printf("%s/lib/time/zoneinfo.zip", p->goroot);
	for (size_t i = 0; i < ROOTS; i++) {
		defer_free char *to = node_path(p->node, "%s/" ZONES, names[i]);
		if (fs_copy(zones, to, 0644, f) < 0)
			return -1;
	}
	return roots_copy(p, f);
}
