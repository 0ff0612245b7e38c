#include "jailer/slots.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RESERVED = 2, RESERVED_OF = 16 };

int slots_open(struct slots *s, const struct jailer_setup *setup, struct fault *f)
{
	*s = (struct slots){.setup = setup};
	s->ends = mmap(NULL, setup->slots * sizeof(*s->ends), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->ends == MAP_FAILED)
		return fault_set(f, FAULT_PLATFORM, errno, "mmap");
	s->all = mem_zero(setup->slots, sizeof(*s->all));
	s->pids = mem_zero(setup->slots, sizeof(*s->pids));
	s->jobs = mem_zero(setup->slots, sizeof(*s->jobs));
	for (unsigned i = setup->slots; i-- > 0;) {
		memset(s->all[i].parts.fd, 0xff, sizeof(s->all[i].parts.fd));
		s->all[i].door = (struct jail_door){-1, -1};
		s->all[i].next = s->free;
		s->free = &s->all[i];
	}
	s->free_count = setup->slots;
	for (unsigned i = 0; i < JAILER_HELPERS; i++) {
		s->helpers[i].socket = setup->helpers[i];
		(void)fcntl(setup->helpers[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

/* Among those of all jailers. */
static unsigned slot_number(const struct slots *s, const struct slot *slot)
{
	return s->setup->first_slot + (unsigned)(slot - s->all);
}

/* ---- helpers ---- */

static void jobs_hand_out(struct slots *s)
{
	for (unsigned i = 0; i < JAILER_HELPERS && s->jobs_count > 0; i++) {
		if (s->helpers[i].busy || helper_give(&s->helpers[i], &s->jobs[s->jobs_at]) < 0)
			continue;
		s->jobs_at = (s->jobs_at + 1) % s->setup->slots;
		s->jobs_count--;
	}
}

/* Of the request only what the slot does not know. */
static void job_add(struct slots *s, const struct slot *slot, enum helper_job_type type,
	const struct jailer_request *request)
{
	unsigned at = (s->jobs_at + s->jobs_count++) % s->setup->slots;
	s->jobs[at] = (struct helper_job){.type = type,
		.kind = slot->kind,
		.slot = slot_number(s, slot),
		.address = slot->address};
	if (request != NULL) {
		s->jobs[at].source = request->source;
		s->jobs[at].probe = request->probe;
	}
	jobs_hand_out(s);
}

/* ---- states ---- */

static void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void slot_parted(struct slot **at)
{
	struct slot *slot = *at;
	*at = slot->next_parting;
	fd_close(&slot->door.inside);
}

bool slots_parted(struct slots *s)
{
	bool any = false;
	for (struct slot **at = &s->parting; *at != NULL;) {
		if (__atomic_load_n(&s->ends[*at - s->all].parted, __ATOMIC_ACQUIRE) != 0) {
			slot_parted(at);
			any = true;
		} else {
			at = &(*at)->next_parting;
		}
	}
	return any;
}

void slot_rest(struct slot *slot, bool rests)
{
	if (slot->rests != rests)
		jail_runner->rest(&slot->parts, rests);
	slot->rests = rests;
}

void slot_stopped(struct slots *s, struct slot *slot)
{
	struct slot **at = &s->parting;
	while (*at != NULL && *at != slot)
		at = &(*at)->next_parting;
	if (*at != NULL)
		slot_parted(at);
	fd_close(&slot->door.outside);
	slot_rest(slot, false);
}

static void slot_forget(struct slots *s, struct slot *slot)
{
	slot->id = 0;
	slot->killed = false;
	s->pids[slot - s->all] = 0;
}

static void slot_make(struct slots *s, enum jail_kind kind, const struct jailer_request *request)
{
	struct slot *slot = s->free;
	s->free = slot->next;
	s->free_count--;
	slot_forget(s, slot);
	slot->state = SLOT_MAKING;
	slot->kind = kind;
	slot->address = request != NULL ? request->address : 0;
	slot->id = request != NULL ? request->id : 0;
	s->making_exec += kind == JAIL_EXEC;
	job_add(s, slot, HELPER_CREATE, request);
}

bool slots_are_few(const struct slots *s)
{
	return s->setup->slots > RESERVED_OF && s->free_count <= RESERVED;
}

struct slot *slot_make_spare(struct slots *s)
{
	struct slot *slot = s->free;
	if (slot == NULL || slots_are_few(s))
		return NULL;
	journal_made(s->setup->journal, slot_number(s, slot));
	slot_make(s, JAIL_EXEC, NULL);
	return slot;
}

struct slot *slot_make_for(struct slots *s, const struct jailer_request *request, bool *in_use)
{
	struct slot *slot = s->free;
	*in_use = false;
	if (slot == NULL)
		return NULL;
	const unsigned number = slot_number(s, slot);
	journal_made(s->setup->journal, number);
	if (request->address != 0 && !journal_claim(s->setup->journal, number, request->address)) {
		journal_free(s->setup->journal, number);
		*in_use = true;
		return NULL;
	}
	slot_make(s, (enum jail_kind)request->kind, request);
	return slot;
}

void slot_remove(struct slots *s, struct slot *slot)
{
	for (unsigned i = 0; i < JAIL_PARTS; i++)
		fd_close(&slot->parts.fd[i]);
	slot_forget(s, slot);
	slot->state = SLOT_REMOVING;
	job_add(s, slot, HELPER_DESTROY, NULL);
}

/* Linux before 6.2 forgets it where control groups of cpus are switched on or off around us, which
 * systemd does when a unit comes that may have its own. */
static void pin_again(const struct jailer_setup *setup)
{
	if (setup->cpu >= 0)
		(void)os_pin((unsigned)setup->cpu);
}

int slot_prepare(struct slots *s, struct slot *slot, struct fault *f)
{
	const unsigned number = slot_number(s, slot);
	pin_again(s->setup);
	if (slot->kind == JAIL_EXEC) /* of an earlier jail nothing is left */
		journal_made(s->setup->journal, number);
	pid_t pid = jail_runner->prepare(s->setup->plan, number, slot->kind, &slot->parts,
		&s->ends[slot - s->all], &slot->door, f);
	if (pid < 0)
		return -1;
	loop_child(s->loop, pid);
	slot->next_parting = s->parting;
	s->parting = slot;
	journal_started(s->setup->journal, number, pid);
	s->pids[slot - s->all] = pid;
	return 0;
}

void slot_ready(struct slots *s, struct slot *slot)
{
	slot->id = 0;
	slot->killed = false;
	slot->state = SLOT_READY;
	slot->next = s->ready;
	s->ready = slot;
	s->ready_count++;
}

struct slot *slot_take_ready(struct slots *s)
{
	struct slot *slot = s->ready;
	if (slot == NULL)
		return NULL;
	s->ready = slot->next;
	s->ready_count--;
	return slot;
}

void slot_spoilt(struct slots *s, struct slot *slot)
{
	struct slot **at = &s->ready;
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	s->ready_count--;
}

void slot_start(struct slot *slot, uint64_t id, const int fds[JAIL_FDS])
{
	slot->state = SLOT_RUNNING;
	slot->started_ns = clock_mono_ns();
	slot->id = id;
	/* Where it has ended its end says why, which is still to come. */
	(void)jail_runner->start(&slot->door, fds);
	fd_close(&slot->door.outside);
}

struct slot *slot_by_pid(const struct slots *s, pid_t pid)
{
	for (unsigned i = 0; i < s->setup->slots; i++) {
		if (s->pids[i] == pid)
			return &s->all[i];
	}
	return NULL;
}

struct slot *slot_by_id(const struct slots *s, uint64_t id)
{
	for (unsigned i = 0; i < s->setup->slots; i++) {
		if (s->all[i].id == id)
			return &s->all[i];
	}
	return NULL;
}

static enum slots_help slot_removed(
	struct slots *s, struct slot *slot, const struct helper_done *done)
{
	if (done->failed) {
		log_error("slot %u could not be removed and is set aside: %s", done->job.slot,
			done->text);
		return SLOTS_NOTHING;
	}
	journal_free(s->setup->journal, done->job.slot);
	slot->state = SLOT_FREE;
	slot->address = 0;
	slot->next = s->free;
	s->free = slot;
	s->free_count++;
	return SLOTS_REMOVED;
}

static void parts_raise(struct jail_parts *parts)
{
	for (unsigned i = 0; i < JAIL_PARTS; i++) {
		int high =
			parts->fd[i] >= 0 ? fcntl(parts->fd[i], F_DUPFD_CLOEXEC, JAIL_FDS_LOW) : -1;
		if (high < 0)
			continue; /* too few are allowed: slower, but good */
		(void)close(parts->fd[i]);
		parts->fd[i] = high;
	}
}

enum slots_help slots_helped(
	struct slots *s, struct helper *h, struct slot **slot, struct helper_done *done)
{
	struct jail_parts parts;
	int got = helper_take(h, done, &parts);
	if (got <= 0)
		return got < 0 ? SLOTS_LOST : SLOTS_NOTHING;
	*slot = &s->all[done->job.slot - s->setup->first_slot];
	jobs_hand_out(s);
	if (done->job.type == HELPER_DESTROY)
		return slot_removed(s, *slot, done);
	parts_raise(&parts);
	(*slot)->parts = parts;
	s->making_exec -= (*slot)->kind == JAIL_EXEC;
	return SLOTS_MADE;
}
