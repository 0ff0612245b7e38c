/*
 * git.hosts: what hosts of plain git repositories are asked by, and with what secrets. A name is
 * HOST or HOST:PORT; without a port it means the ports that its schemes have by themselves, so that
 * no secret goes to whoever else listens there.
 */

#include "base/defer.h"
#include "config/config_field.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOSTS_MAX = 64, SCHEMES_MAX = 4 };

static const char key_words[] = "a private key as ssh-keygen writes it, as {\"file\": path} or "
				"{\"env\": name}";
static const char known_words[] =
	"lines as ssh's known_hosts has them, as {\"file\": path} or {\"env\": name}";

static bool check_scheme(const char *text)
{
	static const char *const known[] = {"https", "http", "git", "ssh"};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], text) == 0)
			return true;
	return false;
}

/* What ssh reads from a file of its own: ASCII text in lines. */
static bool check_lines(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((*p < ' ' && *p != '\n' && *p != '\r' && *p != '\t') || *p > '~')
			return false;
	return true;
}

static bool check_private_key(const char *text)
{
	return check_lines(text) && strstr(text, "PRIVATE KEY") != NULL;
}

/* A user of ssh or of http's Basic: no option, no quoting, no colon. */
static bool check_git_user(const char *text)
{
	return check_name(text) && text[0] != '-';
}

#define HOST_AT(member) FIELD_AT(struct config_git_host, member)
static const struct field host_fields[] = {
	{"schemes", &field_strings, HOST_AT(schemes), .fallback = "[\"https\"]", .min = 1,
		.max = SCHEMES_MAX, .valid = check_scheme,
		.allowed = "a list of \"https\", \"http\", \"git\" and \"ssh\""},
	{"private", &field_bool, HOST_AT(private), .fallback = "false"},
	{"user", &field_string, HOST_AT(user), .fallback = "\"git\"", .valid = check_git_user,
		.allowed = "up to 32 letters, digits, dots, dashes and underscores"},
	{"token", &field_secret, HOST_AT(token), .valid = check_visible,
		.allowed = "visible ASCII without spaces, or {\"file\": path} or {\"env\": name} "
			   "that hold it"},
	{"ssh_key", &field_secret, HOST_AT(ssh_key), .valid = check_private_key,
		.allowed = key_words},
	{"known_hosts", &field_secret, HOST_AT(known_hosts), .valid = check_lines,
		.allowed = known_words},
};
enum { HOST_FIELDS = sizeof(host_fields) / sizeof(host_fields[0]) };

/* HOST or HOST:PORT. */
static bool name_read(struct config_git_host *host, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);
	char *end = NULL;
	unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
	defer_free char *text = mem_strndup(name, len);
	if (!check_host(text) ||
		(colon != NULL && (strspn(colon + 1, "0123456789") == 0 || *end != '\0' ||
					  port == 0 || port > 65535)))
		return false;
	for (char *c = text; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	host->name = text;
	text = NULL;
	host->port = (unsigned)port;
	return true;
}

bool config_git_serves(const struct config_git_host *host, const char *scheme)
{
	for (char **one = host->schemes; one != NULL && *one != NULL; one++)
		if (strcmp(*one, scheme) == 0)
			return true;
	return false;
}

static void host_check(struct reading *r, const char *path, void *entry)
{
	const struct config_git_host *host = entry;
	const bool ssh = config_git_serves(host, "ssh");
	const bool web = config_git_serves(host, "https") || config_git_serves(host, "http");
	if (ssh && host->ssh_key == NULL)
		field_complain_member(r, path, "ssh_key", NULL, key_words);
	if (ssh && host->known_hosts == NULL)
		field_complain_member(r, path, "known_hosts", NULL, known_words);
	if (!ssh && (host->ssh_key != NULL || host->known_hosts != NULL))
		field_complain_member(
			r, path, "schemes", "no \"ssh\"", "with ssh_key and known_hosts: \"ssh\"");
	if (!web && host->token != NULL)
		field_complain_member(r, path, "schemes", "neither \"https\" nor \"http\"",
			"with token: one of them");
	if (config_git_find(r->config, host->name, host->port) != NULL)
		field_complain(r, path, "found a host that is there already, allowed: each once");
}

static void host_read(struct reading *r, const char *path, const char *name, const json_t *value)
{
	static const struct field_entry kind = {.table = host_fields,
		.rows = HOST_FIELDS,
		.allowed = "an object, {} if need be",
		.check = host_check};
	struct config *c = r->config;
	struct config_git_host host = {0};
	if (!name_read(&host, name)) {
		field_complain(
			r, path, "found the name %.80s, allowed: a host, or host:port", name);
		return;
	}
	defer_free char *full = mem_printf("%s.%s", path, name);
	if (field_entry_read(r, &kind, full, value, &host))
		c->git_hosts[c->git_hosts_count++] = host;
	else
		free(host.name);
}

static bool hosts_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)field;
	(void)at;
	const char *name;
	json_t *host;
	if (!json_is_object(value) || json_object_size(value) > HOSTS_MAX)
		return false;
	r->config->git_hosts = mem_zero(HOSTS_MAX, sizeof(struct config_git_host));
	json_object_foreach((json_t *)(uintptr_t)value, name, host) host_read(r, path, name, host);
	return true;
}

static void hosts_drop(void *at)
{
	/* All places: what is unused is empty. */
	struct config_git_host **hosts = at;
	for (size_t i = 0; *hosts != NULL && i < HOSTS_MAX; i++) {
		field_drop(host_fields, HOST_FIELDS, &(*hosts)[i]);
		free((*hosts)[i].name);
	}
	free(*hosts);
	*hosts = NULL;
}

const struct field_kind field_git_hosts = {.read = hosts_read, .drop = hosts_drop};

const struct config_git_host *config_git_find(
	const struct config *c, const char *name, unsigned port)
{
	for (size_t i = 0; i < c->git_hosts_count; i++) {
		const struct config_git_host *host = &c->git_hosts[i];
		if (strcasecmp(host->name, name) == 0 && host->port == port)
			return host;
	}
	return NULL;
}
