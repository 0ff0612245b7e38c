#pragma once

/* cli: the subcommands. Each gets its own arguments, argv[0] being its name, and returns the
 * process's exit status. */

#include "base/fault.h"

enum { EXIT_USE = 64, EXIT_UNAVAILABLE = 69, EXIT_CONFIGURATION = 78 }; /* sysexits(3) */

struct cli {
	const char *config_path; /* -c, or NULL */
	int argc;
	char **argv;
};

int cli_serve(const struct cli *cli);   /* no subcommand: run in the foreground */
int cli_init(const struct cli *cli);    /* -i */
int cli_run(const struct cli *cli);     /* run URL CALL */
int cli_bench(const struct cli *cli);   /* bench URL CALL */
int cli_doctor(const struct cli *cli);  /* doctor */
int cli_destroy(const struct cli *cli); /* destroy [--yes] */

/* Says on stderr what is wrong and returns the exit status that fits: configuration faults line by
 * line. */
struct buf;
int cli_fail(const struct buf *faults, const struct fault *f);
