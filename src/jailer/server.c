/*
 * Theory of operation. The jailer owns a range of slots (slots.h). Execution slots are kept in
 * stock ahead of demand, a prepared jail in each, since every call's is alike; build and fetch
 * slots, and those with an address, are made for their request. The loop waits for four things:
 * requests of the server, answers of helpers, ends of children, and room to write events. Nothing
 * in it blocks: what would is a helper's job.
 */

#include "jailer/server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/os.h"
#include "jailer/loop.h"
#include "jailer/outbox.h"
#include "jailer/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MAX = 16 };

struct jailer {
	const struct jailer_setup *setup;
	struct slots slots;
	struct waiting *first, **last; /* requests without a slot, in order */
	struct outbox out;
	struct loop loop;
	bool making_fails; /* the last execution slot could not be made, or no jail prepared in it: no
			      stock until one is */
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

/* Administrators find it by that, beside what the system's own tools list. */
static void numbered_send(struct jailer *j, const struct slot *slot)
{
	if (jail_runner->jid == NULL)
		return;
	struct jailer_event event = {.type = JAILER_NUMBERED,
		.kind = slot->kind,
		.id = slot->id,
		.jid = jail_runner->jid(&slot->parts)};
	outbox_send(&j->out, &event, -1);
}

static const struct outbox_failure no_files = {.why = JAILER_NO_FILES};
static const struct outbox_failure killed_early = {.why = "killed before it started"};
static const struct outbox_failure address_in_use = {
	.taken = JAILER_TAKEN_BY_JAIL, .why = "the address is in no pool, or a jail has it"};

/* ---- starting ---- */

/* A jail that is prepared begins with this request. */
static void jail_start(struct jailer *j, struct slot *slot, const struct waiting *w)
{
	const bool exec = jail_runs_call(slot->kind);
	const int fds[JAIL_FDS] = {
		[JAIL_STDIN] = exec ? -1 : w->fds[0],
		[JAIL_STDOUT] = exec ? w->fds[0] : w->fds[1],
		[JAIL_STDERR] = w->fds[1],
		[JAIL_CONTROL] = w->fds[2],
		[JAIL_BULK] = exec ? -1 : w->fds[3],
		[JAIL_PROGRAM] = exec ? w->fds[3] : j->setup->tool,
	};
	slot_start(slot, w->request.id, fds);
	numbered_send(j, slot);
	/* An execution jail's start is not told: its driver says READY itself. With an address it
	 * is: the jail has that now. */
	if (slot->kind != JAIL_EXEC) {
		struct jailer_event event = {.type = JAILER_STARTED,
			.kind = slot->kind,
			.id = slot->id,
			.pid = j->slots.pids[slot - j->slots.all]};
		outbox_send(&j->out, &event, jail_runner->listener(&slot->parts));
	}
}

/* In a slot that was made for its request. */
static void jail_make(struct jailer *j, struct slot *slot, const struct waiting *w)
{
	struct fault f = {0};
	if (slot_prepare(&j->slots, slot, &f) == 0) {
		jail_start(j, slot, w);
		return;
	}
	outbox_failed(&j->out, &w->request,
		&(struct outbox_failure){.full = f.kind == FAULT_FULL, .why = f.text});
	slot_remove(&j->slots, slot);
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

/* Gives waiting requests what there is, and has made what will be needed. */
static void slots_assign(struct jailer *j)
{
	unsigned wanted = 0;
	for (struct waiting **at = &j->first; *at != NULL;) {
		const bool stocked = (*at)->request.kind == JAIL_EXEC;
		bool in_use = false;
		struct slot *slot = stocked ? slot_take_ready(&j->slots)
					    : slot_make_for(&j->slots, &(*at)->request, &in_use);
		if (slot == NULL && !in_use) {
			wanted += stocked;
			at = &(*at)->next;
			continue;
		}
		struct waiting *w = waiting_take(j, at);
		if (slot != NULL && !stocked) {
			slot->for_request = w;
			continue;
		}
		if (slot != NULL)
			jail_start(j, slot, w);
		else
			outbox_refused(&j->out, &w->request, &address_in_use);
		waiting_free(w);
	}
	wanted += j->making_fails ? 0 : j->setup->stock;
	while (j->slots.ready_count + j->slots.making_exec < wanted &&
		slot_make_spare(&j->slots) != NULL)
		;
}

/* No execution slot can be made: nothing is kept in stock until one can, and who waits first is
 * told. */
static void stock_fails(struct jailer *j, bool full, const char *why)
{
	j->making_fails = true;
	for (struct waiting **at = &j->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->request.kind != JAIL_EXEC)
			continue;
		struct waiting *w = waiting_take(j, at);
		outbox_failed(
			&j->out, &w->request, &(struct outbox_failure){.full = full, .why = why});
		waiting_free(w);
		return;
	}
}

/* An execution slot as it was made: a jail is prepared in it. */
static void slot_stock(struct jailer *j, struct slot *slot)
{
	struct fault f = {0};
	if (slot_prepare(&j->slots, slot, &f) == 0) {
		slot_ready(&j->slots, slot);
		return;
	}
	log_error("%s", f.text);
	slot_remove(&j->slots, slot);
	stock_fails(j, f.kind == FAULT_FULL, f.text);
}

static void slot_made(struct jailer *j, struct slot *slot, const struct helper_done *done)
{
	struct waiting *w = slot->for_request;
	slot->for_request = NULL;
	if (done->failed && !done->taken)
		log_error("%s", done->text);
	if (done->failed)
		slot_remove(&j->slots, slot);
	if (slot->kind == JAIL_EXEC) {
		if (done->failed)
			stock_fails(j, done->full != 0, done->text);
		else
			slot_stock(j, slot);
		return;
	}
	if (done->failed) {
		const struct outbox_failure failure = {.full = done->full != 0,
			.taken = done->taken ? JAILER_TAKEN_BY_HOST : JAILER_TAKEN_NOT,
			.why = done->text};
		outbox_failed(&j->out, &w->request, &failure);
	} else if (slot->killed) {
		outbox_failed(&j->out, &w->request, &killed_early);
		slot_remove(&j->slots, slot);
	} else {
		jail_make(j, slot, w);
	}
	waiting_free(w);
}

static int helper_read(struct jailer *j, struct helper *h)
{
	struct helper_done done;
	struct slot *slot;
	const enum slots_help help = slots_helped(&j->slots, h, &slot, &done);
	if (help == SLOTS_LOST)
		return -1;
	if (help == SLOTS_MADE)
		slot_made(j, slot, &done);
	else if (help == SLOTS_REMOVED)
		outbox_released(&j->out, done.job.address);
	slots_assign(j);
	return 0;
}

/* ---- ends ---- */

static void start_fault(char *text, size_t size, const struct jail_end *end)
{
	if (end->start_error == 0) {
		(void)snprintf(text, size, "start a jail: it was killed before it had its program");
		return;
	}
	(void)snprintf(
		text, size, "start a jail: %.23s: %s", end->start_step, strerror(end->start_error));
}

/* Could not be prepared, or was killed by somebody: then others may still be. */
static void slot_lost(struct jailer *j, struct slot *slot)
{
	const struct jail_end *end = &j->slots.ends[slot - j->slots.all];
	const bool was_prepared = __atomic_load_n(&end->parted, __ATOMIC_ACQUIRE) != 0;
	char why[128] = "a prepared jail was killed";
	if (end->start_error != 0)
		start_fault(why, sizeof(why), end);
	slot_stopped(&j->slots, slot);
	slot_spoilt(&j->slots, slot);
	log_error("%s", why);
	slot_remove(&j->slots, slot);
	if (!was_prepared)
		stock_fails(j, end->start_error == ENOSPC, why);
}

static void slot_ended(struct jailer *j, struct slot *slot, pid_t pid, int status)
{
	const struct jail_end *end = &j->slots.ends[slot - j->slots.all];
	bool reported = __atomic_load_n(&end->reported, __ATOMIC_ACQUIRE) != 0;
	slot_stopped(&j->slots, slot);
	struct jailer_event event = {
		.type = JAILER_EXITED, .kind = slot->kind, .id = slot->id, .pid = pid};
	event.status = reported ? end->status : status;
	event.cpu_us = end->cpu_us;
	event.lived_ns = clock_mono_ns() - slot->started_ns;
	event.memory_peak = end->memory_peak;
	if (__atomic_load_n(&end->begun, __ATOMIC_ACQUIRE) == 0 || end->start_error != 0) {
		event.type = JAILER_FAILED;
		event.full = end->start_error == ENOSPC;
		start_fault(event.text, sizeof(event.text), end);
	} else if (WIFSIGNALED(event.status) || !jail_runs_call(slot->kind)) {
		/* Of a build it may be a child that was ended. */
		event.out_of_memory = end->starved || jail_runner->out_of_memory(&slot->parts);
	}
	outbox_send(&j->out, &event, -1);
	if (slot->kind == JAIL_EXEC && event.type == JAILER_EXITED &&
		j->slots.ready_count < READY_MAX && !slots_are_few(&j->slots) &&
		jail_runner->recycle(j->setup->plan, &slot->parts))
		slot_stock(j, slot);
	else
		slot_remove(&j->slots, slot);
}

static void children_reap(struct jailer *j)
{
	int status;
	for (pid_t pid; (pid = loop_reap(&status)) > 0;) {
		struct slot *slot = slot_by_pid(&j->slots, pid);
		if (slot != NULL && slot->state == SLOT_READY)
			slot_lost(j, slot);
		else if (slot != NULL)
			slot_ended(j, slot, pid, status);
	}
	slots_assign(j);
}

/* ---- requests ---- */

static void request_kill(struct jailer *j, uint64_t id)
{
	for (struct waiting **at = &j->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->request.id == id) {
			struct waiting *w = waiting_take(j, at);
			outbox_refused(&j->out, &w->request, &killed_early);
			waiting_free(w);
			return;
		}
	}
	struct slot *slot = slot_by_id(&j->slots, id);
	if (slot == NULL)
		return;
	slot->killed = true;
	slot_rest(slot, false); /* ending takes some cpu too */
	if (slot->state == SLOT_RUNNING)
		(void)kill(j->slots.pids[slot - j->slots.all], SIGKILL);
}

