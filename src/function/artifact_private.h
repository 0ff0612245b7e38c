#pragma once

/* artifact_private: what artifact.c (finding, using and dropping them), artifact_job.c (opening and
 * building them) and artifact_load.c (the start) share. */

#include "base/table.h"
#include "function/artifact.h"

#include <sys/stat.h>

/* Key: a digest of all that decides what is compiled. Failed builds are not kept. */
struct built {
	struct table_node node;
	char key[65];
	char *label; /* "package@version" */
	char *names; /* of its functions as the store has them, a JSON array; until it is opened */
	struct artifacts *artifacts;
	bool ready;   /* there is a file, as far as is known */
	bool checked; /* its digest was, since the start; seen: of what file */
	struct stat seen;
	struct artifact artifact; /* program.fd: -1 while nobody uses it */
	struct artifact_wait *waits;
	struct artifact_job *job;                /* opens or builds it */
	struct cache_item item;                  /* once it is ready */
	struct built *open_before, *open_behind; /* while its file is open */
};

struct artifact_wait {
	struct built *built;
	struct artifact_wait *next;
	bool rebuild; /* for a new build; else whatever is there will do */
	bool *told;
	artifact_done *done;
	void *ctx;
};

/* Programs of one content: the file goes with the last of them. */
struct content {
	struct table_node node;
	char digest[65];
	unsigned count;
	bool found;
};

struct artifacts {
	struct artifacts_setup setup;
	struct table built, contents;
	struct built *open;
	uv_timer_t closing, sweeping;
	char **strays; /* names in artifacts/ that nobody knows, to be removed */
	size_t strays_left;
	char *part_prefix; /* of files being built: none of an earlier run's */
	unsigned long parts;
};

/* artifact.c */
extern const struct cache_kind built_kind;
void artifact_key(
	const struct artifacts *artifacts, const struct artifact_want *want, char key[65]);
char *artifact_path(const struct artifacts *artifacts, const char *digest);
struct content *content_add(struct artifacts *artifacts, const char *digest);
/* It has no file any more: its jails that wait end, the file goes if it was the last to use it. */
void built_strip(struct built *built);
/* A built one without a job, waits or file. */
void built_free(struct built *built);
/* Its file is open, and was checked. */
void built_opened(
	struct built *built, const struct source *source, int fd, const struct stat *seen);
/* The names as keys of an object, for finding one among thousands. */
json_t *name_set(const json_t *names);
void built_store(const struct built *built, const char *names);
/* Tells all that wait, or only those who need no new build. */
void built_tell(struct built *built, bool all, struct artifact *artifact, const json_t *report,
	const struct fault *f);
bool built_wanted(const struct built *built);

/* artifact_job.c */
/* Opens it if it is ready, else builds it; tells those who wait. May be done before it returns. */
void job_start(struct built *built, const struct artifact_want *want);
void job_give_up(struct artifact_job *job);

/* artifact_load.c */
void artifacts_load(struct artifacts *artifacts);
