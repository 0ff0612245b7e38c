/*
 * sky-island bench URL CALL: the same call again and again against a server that runs, and how long
 * it takes, by the stages that the server tells in Server-Timing.
 */

#include "cli/bench.h"

#include "base/defer.h"
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CLIENTS_CLOSED = 10, CLIENTS_OPEN = 64, CLIENTS_MAX = 1000, SECONDS = 10 };

struct options {
	const char *config_path, *server, *token_file;
	struct bench_setup setup;
	struct bench_words words;
};

static int usage(const char *why, const char *what)
{
	if (why != NULL)
		(void)fprintf(stderr, "sky-island: bench: %s%s\n", what, why);
	(void)fprintf(stderr,
		"usage: sky-island [-c CONFIG] bench [OPTION...] URL CALL\n"
		"  --server http://HOST:PORT | unix:PATH   default: where the configuration says\n"
		"  --clients N                             connections, 1 to 1000; default 10, "
		"with "
		"--rate 64\n"
		"  --seconds S | --calls N                 default: 10 seconds\n"
		"  --rate R                                calls a second, come what may (open "
		"loop)\n"
		"  --think MS                              between a client's calls, at most "
		"60000\n"
		"  --token-file FILE                       its first line is the function_token\n"
		"  --json\n");
	return EXIT_USE;
}

static bool number_read(const char *text, double least, double most, bool whole, double *out)
{
	char *end = NULL;
	errno = 0;
	*out = strtod(text, &end);
	return errno == 0 && end != text && *end == '\0' && *out >= least && *out <= most &&
	       (!whole || *out == floor(*out));
}

/* 0: taken; -1: it is no such number. */
static int number_take(struct bench_setup *s, int option, const char *text)
{
	double value;
	bool ok;
	switch (option) {
	case 'n':
		ok = number_read(text, 1, CLIENTS_MAX, true, &value);
		s->clients = ok ? (unsigned)value : 0;
		break;
	case 't':
		ok = number_read(text, 0.001, 86400, false, &s->seconds);
		break;
	case 'k':
		ok = number_read(text, 1, 1e12, true, &value);
		s->calls = ok ? (uint64_t)value : 0;
		break;
	case 'r':
		ok = number_read(text, 0.001, 1e6, false, &s->rate);
		break;
	default:
		ok = number_read(text, 0, 60000, true, &value);
		s->think_ms = ok ? (unsigned)value : 0;
	}
	return ok ? 0 : -1;
}

static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
	{"server", required_argument, NULL, 's'}, {"clients", required_argument, NULL, 'n'},
	{"seconds", required_argument, NULL, 't'}, {"calls", required_argument, NULL, 'k'},
	{"rate", required_argument, NULL, 'r'}, {"think", required_argument, NULL, 'w'},
	{"token-file", required_argument, NULL, 'f'}, {"json", no_argument, NULL, 'j'}, {0}};

static int settle(struct options *o, int argc, char **argv)
{
	struct bench_setup *s = &o->setup;
	if (argc - optind != 2)
		return usage("URL and CALL are wanted behind the options", "");
	if (s->seconds > 0 && s->calls > 0)
		return usage("give --seconds or --calls, not both", "");
	if (s->rate > 0 && s->think_ms > 0)
		return usage(
			"--think is for a closed loop; with --rate calls come at fixed times", "");
	if (s->seconds <= 0 && s->calls == 0)
		s->seconds = SECONDS;
	if (s->clients == 0)
		s->clients = s->rate > 0 ? CLIENTS_OPEN : CLIENTS_CLOSED;
	o->words.url = argv[optind];
	o->words.call = argv[optind + 1];
	return 0;
}

static int options_read(const struct cli *cli, struct options *o)
{
	o->config_path = cli->config_path;
	optind = 1;
	for (int c, at; (c = getopt_long(cli->argc, cli->argv, "+c:", longs, &at)) != -1;) {
		if (c == 'c')
			o->config_path = optarg;
		else if (c == 's')
			o->server = optarg;
		else if (c == 'f')
			o->token_file = optarg;
		else if (c == 'j')
			o->words.json = true;
		else if (c == '?')
			return usage(NULL, "");
		else if (number_take(&o->setup, c, optarg) < 0)
			return usage(": no number, or not one that is allowed here", optarg);
	}
	return settle(o, cli->argc, cli->argv);
}

/* NULL: not UTF-8. */
static char *request_make(const struct bench_target *t, const struct bench_words *words)
{
	json_t *body = json_pack("{s:s, s:s}", "url", words->url, "call", words->call);
	if (body == NULL)
		return NULL;
	defer_free char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	defer_free char *token = t->token == NULL
					 ? mem_strdup("")
					 : mem_printf("Authorization: Bearer %s\r\n", t->token);
	return mem_printf("POST /api/v1/function HTTP/1.1\r\nHost: %s\r\n%sContent-Type: "
			  "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		t->host, token, strlen(text), text);
}

static int target_find(
	const struct options *o, struct bench_target *t, struct buf *faults, struct fault *f)
{
	const int found = o->server != NULL ? bench_target_parse(t, o->server, f)
					    : bench_target_of_config(t, o->config_path, faults, f);
	if (found < 0 || o->token_file == NULL)
		return found;
	return bench_target_token(t, o->token_file, f);
}

static int bench(struct options *o, const struct bench_target *t)
{
	struct fault f = {0};
	struct rlimit files;
	defer_free char *request = request_make(t, &o->words);
	if (request == NULL)
		return usage("URL and CALL must be UTF-8", "");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	o->setup.target = t;
	o->setup.request = request;
	o->setup.request_len = strlen(request);
	defer_free struct bench_result *result = mem_zero(1, sizeof(*result));
	if (bench_load(&o->setup, result, &f) < 0)
		return cli_fail(NULL, &f);
	bench_report(&o->setup, result, &o->words);
	return result->failed == 0 && result->made > 0 ? 0 : 1;
}

int cli_bench(const struct cli *cli)
{
	struct options o = {0};
	struct bench_target target = {0};
	struct buf faults = {0};
	struct fault f = {0};
	int status = options_read(cli, &o);
	if (status == 0)
		status = target_find(&o, &target, &faults, &f) < 0 ? cli_fail(&faults, &f)
								   : bench(&o, &target);
	bench_target_finish(&target);
	buf_finish(&faults);
	return status;
}
