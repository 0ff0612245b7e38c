#pragma once

/* `-i` on FreeBSD as tests see it: its steps on this host, against zfs, fetch, freebsd-update and go
 * that record. */

#include "fakes.h"

#include "node/freebsd/freebsd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { STEPS_MAX = 16, KILLED = -2 };

struct world {
	struct fakes k;
	struct node n;
	struct prepare_step steps[STEPS_MAX];
	struct fault f;
};

static inline int nothing(void *preparing, struct fault *f)
{
	(void)preparing;
	(void)f;
	return 0;
}

/* All of the table but what needs jails and a real compiler. */
static inline void steps_take(struct world *w)
{
	static const char *const left[] = {"jails", "tool", "cache", "build jail"};
	for (size_t i = 0; i < STEPS_MAX; i++) {
		w->steps[i] = prepare_freebsd[i];
		if (prepare_freebsd[i].name == NULL)
			return;
		for (size_t k = 0; k < sizeof(left) / sizeof(left[0]); k++) {
			if (strcmp(w->steps[i].name, left[k]) == 0)
				w->steps[i].up = nothing;
		}
	}
	fail_msg("more steps than that");
}

static inline void shell(const struct world *w, const char *script)
{
	defer_free char *line = mem_printf("cd %s && %s", w->k.dir, script);
	if (system(line) != 0) /* NOLINT(cert-env33-c) */
		fail_msg("%s", line);
}

/* The mirror of a release, small: links of both kinds, as the real ones have them. */
static inline void mirror_make(const struct world *w, const char *version)
{
	defer_free char *line = mem_printf(
		"rm -rf mirror base32 tree && mkdir -p mirror tree/bin tree/lib tree/etc "
		"tree/usr/bin "
		"base32/usr/lib32 && "
		"printf 'USERLAND_VERSION=\"%s\"\\n' >tree/bin/freebsd-version && echo c "
		">tree/lib/libc.so.7 "
		"&& echo sh >tree/bin/sh && chmod 4555 tree/bin/sh && ln tree/bin/sh "
		"tree/usr/bin/sh && "
		"ln -s ../lib/libc.so.7 tree/usr/libc && echo 32 >base32/usr/lib32/libc.so.7 && "
		"tar -czf mirror/base.txz -C tree . && tar -czf mirror/lib32.txz -C base32 . && "
		"cd mirror && for f in base lib32; do printf "
		"'%%s.txz\\t%%s\\t10\\t%%s\\t\"x\"\\ton\\n' $f "
		"$(sha256sum <$f.txz | cut -d' ' -f1) $f; done >MANIFEST",
		version);
	shell(w, line);
}

static inline void host_make(const struct world *w)
{
	fakes_put(&w->k, "host/etc/rc.conf", "jail_enable=\"YES\"\n");
	fakes_put(&w->k, "host/etc/resolv.conf", "nameserver 192.0.2.1\n");
	fakes_put(&w->k, "host/etc/localtime", "TZif2");
}

static inline void node_make(struct world *w, enum storage_type type, const char *release)
{
	struct node *n = &w->n;
	n->state = fakes_at(&w->k, "state");
	n->instance = mem_strdup("sky-1");
	n->go_version = mem_strdup("go1.26.8");
	n->config.release = mem_strdup(release);
	n->config.base_sys_pkg_url = mem_strdup("https://mirror.example/14.2-RELEASE");
	n->config.modules.ssl_cert_file = fakes_at(&w->k, "host/etc/resolv.conf");
	assert_int_equal(fs_mkdirs(n->state, 0755, &w->f), 0);
	assert_int_equal(
		storage_init(&n->storage, type, n->state, n->instance, "tank/sky", NULL, &w->f), 0);
}

