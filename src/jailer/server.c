/*
 * Theory of operation. The jailer owns a range of slots. A slot is free, being made or removed by a
 * helper, ready, or running one jail. Execution slots are kept in stock ahead of demand, since
 * every call's is alike; build and fetch slots, and those with an address, are made for their
 * request. The loop waits for four things: requests of the server, answers of helpers, ends of
 * children (signalfd), and room to write events. Nothing in it blocks: what would is a helper's
 * job.
 */

#include "jailer/server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "jailer/helper.h"
#include "jailer/message.h"
#include "jailer/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum { HELPERS = 2, READY_MAX = 64 };
enum slot_state { SLOT_FREE, SLOT_MAKING, SLOT_READY, SLOT_RUNNING, SLOT_REMOVING };

/* A request that waits for a slot, with its descriptors. */
struct waiting {
	struct jailer_request request;
	int fds[JAILER_START_FDS];
	struct waiting *next;
};

struct slot {
	enum slot_state state;
	enum jail_kind kind;
	bool killed; /* a KILL came before it ran */
	uint64_t id;
	pid_t pid;
	uint64_t started_ns;
	struct jail_parts parts;
	uint32_t address;            /* 0: none */
	struct waiting *for_request; /* of a slot made for it */
};

struct jailer {
	const struct jailer_setup *setup;
	struct slot *slots;
	struct jail_end *ends; /* shared with the stubs */
	struct helper helpers[HELPERS];
	struct helper_job *jobs; /* a ring of at most one job a slot */
	unsigned jobs_at, jobs_count;
	struct waiting *first, **last; /* requests without a slot, in order */
	struct outbox out;
	int epoll, signals, nothing, tool;
	bool making_fails; /* the last execution slot could not be made: no stock until one can */
	bool ending;
};

static void close_all(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}

/* ---- events to the server ---- */

struct failure {
	bool full;
	enum jailer_taken taken;
	const char *why;
};

static void failed_send(
	struct jailer *j, const struct jailer_request *request, const struct failure *failure)
{
	struct jailer_event event = {.type = JAILER_FAILED,
		.kind = request->kind,
		.id = request->id,
		.full = failure->full,
		.taken = failure->taken};
	(void)snprintf(event.text, sizeof(event.text), "%.255s", failure->why);
	outbox_send(&j->out, &event, -1);
}

static void released_send(struct jailer *j, uint32_t address)
{
	struct jailer_event event = {.type = JAILER_RELEASED, .address = address};
	if (address != 0)
		outbox_send(&j->out, &event, -1);
}

static const struct failure killed_early = {.why = "killed before it started"};
static const struct failure address_in_use = {
	.taken = JAILER_TAKEN_BY_JAIL, .why = "the address is in no pool, or a jail has it"};

/* It never came to a slot. */
static void refused_send(
	struct jailer *j, const struct jailer_request *request, const struct failure *failure)
{
	failed_send(j, request, failure);
	released_send(j, request->address);
}

/* ---- helpers ---- */

static void jobs_hand_out(struct jailer *j)
{
	for (unsigned i = 0; i < HELPERS && j->jobs_count > 0; i++) {
		if (j->helpers[i].busy || helper_give(&j->helpers[i], &j->jobs[j->jobs_at]) < 0)
			continue;
		j->jobs_at = (j->jobs_at + 1) % j->setup->slots;
		j->jobs_count--;
	}
}

static unsigned number(const struct jailer *j, const struct slot *slot)
{
	return j->setup->first_slot + (unsigned)(slot - j->slots);
}

static void job_add(struct jailer *j, const struct slot *slot, enum helper_job_type type,
	const struct jailer_request *request)
{
	unsigned at = (j->jobs_at + j->jobs_count++) % j->setup->slots;
	j->jobs[at] = (struct helper_job){.type = type,
		.kind = slot->kind,
		.slot = number(j, slot),
		.address = slot->address};
	if (request != NULL) {
		j->jobs[at].source = request->source;
		j->jobs[at].probe = request->probe;
	}
	jobs_hand_out(j);
}

