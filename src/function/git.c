#include "function/git.h"

#include "base/buf.h"
#include "base/defer.h"

#include <string.h>

static unsigned scheme_port(const char *scheme)
{
	static const struct {
		const char *name;
		unsigned port;
	} own[] = {{"https", 443}, {"http", 80}, {"git", 9418}, {"ssh", 22}};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i].name, scheme) == 0)
			return own[i].port;
	return 0;
}

/* The entry of the configuration for this host and port, whatever schemes it has. */
static const struct config_git_host *entry_of(
	const struct git_rules *rules, const struct resolve_git *git)
{
	const struct config_git_host *exact = config_git_find(rules->config, git->host, git->port);
	if (exact != NULL || git->port != scheme_port(git->scheme))
		return exact;
	return config_git_find(rules->config, git->host, 0);
}

static int off(const struct resolve_git *git, const char *code, const char *why, struct fault *f)
{
	const bool own = git->port == scheme_port(git->scheme);
	const bool ssh = strcmp(git->scheme, "ssh") == 0;
	defer_free char *port = own ? mem_strdup("") : mem_printf(":%u", git->port);
	return fault_code(f, FAULT_FORBIDDEN, code,
		"%s; to allow it, add to the configuration: \"git\": {\"hosts\": {\"%s%s\": "
		"{\"schemes\": [\"%s\"]%s}}}",
		why, git->host, port, git->scheme,
		ssh ? ", \"ssh_key\": {\"file\": …}, \"known_hosts\": {\"file\": …}" : "");
}

int git_check(const struct git_rules *rules, const struct resolve_git *git, struct fault *f)
{
	const struct config_git_host *host = entry_of(rules, git);
	const bool https = strcmp(git->scheme, "https") == 0;
	if (host != NULL && !config_git_serves(host, git->scheme))
		return off(git, "git_scheme_off",
			"git.hosts does not name this scheme for this host", f);
	if (host == NULL && !https)
		return off(git, "git_scheme_off",
			"git repositories are served over https only, but for hosts that the "
			"configuration names",
			f);
	if (host == NULL && !rules->config->git_public)
		return off(git, "git_host_off",
			"this server serves the git repositories of hosts that its configuration "
			"names, no others (git.public is false)",
			f);
	if (rules->missing != NULL)
		return fault_code(f, FAULT_BUSY, "git_missing", "%s", rules->missing);
	return 0;
}

/* A value of the request, where there is one. */
static void put(json_t *to, const char *name, const char *value)
{
	if (value != NULL)
		(void)json_object_set_new(to, name, json_string(value));
}

/* Only what this scheme has a use for. */
static void secrets_put(
	json_t *to, const struct config_git_host *host, const struct resolve_git *git)
{
	const bool ssh = strcmp(git->scheme, "ssh") == 0;
	put(to, "user", git->user != NULL ? git->user : host->user);
	if (ssh) {
		put(to, "ssh_key", host->ssh_key);
		put(to, "known_hosts", host->known_hosts);
	} else if (strcmp(git->scheme, "git") != 0) {
		put(to, "token", host->token);
	}
}

struct tool *git_fetch(const struct git_rules *rules, struct tools *tools,
	const struct resolve_git *git, json_t *request, int bulk, tool_done *done, void *ctx)
{
	const struct config_git_host *host = entry_of(rules, git);
	defer_free char *target = mem_printf("%s:%u", git->host, git->port);
	const struct tool_target where = {
		.target = target, .private = host != NULL && host->private};
	json_t *more = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:I}", "url", git->url, "scheme",
		git->scheme, "host", git->host, "port", (int)git->port, "path", git->path,
		"directory", git->directory, "bytes_max",
		(json_int_t)rules->config->git_repository_max);
	if (host != NULL)
		secrets_put(more, host, git);
	(void)json_object_set_new(request, "git", more);
	/* The port of an unknown host stays one of those that sources are served at. */
	return tool_run_git(tools, host != NULL ? &where : NULL, request, bulk, done, ctx);
}
