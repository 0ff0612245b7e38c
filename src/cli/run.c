/*
 * sky-island run URL CALL: one call from the command line. A server that holds the state directory
 * is asked over its local socket; where none runs, one is started for this call, without any other
 * listener.
 */

#include "cli/cli.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/os.h"
#include "node/node.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t body_take(char *data, size_t size, size_t count, void *ctx)
{
	buf_append(ctx, data, size * count);
	return size * count;
}

/* POSTs to the socket run/api.sock, named relative to its directory (sun_path is short). -1: no
 * answer. */
static long post(const char *state, const char *request, struct buf *answer, struct fault *f)
{
	long status = -1;
	defer_free char *run = mem_printf("%s/run", state);
	if (chdir(run) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "%s", run);
	CURL *curl = curl_easy_init();
	if (curl == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "libcurl does not start");
	(void)curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/api/v1/function");
	(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, "api.sock");
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	else
		(void)fault_set(f, FAULT_PLATFORM, 0, "the server does not answer: %s",
			curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	return status;
}

/* A text member of the answer; where it was not UTF-8, its true bytes are beside it. */
static void text_print(FILE *to, const json_t *body, const char *name)
{
	const json_t *text = json_object_get(body, name);
	defer_free char *beside = mem_printf("%s_base64", name);
	const json_t *encoded = json_object_get(body, beside);
	if (json_is_string(encoded)) {
		size_t size = json_string_length(encoded);
		size_t len = 0;
		defer_free unsigned char *bytes = mem_alloc(size);
		if (sodium_base642bin(bytes, size, json_string_value(encoded), size, NULL, &len,
			    NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
			(void)fwrite(bytes, 1, len, to);
	} else if (json_is_string(text)) {
		(void)fwrite(json_string_value(text), 1, json_string_length(text), to);
	}
}

/* ": ToUpper, ToLower", the strings of a list in the answer; the caller's to free. */
static char *names_join(const json_t *body, const char *member)
{
	struct buf text = {0};
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(body, member), i, name)
	{
		if (json_is_string(name))
			buf_printf(&text, "%s %s", i == 0 ? ":" : ",", json_string_value(name));
	}
	return text.data != NULL ? text.data : mem_strdup("");
}

/* What the function wrote goes where a program would have written it. */
static int answer_print(long status, const struct buf *answer)
{
	json_t *body = json_loadb(answer->data, answer->len, JSON_ALLOW_NUL, NULL);
	if (status == 200) {
		text_print(stdout, body, "data");
		text_print(stderr, body, "stderr");
		if (isatty(STDOUT_FILENO))
			(void)putchar('\n');
	} else {
		text_print(stdout, body, "stdout");
		text_print(stderr, body, "stderr");
		const char *detail = json_string_value(json_object_get(body, "detail"));
		const char *code = json_string_value(json_object_get(body, "code"));
		(void)fprintf(stderr, "sky-island: %s (%s, %ld)\n",
			detail != NULL ? detail : "no answer", code != NULL ? code : "?", status);
		defer_free char *nearest = names_join(body, "nearest");
		defer_free char *candidates = names_join(body, "candidates");
		if (nearest[0] != '\0')
			(void)fprintf(stderr, "nearest%s\n", nearest);
		if (candidates[0] != '\0')
			(void)fprintf(stderr, "candidates%s\n", candidates);
	}
	json_decref(body);
	return status == 200 ? 0 : 1;
}

/* Starts a server of our own in a child; returns its pid once it serves. */
static pid_t own_start(struct node *n, struct fault *f)
{
	int ready[2];
	char word;
	if (pipe(ready) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ready[0]);
		os_end_with_parent(SIGTERM); /* who is interrupted leaves no server behind */
		_exit(supervisor_run(n, ready[1]));
	}
	(void)close(ready[1]);
	if (pid < 0 || read(ready[0], &word, 1) != 1) {
		(void)close(ready[0]);
		return fault_set(f, FAULT_PLATFORM, 0,
			"no server could be started; the lines above say why");
	}
	(void)close(ready[0]);
	return pid;
}

static int run_with_own(struct node *n, const char *request)
{
	struct fault f = {0};
	struct buf answer = {0};
	free(n->config.listen);
	n->config.listen = mem_strdup("none");
	if (strcmp(n->config.log_level, "info") == 0)
		log_set_level(LOG_WARN);
	if (node_prepare(n, isatty(STDERR_FILENO) ? NODE_SERVE : NODE_QUIETLY, &f) < 0 ||
		node_plan(n, &f) < 0)
		return cli_fail(NULL, &f);
	pid_t server = own_start(n, &f);
	if (server < 0)
		return cli_fail(NULL, &f);
	long status = post(n->state, request, &answer, &f);
	(void)kill(server, SIGTERM);
	while (waitpid(server, NULL, 0) < 0 && errno == EINTR)
		;
	int result = status < 0 ? cli_fail(NULL, &f) : answer_print(status, &answer);
	buf_finish(&answer);
	return result;
}

/* -1: it does not answer, being about to start or to stop. */
static int run_with_running(struct node *n, const char *request, struct fault *f)
{
	struct buf answer = {0};
	long status = post(n->state, request, &answer, f);
	int result = status < 0 ? -1 : answer_print(status, &answer);
	buf_finish(&answer);
	return result;
}

/* By our own server where the state is free, else by the one that has it; which may change under
 * our hands. */
static int run(const char *config_path, const char *request)
{
	struct fault f = {0};
	for (int tries = 0; tries < 600; tries++) {
		struct node n;
		struct buf faults = {0};
		int result = -1;
		if (node_open(&n, config_path, &faults, &f) == 0)
			result = run_with_own(&n, request);
		else if (f.kind == FAULT_CONFLICT)
			result = run_with_running(&n, request, &f);
		else
			result = cli_fail(&faults, &f);
		buf_finish(&faults);
		if (result >= 0)
			return result;
		node_close(&n);
		(void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return cli_fail(NULL, &f);
}

int cli_run(const struct cli *cli)
{
	if (cli->argc != 3) {
		(void)fprintf(stderr, "usage: sky-island [-c CONFIG] run URL CALL\n");
		return EXIT_USE;
	}
	json_t *body = json_pack("{s:s, s:s}", "url", cli->argv[1], "call", cli->argv[2]);
	if (body == NULL) {
		(void)fprintf(stderr, "sky-island: URL and CALL must be UTF-8\n");
		return EXIT_USE;
	}
	defer_free char *request = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return run(cli->config_path, request);
}