static void request_rest(struct jailer *j, const struct jailer_request *request)
{
	struct slot *slot = slot_by_id(&j->slots, request->id);
	if (slot != NULL && slot->state == SLOT_RUNNING && slot->kind == JAIL_EXEC && !slot->killed)
		slot_rest(slot, request->type == JAILER_REST);
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

static bool start_is_sound(const struct jailer_request *r)
{
	return r->id != 0 && r->type == JAILER_START && r->kind < JAIL_KINDS &&
	       r->kind != JAIL_SEED && (r->kind == JAIL_EXEC_NET) == (r->address != 0);
}

/* Takes the descriptors over. */
static void request_start(struct jailer *j, struct waiting *in)
{
	const bool stocked = in->request.kind == JAIL_EXEC;
	if (in->request.kind == JAIL_EXEC_NET && !address_allowed(j, in->request.address)) {
		outbox_refused(&j->out, &in->request, &address_in_use);
		close_all(in->fds, JAILER_START_FDS);
		return;
	}
	struct slot *ready = stocked && j->first == NULL ? slot_take_ready(&j->slots) : NULL;
	if (ready != NULL) {
		jail_start(j, ready, in);
		close_all(in->fds, JAILER_START_FDS);
	} else {
		struct waiting *w = mem_alloc(sizeof(*w));
		*w = *in;
		*j->last = w;
		j->last = &w->next;
	}
	slots_assign(j);
}

/* 1: handled; 0: nothing there; -1: the server is gone or talks nonsense. */
static int request_read(struct jailer *j)
{
	struct waiting in = {.fds = {-1, -1, -1, -1}};
	const struct jailer_request *r = &in.request;
	unsigned count = JAILER_START_FDS;
	ssize_t n =
		fdpass_receive(j->setup->socket, &in.request, sizeof(in.request), in.fds, &count);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno == EMFILE && start_is_sound(r)) {
		outbox_refused(&j->out, r, &no_files);
		return 1;
	}
	if (n != (ssize_t)sizeof(in.request) || r->id == 0)
		return -1;
	if (r->type == JAILER_KILL && count == 0) {
		request_kill(j, r->id);
	} else if ((r->type == JAILER_REST || r->type == JAILER_WAKE) && count == 0) {
		request_rest(j, r);
	} else if (start_is_sound(r) && count == JAILER_START_FDS) {
		request_start(j, &in);
	} else {
		close_all(in.fds, count);
		return -1;
	}
	return 1;
}

