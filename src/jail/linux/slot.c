/*
 * Theory of operation. A slot is what is dear to make and is made ahead of demand, in a helper
 * process: control groups with limits, and a user namespace owning a mount namespace (root.c) and
 * empty network and ipc namespaces. A maker process is cloned into the four new namespaces; the helper
 * maps its one uid, lets it build the root, takes the namespaces by descriptor and ends it. The
 * namespaces live on by those descriptors alone, so that closing them, however that happens,
 * removes everything but the control groups; those are named by slot and found again by looking.
 * A slot with an address has a link besides (net/link.h), made for its call and never for another.
 */

#include "jail/linux/linux.h"

#include "base/defer.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "jail/steps.h"
#include "storage/storage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct making {
	const struct jail_plan *plan;
	unsigned slot;
	const struct jail_order *order;
	enum jail_kind kind;
	struct jail_parts *parts;
	pid_t maker;
	int talk;   /* to the maker; carries its listener */
	int inside; /* the maker's end of it */
};

struct maker_word {
	int error; /* errno; 0: the root stands */
	char step[28];
};

static int groups_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	if (linux_cgroups.version == 0)
		return 0;
	int *fd = m->parts->fd;
	const struct cgroup_files files = {.enter = &fd[PART_ENTER],
		.oom = &fd[PART_OOM],
		.usage = &fd[PART_USAGE],
		.idle = &fd[PART_IDLE]};
	return cgroup_make(&linux_cgroups, m->slot, &m->plan->limits[m->kind], &files, f);
}

static void groups_down(void *thing)
{
	struct making *m = thing;
	if (linux_cgroups.version != 0)
		(void)cgroup_unmake(&linux_cgroups, m->slot, NULL);
}

/* The way out of a fetch jail: a listener on its loopback, served by the server. */
static int listener_open(void)
{
	defer_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ifreq lo = {.ifr_name = "lo"};
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(3128),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	lo.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ||
		bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0)
		return -1;
	return defer_take(&fd);
}

/* What only something inside can open, by the kind: 0 to 2 of them. -1: *step. */
static int own_open(const struct making *m, int own[2], const char **step)
{
	if (jail_kind_fetches(m->kind)) {
		*step = "listener";
		own[0] = listener_open();
		return own[0] < 0 ? -1 : 1;
	}
	if (!jail_runs_call(m->kind))
		return 0;
	*step = "tmp";
	own[0] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own[0] < 0)
		return -1;
	own[1] = landlock_make(m->kind == JAIL_EXEC_NET);
	if (own[1] >= 0)
		return 2;
	*step = "landlock";
	return errno == ENOSYS ? 1 : -1; /* no jail goes without where there is landlock */
}

/* Runs in the new namespaces, until the helper ends it; that of an execution slot in the helper's
 * memory, of which it changes nothing but its stack. */
static int maker_run(void *making)
{
	const struct making *m = making;
	struct maker_word word = {0};
	const char *step = "start";
	int own[2];
	char go;
	/* The helper's end must be the helper's alone: its closing is how we learn that it died. (A
	 * parent death signal would be cleared by the change of uid.) */
	(void)close(m->talk);
	if (read(m->inside, &go, 1) != 1)
		_exit(1);
	int entered = root_is_copied(m->plan, m->kind)
			      ? root_enter_copy(m->plan, &step)
			      : root_enter(m->plan, m->slot, m->order, &step);
	int count = entered < 0 ? -1 : own_open(m, own, &step);
	if (count < 0)
		word.error = errno;
	(void)snprintf(word.step, sizeof(word.step), "%s", step);
	(void)fdpass_send(m->inside, &word, sizeof(word), own, count < 0 ? 0 : (unsigned)count);
	(void)!read(m->inside, &go, 1); /* until the helper ends us, or ends */
	_exit(0);
}

/* Copying the helper's memory, with all its libraries, would be a quarter of what an execution slot
 * costs. */
static pid_t maker_clone(struct making *m, struct fault *f)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	const int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC;
	const bool copies = root_is_copied(m->plan, m->kind);
	if (copies && template_enter(m->plan, f) < 0)
		return -1;
	pid_t pid = clone(
		maker_run, stack + sizeof(stack), spaces | SIGCHLD | (copies ? CLONE_VM : 0), m);
	if (pid < 0)
		(void)fault_set(f, FAULT_PLATFORM, errno,
			"clone with new user, mount, net and ipc namespaces");
	if (copies)
		template_leave();
	return pid;
}

static int map_write(const struct making *m, const char *file)
{
	const struct jail_plan *plan = m->plan;
	char path[64];
	char lines[128];
	int len = snprintf(lines, sizeof(lines), "%d %u 1\n", JAIL_UID,
		plan->uids_apart ? plan->uid_base + m->slot : 0);
	if (m->kind == JAIL_BUILD && plan->uids_apart)
		(void)snprintf(lines + len, sizeof(lines) - (size_t)len, "%d %u 1\n",
			JAIL_CACHE_UID, plan->cache_uid);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)m->maker, file);
	return fs_poke(path, lines);
}

