#pragma once

/*
 * freebsd: what the steps of FreeBSD's preparation share. Its base is a whole system, of one
 * release, which each step leaves in a state of a word of its own (storage/storage.h): done is
 * whatever comes not after the word of its last good state. So a run that was killed goes on where
 * it was, and one that fails is rolled back to the step before.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "node/prepare.h"

#include <stdbool.h>

enum base_state { BASE_NONE, BASE_EXTRACTED, BASE_UPDATED, BASE_CONFIGURED, BASE_READY };

enum { RELEASE_MAX = 40 };

/* release, or, where it is not configured, the host's without its patch level. FAULT_INPUT: none
 * that has packages, or newer than the host's kernel. */
int freebsd_release(const struct preparing *p, char release[RELEASE_MAX], struct fault *f);
/* The same of what uname(3) says; the host's is not looked at where it is no FreeBSD. */
int release_check(const char *system, const char *kernel, const char *release, struct fault *f);

/* Fills storage.system, the base's name, and says how far it is. */
int freebsd_base_state(const struct preparing *p, enum base_state *state, struct fault *f);
void freebsd_base_undo(const struct preparing *p);

/* packages.c: base.txz and lib32.txz. */
int packages_fetch(void *preparing, struct fault *f);
void packages_undo(const struct preparing *p);
/* Opens one of them that is what MANIFEST says it is; -2: MANIFEST has none. */
int package_open(const struct preparing *p, const char *name, struct fault *f);
/* The digest that a MANIFEST has for a name; false where it has none that is one. */
bool manifest_find(const char *manifest, const char *name, char digest[65]);

/* system.c: the base. */
int freebsd_dataset(void *preparing, struct fault *f);
int freebsd_extract(void *preparing, struct fault *f);
int freebsd_update(void *preparing, struct fault *f);
int freebsd_configure(void *preparing, struct fault *f);
int freebsd_snapshot(void *preparing, struct fault *f);

/* rcconf.c: whether this text of an rc.conf(5) switches jails on; *misspelt where it has the
 * original README's jails_enabled instead, which nothing reads. */
bool rcconf_enables_jails(const char *text, bool *misspelt);
void rcconf_warn(const struct preparing *p);
