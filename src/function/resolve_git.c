#include "function/resolve_git.h"

#include "base/buf.h"
#include "base/defer.h"
#include "function/resolve.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { URL_LONGEST = 500, HOST_LONGEST = 253, PORT_LARGEST = 65535 };

static const struct scheme {
	const char *name, *prefix;
	unsigned port;
} schemes[] = {{"https", "https://", 443}, {"http", "http://", 80}, {"git", "git://", 9418},
	{"ssh", "ssh://", 22}};

/* What is left to read of a url. */
struct rest {
	const char *at;
	size_t len;
};

static int form_fault(struct fault *f, const char *why)
{
	return fault_code(f, FAULT_INPUT, "url_invalid",
		"url %s; a git repository is named https://host/path/repository.git, then perhaps "
		"/directory and #ref",
		why);
}

/* Bytes up to and with the first element that ends in ".git"; 0: there is none. */
static size_t repository_length(const char *path, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t end = slash != NULL ? (size_t)(slash - path) : len;
		if (end - at > 4 && memcmp(path + end - 4, ".git", 4) == 0)
			return end;
		at = end + 1;
	}
	return 0;
}

/* user@host:path, as scp and ssh take it: the length of "user@host", or 0. */
static size_t scp_length(const char *url)
{
	size_t user = strcspn(url, "@:/#");
	if (user == 0 || url[user] != '@')
		return 0;
	size_t host = strcspn(url + user + 1, "@:/#");
	return host > 0 && url[user + 1 + host] == ':' ? user + 1 + host : 0;
}

static const struct scheme *scheme_find(const char *url)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return &schemes[i];
	}
	return NULL;
}

bool resolve_git_is(const char *url)
{
	const struct scheme *scheme = scheme_find(url);
	if (scheme == NULL && strstr(url, "://") != NULL)
		return false;
	if (scp_length(url) > 0 || (scheme != NULL && scheme->port != 443 && scheme->port != 80))
		return true;
	const char *rest = scheme != NULL ? url + strlen(scheme->prefix) : url;
	/* What stands behind '@' may be a version, or a host behind somebody's password. */
	size_t host = strcspn(rest, "/#");
	if (rest[host] != '/')
		return false;
	const char *path = rest + host + 1;
	return repository_length(path, strcspn(path, "#@")) > 0;
}

static bool host_ok(const char *host, size_t len)
{
	bool ok = len > 0 && len <= HOST_LONGEST && isalnum((unsigned char)host[0]) &&
		  isalnum((unsigned char)host[len - 1]);
	for (size_t i = 0; ok && i < len; i++)
		ok = isalnum((unsigned char)host[i]) || host[i] == '-' ||
		     (host[i] == '.' && host[i - 1] != '.');
	return ok;
}

static int port_read(struct resolve_git *git, const char *text, size_t len, struct fault *f)
{
	unsigned port = 0;
	for (size_t i = 0; i < len && i < 6; i++)
		port = isdigit((unsigned char)text[i]) ? port * 10 + (unsigned)(text[i] - '0')
						       : PORT_LARGEST + 1;
	if (len == 0 || len > 5 || text[0] == '0' || port > PORT_LARGEST)
		return form_fault(f, "has a port that is none");
	git->port = port;
	return 0;
}

static bool user_ok(const char *user, size_t len)
{
	bool ok = len > 0 && len <= 64 && user[0] != '-';
	for (size_t i = 0; ok && i < len; i++)
		ok = isalnum((unsigned char)user[i]) || strchr("._-", user[i]) != NULL;
	return ok;
}