/* While the maker still is who it was: once it changes its uid, only real root may look into its
 * /proc. */
static int spaces_take(struct making *m, struct fault *f)
{
	static const struct {
		const char *name;
		int part;
	} spaces[] = {
		{"user", PART_USER}, {"mnt", PART_MOUNT}, {"net", PART_NET}, {"ipc", PART_IPC}};
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		char path[64];
		if (spaces[i].part == PART_IPC && !jail_runs_call(m->kind))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)m->maker, spaces[i].name);
		m->parts->fd[spaces[i].part] = open(path, O_RDONLY | O_CLOEXEC);
		if (m->parts->fd[spaces[i].part] < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "open %s", path);
	}
	return 0;
}

static int spaces_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "socketpair");
	m->talk = pair[0];
	m->inside = pair[1];
	m->maker = maker_clone(m, f);
	(void)close(pair[1]);
	if (m->maker < 0)
		return -1;
	if (map_write(m, "uid_map") < 0 || map_write(m, "gid_map") < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "map the jail's uid");
	if (spaces_take(m, f) < 0)
		return -1;
	if (write(m->talk, "g", 1) != 1)
		return fault_set(f, FAULT_PLATFORM, errno, "maker");
	return 0;
}

static void spaces_down(void *thing)
{
	struct making *m = thing;
	if (m->maker > 0) {
		(void)kill(m->maker, SIGKILL);
		(void)waitpid(m->maker, NULL, 0);
		m->maker = 0;
		/* Its change of uid was ours too, as far as memory goes: an ordinary user's helper
		 * could not look into /proc for its next one. */
		(void)prctl(PR_SET_DUMPABLE, 1);
	}
	if (m->talk >= 0)
		(void)close(m->talk);
	m->talk = -1;
}

/* While the maker makes the root. */
static int link_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	if (m->kind != JAIL_EXEC_NET)
		return 0;
	const struct net_link_want want = {.netns = m->parts->fd[PART_NET],
		.address = m->order->address,
		.probe = m->order->probe};
	return net_link_make(m->plan->net, &want, f);
}

static int root_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	struct maker_word word = {0};
	int own[2] = {-1, -1};
	unsigned count = 2;
	ssize_t n = fdpass_receive(m->talk, &word, sizeof(word), own, &count);
	m->parts->fd[jail_kind_fetches(m->kind) ? PART_LISTENER : PART_TMP] =
		count > 0 ? own[0] : -1;
	m->parts->fd[PART_RULES] = count > 1 ? own[1] : -1;
	if (n != (ssize_t)sizeof(word))
		return fault_set(f, FAULT_PLATFORM, errno, "the maker ended early");
	word.step[sizeof(word.step) - 1] = '\0';
	if (word.error != 0)
		return fault_set(f, FAULT_PLATFORM, word.error, "%s", word.step);
	if (m->kind == JAIL_EXEC && slot_mark(m->parts) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "the time of /tmp cannot be told");
	return 0;
}

static void parts_down(void *thing)
{
	struct making *m = thing;
	for (int i = 0; i < JAIL_PARTS; i++) {
		if (m->parts->fd[i] >= 0)
			(void)close(m->parts->fd[i]);
		m->parts->fd[i] = -1;
	}
}

/* Before there is a mount namespace for it to be seen in. */
static int clone_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	return storage_clone(m->plan->storage, m->slot, jail_base(m->kind), 0, f);
}

static void clone_down(void *thing)
{
	struct making *m = thing;
	spaces_down(m); /* these have it mounted */
	parts_down(m);
	storage_unclone(m->plan->storage, m->slot);
}

static int nothing_up(void *thing, struct fault *f)
{
	(void)thing;
	(void)f;
	return 0;
}

/* The first step has only an undo: closing whatever descriptors the later ones opened. */
static const struct step slot_steps[] = {
	{"descriptors", nothing_up, parts_down},
	{"cgroup", groups_up, groups_down},
	{"clone", clone_up, clone_down},
	{"namespaces", spaces_up, NULL},
	{"link", link_up, NULL}, /* it goes with the net namespace */
	{"root", root_up, NULL},
};

int slot_create(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct jail_parts *parts, struct fault *f)
{
	struct making m = {.plan = plan,
		.slot = slot,
		.order = order,
		.kind = order->kind,
		.parts = parts,
		.talk = -1};
	memset(parts->fd, 0xff, sizeof(parts->fd));
	parts->mark = 0;
	int made = steps_up(slot_steps, sizeof(slot_steps) / sizeof(slot_steps[0]), &m, f);
	spaces_down(&m); /* from here on the descriptors hold the namespaces */
	return made < 0 ? fault_wrap(f, "jail slot %u", slot) : 0;
}

int slot_destroy(const struct jail_plan *plan, unsigned slot, struct fault *f)
{
	storage_unclone(plan->storage, slot);
	return linux_cgroups.version == 0 ? 0 : cgroup_unmake(&linux_cgroups, slot, f);
}