/* For a request, or (NULL) for stock. False: another slot has its address. */
static bool slot_make(struct jailer *j, struct slot *slot, enum jail_kind kind,
	const struct jailer_request *request)
{
	const unsigned n = number(j, slot);
	const uint32_t address = request != NULL ? request->address : 0;
	journal_made(j->setup->journal, n);
	if (address != 0 && !journal_claim(j->setup->journal, n, address)) {
		journal_free(j->setup->journal, n);
		return false;
	}
	slot->state = SLOT_MAKING;
	slot->kind = kind;
	slot->killed = false;
	slot->id = request != NULL ? request->id : 0;
	slot->address = address;
	job_add(j, slot, HELPER_CREATE, request);
	return true;
}

static void slot_remove(struct jailer *j, struct slot *slot)
{
	close_all(slot->parts.fd, JAIL_PARTS);
	slot->state = SLOT_REMOVING;
	slot->id = 0;
	slot->pid = 0;
	job_add(j, slot, HELPER_DESTROY, NULL);
}

/* The slot is as it was made: another jail may have it. */
static void slot_again(struct jailer *j, struct slot *slot)
{
	journal_made(j->setup->journal, number(j, slot));
	slot->state = SLOT_READY;
	slot->id = 0;
	slot->pid = 0;
	slot->killed = false;
}

static unsigned ready_count(const struct jailer *j)
{
	unsigned count = 0;
	for (unsigned i = 0; i < j->setup->slots; i++)
		count += j->slots[i].state == SLOT_READY;
	return count;
}

static struct slot *slot_find(struct jailer *j, enum slot_state state)
{
	for (unsigned i = 0; i < j->setup->slots; i++) {
		struct slot *s = &j->slots[i];
		if (s->state == state && (state != SLOT_READY || s->kind == JAIL_EXEC))
			return s;
	}
	return NULL;
}

/* ---- starting ---- */

static void slot_start(struct jailer *j, struct slot *slot, const struct waiting *w)
{
	const bool exec = jail_runs_call(slot->kind);
	const int fds[JAIL_FDS] = {
		[JAIL_STDIN] = exec ? j->nothing : w->fds[0],
		[JAIL_STDOUT] = exec ? w->fds[0] : w->fds[1],
		[JAIL_STDERR] = w->fds[1],
		[JAIL_CONTROL] = w->fds[2],
		[JAIL_BULK] = exec ? -1 : w->fds[3],
		[JAIL_PROGRAM] = exec ? w->fds[3] : j->tool,
	};
	struct fault f = {0};
	unsigned n = number(j, slot);
	pid_t pid = jail_backend->start(
		j->setup->plan, n, slot->kind, &slot->parts, fds, &j->ends[slot - j->slots], &f);
	if (pid < 0) {
		failed_send(j, &w->request,
			&(struct failure){.full = f.kind == FAULT_FULL, .why = f.text});
		slot_remove(j, slot);
		return;
	}
	journal_started(j->setup->journal, n, pid);
	slot->state = SLOT_RUNNING;
	slot->started_ns = clock_mono_ns();
	slot->pid = pid;
	slot->id = w->request.id;
	/* An execution jail's start is not told: its driver says READY itself. */
	if (!exec) {
		struct jailer_event event = {
			.type = JAILER_STARTED, .kind = slot->kind, .id = slot->id, .pid = pid};
		outbox_send(&j->out, &event, jail_backend->listener(&slot->parts));
	}
}

static void waiting_free(struct waiting *w)
{
	close_all(w->fds, JAILER_START_FDS);
	free(w);
}

static struct waiting *waiting_take(struct jailer *j, struct waiting **at)
{
	struct waiting *w = *at;
	*at = w->next;
	if (*at == NULL)
		j->last = at;
	w->next = NULL;
	return w;
}

static unsigned count_exec(const struct jailer *j)
{
	unsigned count = 0;
	for (unsigned i = 0; i < j->setup->slots; i++)
		count += j->slots[i].kind == JAIL_EXEC &&
			 (j->slots[i].state == SLOT_MAKING || j->slots[i].state == SLOT_READY);
	return count;
}