/* [user@]host[:port] */
static int authority_read(struct resolve_git *git, struct rest authority, struct fault *f)
{
	const char *at = memchr(authority.at, '@', authority.len);
	if (at != NULL) {
		size_t len = (size_t)(at - authority.at);
		if (strcmp(git->scheme, "ssh") != 0)
			return form_fault(f,
				"holds a user or password, which belong in the configuration "
				"(git.hosts)");
		if (!user_ok(authority.at, len))
			return form_fault(f, "has a user that is none");
		git->user = mem_strndup(authority.at, len);
		authority.at = at + 1;
		authority.len -= len + 1;
	}
	const char *colon = memchr(authority.at, ':', authority.len);
	size_t len = colon != NULL ? (size_t)(colon - authority.at) : authority.len;
	if (!host_ok(authority.at, len))
		return form_fault(f, "has a host that is none");
	if (colon != NULL && port_read(git, colon + 1, authority.len - len - 1, f) < 0)
		return -1;
	git->host = mem_strndup(authority.at, len);
	for (char *c = git->host; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return 0;
}

/* Elements that no shell, no git and no file system gives a meaning of its own. */
static int path_check(struct rest path, struct fault *f)
{
	for (size_t i = 0; i < path.len; i++) {
		const char c = path.at[i];
		bool first = i == 0 || path.at[i - 1] == '/';
		bool last = i + 1 == path.len || path.at[i + 1] == '/';
		if (c == '@')
			return fault_code(f, FAULT_INPUT, "url_git",
				"the version of a git repository stands behind '#', such as "
				"https://host/u/r.git#v1.2.3, or in version");
		if (!isalnum((unsigned char)c) && (c == '\0' || strchr("-._~+/", c) == NULL))
			return form_fault(f, "has a character that is not served in one");
		if (first && (c == '/' || c == '.' || c == '-'))
			return form_fault(
				f, "has an element that is empty or begins with '.' or '-'");
		if (last && (c == '/' || c == '.'))
			return form_fault(f, "has an element that is empty or ends with '.'");
	}
	return path.len == 0 ? form_fault(f, "names no repository") : 0;
}

static int path_read(struct resolve_git *git, struct rest path, size_t *repository, struct fault *f)
{
	if (path_check(path, f) < 0)
		return -1;
	*repository = repository_length(path.at, path.len);
	if (*repository == 0)
		return form_fault(f, "names no repository: its name must end in .git");
	git->path = mem_strndup(path.at, *repository - 4);
	git->directory = *repository < path.len ? mem_strndup(path.at + *repository + 1,
							  path.len - *repository - 1)
						: mem_strdup("");
	return 0;
}

/* `len` bytes of the url stand before '#'. */
static int address_read(struct resolve_git *git, const char *url, size_t len, struct fault *f)
{
	const struct scheme *scheme = scheme_find(url);
	const size_t scp = scheme == NULL ? scp_length(url) : 0;
	const size_t skip = scheme != NULL ? strlen(scheme->prefix) : 0;
	const struct scheme *meant = scheme != NULL ? scheme : scp > 0 ? &schemes[3] : &schemes[0];
	size_t host = scp > 0 ? scp : strcspn(url + skip, "/#");
	size_t repository = 0;
	git->scheme = mem_strdup(meant->name);
	git->port = meant->port;
	if (skip + host >= len)
		return form_fault(f, "names no repository");
	if (authority_read(git, (struct rest){url + skip, host}, f) < 0 ||
		path_read(git, (struct rest){url + skip + host + 1, len - skip - host - 1},
			&repository, f) < 0)
		return -1;
	git->url = mem_printf("%s%.*s", scheme == NULL && scp == 0 ? "https://" : "",
		(int)(skip + host + 1 + repository), url);
	return 0;
}

/* All of a commit's digits, SHA-1's or SHA-256's. */
static bool is_commit(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");
	return (len == 40 || len == 64) && text[len] == '\0';
}

int resolve_git_parse(struct resolve *r, const char *url, const char *version, struct fault *f)
{
	const size_t len = strcspn(url, "#");
	const bool ref = url[len] == '#';
	if (len > URL_LONGEST)
		return form_fault(f, "is longer than 500 bytes");
	if (ref && version != NULL)
		return fault_code(f, FAULT_INPUT, "version_twice",
			"the version is given twice: in url behind '#' and in version");
	r->git = mem_zero(1, sizeof(*r->git));
	if (address_read(r->git, url, len, f) < 0)
		return -1;
	r->package = mem_printf(
		"%s%s%s", r->git->url, r->git->directory[0] != '\0' ? "/" : "", r->git->directory);
	r->version = mem_strdup(ref ? url + len + 1 : version != NULL ? version : "latest");
	r->pinned = is_commit(r->version);
	return resolve_version_check(r->version, f);
}

static char *copied(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

struct resolve_git *resolve_git_copy(const struct resolve_git *git)
{
	if (git == NULL)
		return NULL;
	struct resolve_git *copy = mem_zero(1, sizeof(*copy));
	*copy = (struct resolve_git){.url = copied(git->url),
		.scheme = copied(git->scheme),
		.host = copied(git->host),
		.port = git->port,
		.user = copied(git->user),
		.path = copied(git->path),
		.directory = copied(git->directory)};
	return copy;
}

void resolve_git_free(struct resolve_git *git)
{
	if (git == NULL)
		return;
	free(git->url);
	free(git->scheme);
	free(git->host);
	free(git->user);
	free(git->path);
	free(git->directory);
	free(git);
}
