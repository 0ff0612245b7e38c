/* The host's rc.conf(5), as far as `-i` asks of it. Compiled, linked, model-tested; not yet run on
 * FreeBSD. */

#include "node/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/fs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Whether a line sets `name`, and to what; quotes of either kind, a comment behind. */
static bool assigned(const char *line, const char *name, char value[32])
{
	const size_t len = strlen(name);
	line += strspn(line, " \t");
	if (strncmp(line, name, len) != 0 || line[len] != '=')
		return false;
	line += len + 1;
	const char quote = line[0] == '"' || line[0] == '\'' ? *line++ : '\0';
	const char plain[] = " \t\r\n;#";
	const char quoted[] = {quote, '\n', '\0'};
	(void)snprintf(value, 32, "%.*s", (int)strcspn(line, quote != '\0' ? quoted : plain), line);
	return true;
}

/* What rc.subr(8) takes for yes. */
static bool is_yes(const char *value)
{
	static const char *const words[] = {"yes", "true", "on", "1"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i]) == 0)
			return true;
	}
	return false;
}

bool rcconf_enables_jails(const char *text, bool *misspelt)
{
	bool enabled = false;
	for (const char *line = text; line != NULL && *line != '\0';) {
		char value[32];
		if (assigned(line, "jail_enable", value))
			enabled = is_yes(value); /* the last one counts */
		else if (assigned(line, "jails_enabled", value) ||
			 assigned(line, "jail_enabled", value))
			*misspelt = true;
		const char *end = strchr(line, '\n');
		line = end != NULL ? end + 1 : NULL;
	}
	return enabled;
}

void rcconf_warn(const struct preparing *p)
{
	static const char *const names[] = {"etc/rc.conf", "etc/rc.conf.local"};
	bool enabled = false;
	bool misspelt = false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		defer_free char *path = mem_printf("%s/%s", p->host, names[i]);
		defer_free char *text = fs_read(path, (size_t)1 << 20, NULL, NULL);
		if (text != NULL)
			enabled |= rcconf_enables_jails(text, &misspelt);
	}
	if (!enabled)
		log_warn("/etc/rc.conf has no jail_enable=\"YES\", which jails need%s: add this "
			 "line (or: sysrc jail_enable=YES)",
			misspelt ? " (jails_enabled and jail_enabled mean nothing there)" : "");
}