/* Gives waiting requests what there is, and has made what will be needed. */
static void slots_assign(struct jailer *j)
{
	unsigned wanted = 0;
	struct slot *slot;
	for (struct waiting **at = &j->first; *at != NULL;) {
		enum jail_kind kind = (enum jail_kind)(*at)->request.kind;
		slot = slot_find(j, kind == JAIL_EXEC ? SLOT_READY : SLOT_FREE);
		if (slot == NULL) {
			wanted += kind == JAIL_EXEC;
			at = &(*at)->next;
			continue;
		}
		struct waiting *w = waiting_take(j, at);
		if (kind == JAIL_EXEC) {
			slot_start(j, slot, w);
			waiting_free(w);
		} else if (slot_make(j, slot, kind, &w->request)) {
			slot->for_request = w;
		} else {
			refused_send(j, &w->request, &address_in_use);
			waiting_free(w);
		}
	}
	wanted += j->making_fails || j->ending ? 0 : j->setup->stock;
	for (unsigned have = count_exec(j);
		have < wanted && (slot = slot_find(j, SLOT_FREE)) != NULL; have++)
		(void)slot_make(j, slot, JAIL_EXEC, NULL);
}

static void slot_made(struct jailer *j, struct slot *slot, const struct helper_done *done)
{
	struct waiting *w = slot->for_request;
	slot->for_request = NULL;
	if (slot->kind == JAIL_EXEC && done->failed && j->first != NULL &&
		j->first->request.kind == JAIL_EXEC)
		w = waiting_take(j, &j->first);
	if (slot->kind == JAIL_EXEC)
		j->making_fails = done->failed != 0;
	if (done->failed) {
		if (!done->taken)
			log_error("%s", done->text);
		if (w != NULL)
			failed_send(j, &w->request,
				&(struct failure){.full = done->full != 0,
					.taken = done->taken ? JAILER_TAKEN_BY_HOST
							     : JAILER_TAKEN_NOT,
					.why = done->text});
		slot_remove(j, slot);
	} else if (w != NULL && slot->killed) {
		failed_send(j, &w->request, &killed_early);
		slot_remove(j, slot);
	} else if (w != NULL) {
		slot_start(j, slot, w);
	} else {
		slot->state = SLOT_READY;
	}
	if (w != NULL)
		waiting_free(w);
}

static void slot_removed(struct jailer *j, struct slot *slot, const struct helper_done *done)
{
	slot->state = done->failed ? SLOT_REMOVING : SLOT_FREE;
	if (done->failed) {
		log_error("slot %u could not be removed and is set aside: %s", done->job.slot,
			done->text);
		return;
	}
	journal_free(j->setup->journal, done->job.slot);
	released_send(j, slot->address);
	slot->address = 0;
}

static int helper_read(struct jailer *j, struct helper *h)
{
	struct helper_done done;
	struct jail_parts parts;
	int got = helper_take(h, &done, &parts);
	if (got <= 0)
		return got;
	struct slot *slot = &j->slots[done.job.slot - j->setup->first_slot];
	if (done.job.type == HELPER_CREATE) {
		slot->parts = parts;
		slot_made(j, slot, &done);
	} else {
		slot_removed(j, slot, &done);
	}
	jobs_hand_out(j);
	slots_assign(j);
	return 0;
}

/* ---- ends ---- */