/* ---- life ---- */

static int jailer_open(struct jailer *j, struct fault *f)
{
	const struct jailer_setup *s = j->setup;
	if (slots_open(&j->slots, s, f) < 0)
		return -1;
	if (s->cpu >= 0 && os_pin((unsigned)s->cpu) < 0)
		log_warn("cannot pin to cpu %d: %s", s->cpu, strerror(errno));
	(void)fcntl(s->socket, F_SETFL, O_NONBLOCK);
	j->slots.loop = &j->loop;
	if (loop_open(&j->loop) < 0 || loop_watch(&j->loop, s->socket) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "start the jailer");
	for (unsigned i = 0; i < JAILER_HELPERS; i++) {
		if (loop_watch(&j->loop, s->helpers[i]) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "start the jailer");
	}
	outbox_init(&j->out, &j->loop, s->socket);
	return 0;
}

static int event_handle(struct jailer *j, const struct loop_event *e)
{
	if (e->fd == j->setup->socket) {
		if ((e->what & LOOP_WRITE) != 0)
			outbox_flush(&j->out);
		int got = (e->what & LOOP_READ) != 0 ? request_read(j) : 0;
		while (got > 0)
			got = request_read(j);
		return got;
	}
	if (e->what == LOOP_CHILDREN) {
		children_reap(j);
		return 0;
	}
	for (unsigned i = 0; i < JAILER_HELPERS; i++) {
		if (e->fd == j->setup->helpers[i])
			return helper_read(j, &j->slots.helpers[i]);
	}
	return 0;
}

