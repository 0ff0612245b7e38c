#pragma once

/*
 * slots: the jailer's slots and what becomes of them. A slot is free, being made or removed by a
 * helper, ready (execution slots only: with a jail in it that is prepared), or runs one jail.
 * Nothing on the way of a call searches for a slot: it is found by a stack or by number.
 */

#include "jailer/helper.h"
#include "jailer/loop.h"
#include "jailer/message.h"
#include "jailer/server.h"

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
	bool rests;
	uint64_t id;
	uint64_t started_ns;
	struct jail_parts parts;
	uint32_t address;            /* 0: none */
	struct waiting *for_request; /* of a slot made for it */
	struct jail_door
		door;      /* of its jail, -1 once closed: outside with the start, inside when it
				  has parted */
	struct slot *next; /* free or ready ones */
	struct slot *next_parting;
};

struct slots {
	const struct jailer_setup *setup;
	const struct loop *loop; /* the jailer's, which sees jails end */
	struct slot *all;
	pid_t *pids;           /* of each slot's jail; 0: none */
	struct jail_end *ends; /* one for each, shared with the stubs */
	struct slot *free, *ready;
	unsigned free_count;
	struct slot *parting; /* those whose jails have not parted, when last looked at */
	unsigned ready_count, making_exec;
	struct helper helpers[JAILER_HELPERS];
	struct helper_job *jobs; /* a ring of at most one job a slot */
	unsigned jobs_at, jobs_count;
};

int slots_open(struct slots *s, const struct jailer_setup *setup, struct fault *f);

/* Whether the last free ones are left: those are for builds, fetches and addresses, which are never
 * in stock. Execution jails, of which many may wait, would hold them all. */
bool slots_are_few(const struct slots *s);
/* Have a free slot made: it is ready (or its request's) once slots_helped gives it back. NULL: none
 * is free (for a spare, or few are); or, *in_use, a slot of this or another jailer has the request's address. */
struct slot *slot_make_spare(struct slots *s);
struct slot *slot_make_for(struct slots *s, const struct jailer_request *request, bool *in_use);
void slot_remove(struct slots *s, struct slot *slot);
/* It was made, or its jail has ended: prepares a jail in it. -1: the slot should be removed. */
int slot_prepare(struct slots *s, struct slot *slot, struct fault *f);
/* Puts it where slot_take_ready finds it. */
void slot_ready(struct slots *s, struct slot *slot);
struct slot *slot_take_ready(struct slots *s); /* NULL: none */
/* Its jail ended before it was wanted: takes it away from where slot_take_ready finds it. */
void slot_spoilt(struct slots *s, struct slot *slot);
/* Gives its prepared jail what to run. */
void slot_start(struct slot *slot, uint64_t id, const int fds[JAIL_FDS]);
/* Its jail gets the cpu only while no other wants it, or again as all others. */
void slot_rest(struct slot *slot, bool rests);
/* Its jail has ended: closes its door. */
void slot_stopped(struct slots *s, struct slot *slot);
/* Closes the inner doors of jails that have parted since; whether there were any. */
bool slots_parted(struct slots *s);
struct slot *slot_by_pid(const struct slots *s, pid_t pid);
struct slot *slot_by_id(const struct slots *s, uint64_t id);

enum slots_help {
	SLOTS_NOTHING, /* for the caller to do */
	SLOTS_MADE,    /* *slot was made, or could not be (done->failed) */
	SLOTS_REMOVED, /* nothing is left of a slot; of its address neither */
	SLOTS_LOST,    /* the helper is gone */
};
/* Takes a helper's answer. */
enum slots_help slots_helped(
	struct slots *s, struct helper *h, struct slot **slot, struct helper_done *done);