static void slot_ended(struct jailer *j, struct slot *slot, int status)
{
	const struct jail_end *end = &j->ends[slot - j->slots];
	bool reported = __atomic_load_n(&end->reported, __ATOMIC_ACQUIRE) != 0;
	struct jailer_event event = {
		.type = JAILER_EXITED, .kind = slot->kind, .id = slot->id, .pid = slot->pid};
	event.status = reported ? end->status : status;
	event.cpu_us = end->cpu_us;
	event.lived_ns = clock_mono_ns() - slot->started_ns;
	event.memory_peak = end->memory_peak;
	if (reported && end->start_error != 0) {
		event.type = JAILER_FAILED;
		event.full = end->start_error == ENOSPC;
		(void)snprintf(event.text, sizeof(event.text), "start a jail: %.23s: %s",
			end->start_step, strerror(end->start_error));
	} else if (WIFSIGNALED(event.status) || !jail_runs_call(slot->kind)) {
		/* Of a build it may be a child that was ended. */
		event.out_of_memory = jail_backend->out_of_memory(&slot->parts);
	}
	outbox_send(&j->out, &event, -1);
	if (slot->kind == JAIL_EXEC && event.type == JAILER_EXITED && ready_count(j) < READY_MAX &&
		jail_backend->recycle(j->setup->plan, &slot->parts))
		slot_again(j, slot);
	else
		slot_remove(j, slot);
}

static int children_reap(struct jailer *j)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (unsigned i = 0; i < HELPERS; i++) {
			if (j->helpers[i].pid == pid)
				return -1;
		}
		for (unsigned i = 0; i < j->setup->slots; i++) {
			if (j->slots[i].pid == pid) {
				slot_ended(j, &j->slots[i], status);
				break;
			}
		}
	}
	slots_assign(j);
	return 0;
}

/* ---- requests ---- */

static void request_kill(struct jailer *j, uint64_t id)
{
	for (struct waiting **at = &j->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->request.id == id) {
			struct waiting *w = waiting_take(j, at);
			refused_send(j, &w->request, &killed_early);
			waiting_free(w);
			return;
		}
	}
	for (unsigned i = 0; i < j->setup->slots; i++) {
		if (j->slots[i].id != id)
			continue;
		j->slots[i].killed = true;
		if (j->slots[i].state == SLOT_RUNNING)
			(void)kill(j->slots[i].pid, SIGKILL);
		return;
	}
}

/* The server chooses; what it may not have is refused here. */
static bool address_allowed(const struct jailer *j, uint32_t address)
{
	struct net_pool pool;
	const struct net_setup *net = j->setup->plan->net;
	if (net == NULL || !pools_find(net->pools, address, &pool))
		return false;
	for (unsigned i = 0; i < j->setup->journal->count; i++) {
		if (j->setup->journal->entries[i].address == address)
			return false;
	}
	return true;
}

/* 1: handled; 0: nothing there; -1: the server is gone or talks nonsense. */
static int request_read(struct jailer *j)
{
	struct waiting in = {.fds = {-1, -1, -1, -1}};
	unsigned count = JAILER_START_FDS;
	ssize_t n =
		fdpass_receive(j->setup->socket, &in.request, sizeof(in.request), in.fds, &count);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != (ssize_t)sizeof(in.request) || in.request.id == 0)
		return -1;
	if (in.request.type == JAILER_KILL && count == 0) {
		request_kill(j, in.request.id);
		return 1;
	}
	if (in.request.type != JAILER_START || in.request.kind >= JAIL_SEED ||
		count != JAILER_START_FDS ||
		(in.request.kind == JAIL_EXEC_NET) != (in.request.address != 0)) {
		close_all(in.fds, count);
		return -1;
	}
	if (in.request.kind == JAIL_EXEC_NET && !address_allowed(j, in.request.address)) {
		refused_send(j, &in.request, &address_in_use);
		close_all(in.fds, JAILER_START_FDS);
		return 1;
	}
	struct slot *ready =
		in.request.kind == JAIL_EXEC && j->first == NULL ? slot_find(j, SLOT_READY) : NULL;
	if (ready != NULL) {
		slot_start(j, ready, &in);
		close_all(in.fds, JAILER_START_FDS);
	} else {
		struct waiting *w = mem_alloc(sizeof(*w));
		*w = in;
		*j->last = w;
		j->last = &w->next;
	}
	slots_assign(j);
	return 1;
}

/* ---- life ---- */

static int watch(const struct jailer *j, int fd)
{
	struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(j->epoll, EPOLL_CTL_ADD, fd, &want);
}

