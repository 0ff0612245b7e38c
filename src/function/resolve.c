#include "function/resolve.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_LONGEST = 500, VERSION_LONGEST = 200 };

static int path_fault(struct fault *f, const char *why)
{
	return fault_code(f, FAULT_INPUT, "url_invalid",
		"url %s; give a Go import path such as \"github.com/mmcloughlin/geohash\" or "
		"\"strings\", or a git repository such as \"https://host/u/r.git\"",
		why);
}

/* Go's rules for import paths (golang.org/x/mod/module, CheckImportPath), ASCII only. */
static int path_check(const char *path, struct fault *f)
{
	const size_t len = strlen(path);
	if (len == 0)
		return path_fault(f, "is empty");
	if (len > PATH_LONGEST)
		return path_fault(f, "is longer than 500 bytes");
	if (path[0] == '/' || path[len - 1] == '/')
		return path_fault(f, "begins or ends with a slash");
	for (const char *at = path; *at != '\0'; at++) {
		bool first = at == path || at[-1] == '/';
		if (!isalnum((unsigned char)*at) && strchr("-._~+/", *at) == NULL)
			return path_fault(f, "has a character that no import path has");
		if (first && *at == '/')
			return path_fault(f, "has an empty element");
		if (first && (*at == '.' || *at == '-'))
			return path_fault(f, "has an element that begins with '.' or '-'");
		if (*at == '.' && (at[1] == '/' || at[1] == '\0'))
			return path_fault(f, "has an element that ends with '.'");
	}
	return 0;
}

int resolve_version_check(const char *version, struct fault *f)
{
	const size_t len = strlen(version);
	bool ok = len > 0 && len <= VERSION_LONGEST && version[0] != '-' && version[0] != '.' &&
		  version[0] != '/' && strstr(version, "..") == NULL &&
		  strstr(version, "//") == NULL && strspn(version, "<>=") == 0;
	for (size_t i = 0; ok && i < len; i++)
		ok = isalnum((unsigned char)version[i]) || strchr("-._+/~", version[i]) != NULL;
	if (!ok)
		return fault_code(f, FAULT_INPUT, "version_invalid",
			"version is not a tag, branch, commit or \"latest\"; give one such as "
			"\"v1.2.3\"");
	return 0;
}

/* vMAJOR.MINOR.PATCH with whatever behind it. */
static bool version_is_pinned(const char *v)
{
	if (*v++ != 'v')
		return false;
	for (int part = 0; part < 3; part++) {
		size_t digits = strspn(v, "0123456789");
		if (digits == 0)
			return false;
		v += digits;
		if (part < 2 && *v++ != '.')
			return false;
	}
	return *v == '\0' || *v == '-' || *v == '+';
}

static int scheme_strip(const char **url, struct fault *f)
{
	const char *scheme = strstr(*url, "://");
	if (scheme == NULL)
		return 0;
	if (strncmp(*url, "https://", 8) != 0)
		return fault_code(f, FAULT_INPUT, "url_scheme",
			"url has a scheme that is not served here; give a Go import path, or a git "
			"repository such as https://host/u/r.git");
	*url += 8;
	return 0;
}

int resolve_parse(struct resolve *r, const char *url, const char *version, struct fault *f)
{
	*r = (struct resolve){0};
	if (resolve_git_is(url)) {
		int parsed = resolve_git_parse(r, url, version, f);
		if (parsed < 0)
			resolve_finish(r);
		return parsed;
	}
	if (scheme_strip(&url, f) < 0)
		return -1;
	const char *at = strchr(url, '@');
	if (at != NULL && version != NULL)
		return fault_code(f, FAULT_INPUT, "version_twice",
			"the version is given twice: in url behind '@' and in version");
	r->package = mem_strndup(url, at != NULL ? (size_t)(at - url) : strlen(url));
	r->version = mem_strdup(at != NULL ? at + 1 : version != NULL ? version : "latest");
	if (path_check(r->package, f) < 0 || resolve_version_check(r->version, f) < 0) {
		resolve_finish(r);
		return -1;
	}
	const size_t first = strcspn(r->package, "/");
	r->standard = memchr(r->package, '.', first) == NULL;
	r->pinned = version_is_pinned(r->version);
	if (r->standard && strcmp(r->version, "latest") != 0) {
		resolve_finish(r);
		return fault_code(f, FAULT_INPUT, "version_invalid",
			"a package of the standard library has the version of Go itself; leave "
			"version out");
	}
	return 0;
}

void resolve_finish(struct resolve *r)
{
	free(r->package);
	free(r->version);
	resolve_git_free(r->git);
	*r = (struct resolve){0};
}
