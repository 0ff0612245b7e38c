#pragma once

/*
 * client: the server's side of the jailers. Starts are spread over the jailers in turn; every jail
 * is a handle with one callback. Asynchronous: nothing here waits. One thread, the loop's.
 */

#include "base/fault.h"
#include "jailer/message.h"

#include <stdbool.h>
#include <uv.h>

struct jailer_client;

/* What its owner knows of a jail, for people. The texts are the owner's. */
struct jailer_view {
	const char *state;  /* "starting", "waiting", "running", "ending", "building", "fetching" */
	const char *module; /* "path@version"; NULL: not known */
	const char *ip4;    /* NULL: it has no address */
};

struct jailer_handle {
	/* What became of it; after JAILER_EXITED or JAILER_FAILED the id is no longer valid. `fd`:
	 * with JAILER_STARTED of a fetch jail its listener, the callee's; else -1. */
	void (*event)(struct jailer_handle *h, const struct jailer_event *event, int fd);
	void (*show)(const struct jailer_handle *h, struct jailer_view *view);
	/* Ends it on an administrator's word; whoever waits for it is told so. Its event comes all
	 * the same, later. */
	void (*kill)(struct jailer_handle *h);
	uint64_t id;   /* 0 while it has none */
	bool starting; /* between its start and jailer_client_ready, or its end */
	/* Set at its start, for people: */
	uint64_t number;     /* 1, 2, 3 … in the order of starts; never used twice by a server */
	uint64_t started_ns; /* since 1970 */
	enum jail_kind kind;
	/* Its number; or the kernel's, where that numbers jails, and 0 until there is one. */
	uint64_t jid;
};

enum { JAILER_NAME_MAX = 32 };

/* `numbered`: the kernel numbers jails, which jailers tell (jail_runner->jid). */
struct jailer_client *jailer_client_create(uv_loop_t *loop, bool numbered);
/* Adds a jailer's socket (owned from here on), at start or when one was replaced. */
int jailer_client_attach(struct jailer_client *c, int socket, struct fault *f);
/* Starts a jail, with the jailer that has the fewest under way; the descriptors stay the caller's.
 * 0: h->event will come. -1: FAULT_BUSY where no jailer is there or its queue is full. */
int jailer_client_start(struct jailer_client *c, struct jailer_handle *h, enum jail_kind kind,
	uint64_t source, const int fds[JAILER_START_FDS], struct fault *f);
unsigned jailer_client_jailers(const struct jailer_client *c); /* attached now */
/* The same for a jail that runs a call with an address of its own (host byte order); `probe`: ask
 * the network first whether another host has it. */
int jailer_client_start_net(struct jailer_client *c, struct jailer_handle *h, uint32_t address,
	bool probe, const int fds[JAILER_START_FDS], struct fault *f);
/* Who is told when nothing is left of a jail that was started with an address: after its event, or
 * once a lost jailer's slots were cleared. Once for each start that succeeded. Called once all
 * jailers are attached: as many are there again when none is lost. */
void jailer_client_on_released(
	struct jailer_client *c, void (*released)(void *ctx, uint32_t address), void *ctx);
/* Whether a jail's jailer is there: else its end is about to be told. */
bool jailer_client_serves(struct jailer_client *c, const struct jailer_handle *h);
/* Ends a jail; its event comes all the same. */
void jailer_client_kill(struct jailer_client *c, const struct jailer_handle *h);
/* A jail whose program has waited for long gets the cpu only while no other jail wants it, until its
 * call comes. */
void jailer_client_rest(struct jailer_client *c, const struct jailer_handle *h, bool rests);
/* An execution jail's program is READY, which no event tells: its jailer's cpu is free for another
 * start, and the metrics count it. */
void jailer_client_ready(struct jailer_client *c, struct jailer_handle *h);
unsigned jailer_client_count(const struct jailer_client *c); /* handles with an id */
/* All handles with an id, in no order, at most `max` of them; how many there were. They are valid
 * until their event. */
size_t jailer_client_list(
	const struct jailer_client *c, struct jailer_handle **handles, size_t max);
/* The jail with that jid, or NULL; none has 0. */
struct jailer_handle *jailer_client_find(const struct jailer_client *c, uint64_t jid);
/* What the server calls it, by its number: "exec-17". */
void jailer_handle_name(const struct jailer_handle *h, char name[JAILER_NAME_MAX]);
void jailer_client_destroy(struct jailer_client *c);