/* The server is gone: end every jail and see that it ended. Groups are removed by whoever cleans
 * after us. */
static void jails_end(struct jailer *j)
{
	for (unsigned i = 0; i < j->setup->slots; i++) {
		if (j->slots.pids[i] != 0)
			(void)kill(j->slots.pids[i], SIGKILL);
	}
	for (unsigned i = 0; i < j->setup->slots; i++) {
		while (j->slots.pids[i] != 0 && waitpid(j->slots.pids[i], NULL, 0) < 0 &&
			errno == EINTR)
			;
	}
}

int jailer_run(const struct jailer_setup *setup)
{
	struct jailer j = {.setup = setup};
	struct fault f = {0};
	j.last = &j.first;
	if (jailer_open(&j, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	journal_keep_from_children(setup->journal);
	os_no_tracing();
	slots_assign(&j);
	for (;;) {
		struct loop_event events[32];
		int n = loop_wait(&j.loop, events, 32);
		if (n < 0 && errno != EINTR)
			break;
		int bad = 0;
		for (int i = 0; i < n && bad == 0; i++)
			bad = event_handle(&j, &events[i]) < 0;
		if (bad != 0)
			break;
		if (slots_parted(&j.slots))
			j.making_fails = false;
	}
	jails_end(&j);
	return 0;
}
