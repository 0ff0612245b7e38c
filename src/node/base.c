/* The roots that jails share: /etc, places for mounts, CA certificates, time zones. */

#include "node/prepare.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int base_file(const char *root, const char *name, const char *text, struct fault *f)
{
	defer_free char *path = mem_printf("%s/%s", root, name);
	return fs_keep(path, text, strlen(text), 0644, f);
}

static int base_certificates(const struct node *n, const char *root, struct fault *f)
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

/* Removes what a kill has left of fs_write. */
static int part_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type == FTW_F && strstr(path + ftw->base, ".part.") != NULL)
		(void)unlink(path);
	return 0;
}

static void parts_sweep(const char *root)
{
	(void)nftw(root, part_remove, 16, FTW_PHYS | FTW_MOUNT);
}

/* What both kinds of root have. */
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

/* A root that was never there is made beside its place; one that is there is only changed where it
 * is not as it should be, a file at a time. */
static int root_up(
	const struct preparing *p, const char *name, const char *const *dirs, struct fault *f)
{
	defer_free char *root = node_path(p->node, "%s", name);
	defer_free char *part = node_path(p->node, "%s.part", name);
	if (fs_remove_all(part, f) < 0)
		return -1;
	if (access(root, F_OK) == 0) {
		parts_sweep(root);
		return root_make(p, root, dirs, f);
	}
	if (root_make(p, part, dirs, f) < 0)
		return -1;
	return rename(part, root) == 0 ? 0 : fault_set(f, FAULT_PLATFORM, errno, "rename %s", part);
}

/* Two roots: what calls run in has no place that is of no use to them. */
int base_make(void *thing, struct fault *f)
{
	static const char *const calls[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", NULL};
	static const char *const with_proc[] = {
		"dev", "tmp", "etc/ssl/certs", "usr/share", "proc", NULL};
	static const char *const tools[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", "go", "src",
		"cache", "modules/0", "modules/1", "modules/2", "modules/3", "modules/4",
		"modules/5", "modules/6", "modules/7", NULL};
	const struct preparing *p = thing;
	defer_free char *proc = node_path(p->node, "base/proc");
	if (!p->node->config.proc && fs_remove_all(proc, f) < 0)
		return -1;
	return root_up(p, "base", p->node->config.proc ? with_proc : calls, f) < 0
		       ? -1
		       : root_up(p, "base-tools", tools, f);
}

void base_undo(const struct preparing *p)
{
	defer_free char *base = node_path(p->node, "base.part");
	defer_free char *base_tools = node_path(p->node, "base-tools.part");
	(void)fs_remove_all(base, NULL);
	(void)fs_remove_all(base_tools, NULL);
}

int base_zones(const struct preparing *p, struct fault *f)
{
	defer_free char *zones = mem_printf("%s/lib/time/zoneinfo.zip", p->goroot);
	defer_free char *base = node_path(p->node, "base/usr/share/zoneinfo.zip");
	defer_free char *base_tools = node_path(p->node, "base-tools/usr/share/zoneinfo.zip");
	return fs_copy(zones, base, 0644, f) < 0 ? -1 : fs_copy(zones, base_tools, 0644, f);
}