/* Descriptors 0 to 9 are taken, so that those a program gets as 0 to 5 never lie in the way of each
 * other (stub.c). */
static void low_descriptors_take(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 9)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (cpu < 0)
		return 0;
	CPU_SET((unsigned)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int jailer_open(struct jailer *j, struct fault *f)
{
	const struct jailer_setup *s = j->setup;
	sigset_t child;
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	low_descriptors_take();
	for (unsigned i = 0; i < HELPERS; i++) {
		if (helper_start(&j->helpers[i], s->plan, f) < 0)
			return -1;
		(void)fcntl(j->helpers[i].socket, F_SETFL, O_NONBLOCK);
	}
	if (pin(s->cpu) < 0)
		log_warn("cannot pin to cpu %d: %s", s->cpu, strerror(errno));
	(void)fcntl(s->socket, F_SETFL, O_NONBLOCK);
	j->nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	j->tool = open(s->plan->tool, O_RDONLY | O_CLOEXEC);
	j->epoll = epoll_create1(EPOLL_CLOEXEC);
	j->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	j->ends = mmap(NULL, s->slots * sizeof(*j->ends), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	outbox_init(&j->out, j->epoll, s->socket);
	if (j->nothing < 0 || j->tool < 0 || j->epoll < 0 || j->signals < 0 ||
		j->ends == MAP_FAILED || watch(j, s->socket) < 0 || watch(j, j->signals) < 0 ||
		watch(j, j->helpers[0].socket) < 0 || watch(j, j->helpers[1].socket) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "start the jailer (%s)", s->plan->tool);
	j->slots = mem_zero(s->slots, sizeof(*j->slots));
	j->jobs = mem_zero(s->slots, sizeof(*j->jobs));
	for (unsigned i = 0; i < s->slots; i++)
		memset(j->slots[i].parts.fd, 0xff, sizeof(j->slots[i].parts.fd));
	return 0;
}

static int event_handle(struct jailer *j, const struct epoll_event *e)
{
	if (e->data.fd == j->setup->socket) {
		if ((e->events & EPOLLOUT) != 0)
			outbox_flush(&j->out);
		int got = (e->events & ~(unsigned)EPOLLOUT) != 0 ? request_read(j) : 0;
		while (got > 0)
			got = request_read(j);
		return got;
	}
	if (e->data.fd == j->signals) {
		struct signalfd_siginfo info[8];
		if (read(j->signals, info, sizeof(info)) < 0 && errno != EAGAIN)
			return -1;
		return children_reap(j);
	}
	for (unsigned i = 0; i < HELPERS; i++) {
		if (e->data.fd == j->helpers[i].socket)
			return helper_read(j, &j->helpers[i]);
	}
	return 0;
}

/* The server is gone: end every jail and see that it ended. Groups are removed by whoever cleans
 * after us. */
static void jails_end(struct jailer *j)
{
	for (unsigned i = 0; i < j->setup->slots; i++) {
		if (j->slots[i].state == SLOT_RUNNING)
			(void)kill(j->slots[i].pid, SIGKILL);
	}
	for (unsigned i = 0; i < HELPERS; i++)
		(void)kill(j->helpers[i].pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

int jailer_run(const struct jailer_setup *setup)
{
	struct jailer j = {.setup = setup};
	struct fault f = {0};
	j.last = &j.first;
	(void)prctl(PR_SET_NAME, setup->plan->instance);
	if (jailer_open(&j, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	journal_keep_from_children(setup->journal);
	/* Behind the helpers' fork: they must be able to open what their own children have under
	 * /proc. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	slots_assign(&j);
	for (;;) {
		struct epoll_event events[32];
		int n = epoll_wait(j.epoll, events, 32, -1);
		if (n < 0 && errno != EINTR)
			break;
		int bad = 0;
		for (int i = 0; i < n && bad == 0; i++)
			bad = event_handle(&j, &events[i]) < 0;
		if (bad != 0)
			break;
	}
	jails_end(&j);
	return 0;
}
