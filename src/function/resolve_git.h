#pragma once

/*
 * resolve_git: the address of a plain git repository, told apart by its form alone:
 *
 *   https://host[:port]/u/r.git[/directory][#ref]   http://, git://, ssh://[user@] the same
 *   host/u/r.git[/directory][#ref]                   https is meant
 *   user@host:u/r.git[/directory][#ref]              as ssh takes it
 *
 * The repository ends with the first path element that ends in ".git". Who may be asked by which
 * scheme is another question (function/git.h).
 */

#include "base/fault.h"

#include <stdbool.h>

struct resolve;

struct resolve_git {
	char *url;       /* as git is given it, without directory and ref */
	char *scheme;    /* "https", "http", "git" or "ssh" */
	char *host;      /* lower case, without the port */
	unsigned port;   /* the scheme's own where none is written */
	char *user;      /* of ssh; NULL: none is written */
	char *path;      /* on the host, without ".git": "u/r" */
	char *directory; /* below the repository's root; "" is the root */
};

bool resolve_git_is(const char *url);
/* Fills r->git, package (the url without its ref), version and pinned. FAULT_INPUT with code
 * url_invalid, url_git, version_invalid or version_twice; r is finished by the caller then too. */
int resolve_git_parse(struct resolve *r, const char *url, const char *version, struct fault *f);
struct resolve_git *resolve_git_copy(const struct resolve_git *git);
void resolve_git_free(struct resolve_git *git); /* NULL is fine */
