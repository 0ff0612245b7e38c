/* Which server is measured: the one that the command line names, or the configuration's. */

#include "cli/bench.h"

#include "base/defer.h"
#include "base/fs.h"
#include "config/config.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { TOKEN_MAX = 4096 };

static int unix_target(struct bench_target *t, const char *path, struct fault *f)
{
	if (path[0] == '\0' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return fault_set(f, FAULT_INPUT, 0,
			"unix:%s: give the path of a socket, of at most %zu bytes", path,
			sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	t->shown = mem_printf("unix:%s", path);
	t->path = mem_strdup(path);
	t->host = mem_strdup("localhost");
	return 0;
}

/* `host` without brackets. */
static int tcp_target(struct bench_target *t, const char *host, const char *port, struct fault *f)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	const int failed = getaddrinfo(host, port, &hints, &found);
	if (failed != 0)
		return fault_set(f, FAULT_INPUT, 0, "%s: %s", host, gai_strerror(failed));
	memcpy(&t->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	const bool six = strchr(host, ':') != NULL;
	t->host = mem_printf("%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
	t->shown = mem_printf("http://%s", t->host);
	return 0;
}

static int url_target(struct bench_target *t, CURLU *url, const char *text, struct fault *f)
{
	static const char want[] =
		"--server takes http://HOST:PORT or unix:PATH; TLS is a proxy's affair";
	char *part[4] = {NULL}; /* scheme, host, port, path */
	int result = -1;
	if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_SCHEME, &part[0], 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_HOST, &part[1], 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_PORT, &part[2], CURLU_DEFAULT_PORT) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_PATH, &part[3], 0) != CURLUE_OK ||
		strcmp(part[0], "http") != 0 || strcmp(part[3], "/") != 0) {
		(void)fault_set(f, FAULT_INPUT, 0, "\"%s\": %s", text, want);
	} else {
		char *host = part[1];
		const size_t len = strlen(host);
		if (host[0] == '[' && host[len - 1] == ']') {
			host[len - 1] = '\0';
			host++;
		}
		result = tcp_target(t, host, part[2], f);
	}
	for (unsigned i = 0; i < 4; i++)
		curl_free(part[i]);
	return result;
}

int bench_target_parse(struct bench_target *t, const char *text, struct fault *f)
{
	if (strncmp(text, "unix:", 5) == 0)
		return unix_target(t, text + 5, f);
	CURLU *url = curl_url();
	if (url == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "libcurl does not start");
	const int result = url_target(t, url, text, f);
	curl_url_cleanup(url);
	return result;
}

/* Port 0 is any that was free: the running server wrote down which. */
static int address_file_target(struct bench_target *t, const struct config *c, struct fault *f)
{
	defer_free char *path = mem_printf("%s/run/address", c->state_dir);
	defer_free char *text = fs_read(path, 300, NULL, f);
	if (text != NULL)
		return bench_target_parse(t, text, f);
	if (f->kind == FAULT_NOT_FOUND)
		return fault_set(f, FAULT_CONFLICT, 0,
			"no server runs with state_dir %s: start one with \"sky-island\", or give "
			"--server",
			c->state_dir);
	return -1;
}

static int listen_target(struct bench_target *t, const struct config *c, struct fault *f)
{
	if (strncmp(c->listen, "unix:", 5) == 0)
		return unix_target(t, c->listen + 5, f);
	if (c->http_port == 0)
		return address_file_target(t, c, f);
	const bool any = strcmp(c->listen, "0.0.0.0") == 0;
	const bool any6 = strcmp(c->listen, "::") == 0;
	defer_free char *port = mem_printf("%u", c->http_port);
	return tcp_target(t, any ? "127.0.0.1" : any6 ? "::1" : c->listen, port, f);
}

int bench_target_of_config(
	struct bench_target *t, const char *config_path, struct buf *faults, struct fault *f)
{
	struct config c;
	if (config_load(&c, config_path, faults, f) < 0)
		return -1;
	const int result = listen_target(t, &c, f);
	if (result == 0 && c.function_token != NULL)
		t->token = mem_strdup(c.function_token);
	config_finish(&c);
	return result;
}

int bench_target_token(struct bench_target *t, const char *path, struct fault *f)
{
	defer_free char *text = fs_read(path, TOKEN_MAX, NULL, f);
	if (text == NULL)
		return fault_wrap(f, "--token-file");
	text[strcspn(text, "\r\n")] = '\0';
	for (const char *at = text; *at != '\0'; at++) {
		if (*at <= ' ' || *at > '~')
			text[0] = '\0';
	}
	if (text[0] == '\0')
		return fault_set(f, FAULT_INPUT, 0,
			"--token-file %s: its first line must be the token, of visible characters",
			path);
	free(t->token);
	t->token = mem_strdup(text);
	return 0;
}

void bench_target_finish(struct bench_target *t)
{
	free(t->shown);
	free(t->host);
	free(t->path);
	free(t->token);
}
