/*
 * Sky Island turns any Go package into an API. The map of the tree, in the order a call passes
 * through it:
 *
 *   main.c        this: the command line
 *   cli/          the subcommands
 *   node/         one running Sky Island: preparation (linux/, freebsd/), the supervisor and the
 *                 processes it forks
 *   http/         the HTTP server: connections, parsing, limits
 *   api/          api: routes and tokens; function: POST /api/v1/function; problem: how errors
 *                 look; the admin API
 *   function/     a call's way: call (its text), resolve (its package), source (fetched), artifact
 *                 (built), invoke (all together: begin there); git: plain repositories; tool runs
 *                 driver/cmd/tool in a jail; unpack, treesum: what that brought; cache: what of it
 *                 all is kept
 *   pool/         jails waiting and running, how each call ended, the frames spoken with a driver
 *   jailer/       message, client (the server's side); main, server, slots, outbox: a program of its
 *                 own, which image puts into this one and handover starts; helper: its slow steps
 *   jail/         what a jail is; door: how its program comes in; linux/ and freebsd/ make them
 *   storage/      where jails' roots live: directories, or ZFS clones; dataset: which names may be
 *                 changed
 *   net/          egress: the only way out of a fetch jail; lease, pools, linux/, freebsd/: jails with
 *                 addresses
 *   state/        the journal of what is in the kernel, the store of what is known over a restart
 *   metrics/      facts counted, for StatsD and Prometheus; base only
 *   config/       the configuration
 *   base/         fault buf fs proc log defer clock fdpass table tree tarball remove memory, os and
 *                 resident (linux/, freebsd/): knows nothing of the product
 *   ../driver/    in Go: the driver linked into every artifact, and the tool that fetches and builds
 */

#include "cli/cli.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
	const char *name;
	int (*run)(const struct cli *cli);
} commands[] = {
	{"run", cli_run}, {"bench", cli_bench}, {"doctor", cli_doctor}, {"destroy", cli_destroy}};

static void usage(FILE *to)
{
	(void)fprintf(to,
		"usage: sky-island [-c CONFIG]            serve calls, in the foreground\n"
		"       sky-island [-c CONFIG] -i         prepare all that jails need, then end\n"
		"       sky-island [-c CONFIG] run URL CALL\n"
		"                                         one call: run strings 'ToUpper(\"a\")'\n"
		"       sky-island [-c CONFIG] bench [OPTION...] URL CALL\n"
		"                                         the call again and again against a "
		"running "
		"server: rates and times\n"
		"       sky-island [-c CONFIG] doctor     what this host offers, what is missing, "
		"what was left behind\n"
		"       sky-island [-c CONFIG] destroy [--yes]\n"
		"                                         remove all that was prepared, and what "
		"was left behind\n"
		"       sky-island -h | --version\n");
}

static int command_run(const struct cli *cli)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, cli->argv[0]) == 0)
			return commands[i].run(cli);
	}
	(void)fprintf(stderr, "sky-island: there is no command \"%s\"\n", cli->argv[0]);
	usage(stderr);
	return EXIT_USE;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
		{"init", no_argument, NULL, 'i'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'}, {0}};
	struct cli cli = {0};
	int init = 0;
	(void)umask(022); /* what jails see is open to them, and secrets have their own modes */
	for (int c; (c = getopt_long(argc, argv, "+c:ih", longs, NULL)) != -1;) {
		switch (c) {
		case 'c':
			cli.config_path = optarg;
			break;
		case 'i':
			init = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			(void)printf("sky-island %s\n", SKY_VERSION);
			return 0;
		default:
			usage(stderr);
			return EXIT_USE;
		}
	}
	cli.argc = argc - optind;
	cli.argv = argv + optind;
	if (init)
		return cli.argc == 0 ? cli_init(&cli) : (usage(stderr), EXIT_USE);
	return cli.argc == 0 ? cli_serve(&cli) : command_run(&cli);
}