static inline int begin(void **state)
{
	struct world *w = mem_zero(1, sizeof(*w));
	assert_true(sodium_init() >= 0);
	fakes_begin(&w->k);
	fakes_put(&w->k, "pool/tank/sky/.ds/order", "");
	mirror_make(w, "14.2-RELEASE");
	host_make(w);
	steps_take(w);
	node_make(w, STORAGE_ZFS, "14.2-RELEASE");
	log_set_level(LOG_ERROR);
	*state = w;
	return 0;
}

static inline void node_drop(struct world *w)
{
	struct node *n = &w->n;
	storage_finish(&n->storage);
	free(n->state);
	free(n->instance);
	free(n->go_version);
	free(n->config.release);
	free(n->config.base_sys_pkg_url);
	free(n->config.base_sys_pkg_dir);
	free(n->config.modules.ssl_cert_file);
	*n = (struct node){0};
}

static inline int end(void **state)
{
	struct world *w = *state;
	node_drop(w);
	fakes_end(&w->k);
	free(w);
	return 0;
}

static inline _Noreturn void child(struct world *w, enum node_mode mode, int words)
{
	struct fault f = {0};
	defer_free char *host = fakes_at(&w->k, "host");
	defer_free char *said = fakes_at(&w->k, "said");
	struct preparing p = {.node = &w->n, .mode = mode, .host = host};
	(void)freopen(said, "w", stderr);
	log_set_level(LOG_WARN);
	p.goroot = node_path(&w->n, "toolchain/%s", w->n.go_version);
	int did = prepare_run(w->steps, true, &p, &f);
	(void)!write(words, &f, sizeof(f));
	_exit(did < 0 ? 1 : 0);
}

/* Until it has ended, or asks to be killed. */
static inline void watch(pid_t pid, int words, int killer)
{
	struct pollfd both[] = {{.fd = words, .events = POLLIN}, {.fd = killer, .events = POLLIN}};
	while (poll(both, 2, -1) < 0 && errno == EINTR)
		;
	if (both[1].revents != 0)
		assert_int_equal(kill(pid, SIGKILL), 0);
}

/* 0, -1 with w->f, KILLED. A process of its own, as each -i is; what it says is in "said". */
static inline int run(struct world *w, enum node_mode mode)
{
	int pipes[2];
	int status = 0;
	defer_free char *fifo = fakes_at(&w->k, "killer");
	w->f = (struct fault){0};
	fakes_drop(&w->k, "killer");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	defer_close int killer = open(fifo, O_RDWR | O_CLOEXEC);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		child(w, mode, pipes[1]);
	(void)close(pipes[1]);
	watch(pid, pipes[0], killer);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)!read(pipes[0], &w->f, sizeof(w->f));
	(void)close(pipes[0]);
	return WIFSIGNALED(status) ? KILLED : WEXITSTATUS(status) == 0 ? 0 : -1;
}

static inline void prepared(struct world *w)
{
	if (run(w, NODE_INIT) != 0)
		fail_msg("%s", w->f.text);
}

static inline void refused(struct world *w, enum fault_kind kind, const char *said)
{
	assert_int_equal(run(w, NODE_INIT), -1);
	if (w->f.kind != kind || strstr(w->f.text, said) == NULL)
		fail_msg("%d %s", w->f.kind, w->f.text);
}

static inline void put_back(struct world *w, const char *release)
{
	node_drop(w);
	fakes_drop(&w->k, "state");
	fakes_drop(&w->k, "pool/tank/sky/sky-1");
	fakes_drop(&w->k, "brought");
	fakes_drop(&w->k, "log");
	fakes_drop(&w->k, "kill");
	fakes_drop(&w->k, "fail");
	node_make(w, STORAGE_ZFS, release);
}

/* Bytes that fetch brought of a file, and how often go downloaded. */
static inline unsigned long brought(const struct world *w, const char *name)
{
	unsigned long sum = 0;
	defer_free char *text = fakes_get(&w->k, "brought");
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		const size_t len = strlen(name);
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			sum += strtoul(line + len, NULL, 10);
	}
	return sum;
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
