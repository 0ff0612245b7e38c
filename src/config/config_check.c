/* What texts in the configuration may be, and whether what they name exists. */

#include "config/config_field.h"
#include "storage/dataset.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <spawn.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ; /* which FreeBSD's headers do not declare */

static const char letters_digits[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* Letters, digits and `more`, of a length from 1 to most. */
static bool made_of(const char *text, size_t len, const char *more, size_t most)
{
	if (len == 0 || len > most)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' ||
			(strchr(letters_digits, text[i]) == NULL && strchr(more, text[i]) == NULL))
			return false;
	return true;
}

bool check_absolute(const char *text)
{
	return text[0] == '/' && strlen(text) < 4096;
}

bool check_dataset(const char *text)
{
	/* Room for what is made below it. */
	return dataset_is_name(text) && strlen(text) <= 180;
}

/* Digits at *text, one to four, moved past. */
static bool digits_skip(const char **text)
{
	size_t len = strspn(*text, "0123456789");
	*text += len;
	return len >= 1 && len <= 4;
}

bool check_go_version(const char *text)
{
	if (!digits_skip(&text) || *text++ != '.' || !digits_skip(&text))
		return false;
	if (*text == '.')
		return text++, digits_skip(&text) && *text == '\0';
	if (strncmp(text, "rc", 2) == 0)
		return text += 2, digits_skip(&text) && *text == '\0';
	return *text == '\0';
}

/* A token of RFC 9110 5.6.2. */
bool check_header_name(const char *text)
{
	return made_of(text, strlen(text), "!#$%&'*+-.^_`|~", 64);
}

/* Labels of RFC 1123 2.1, underscores allowed as names in local networks have them. */
static bool is_hostname(const char *text)
{
	if (strlen(text) > 253)
		return false;
	for (;;) {
		size_t len = strcspn(text, ".");
		if (!made_of(text, len, "-_", 63) || text[0] == '-' || text[len - 1] == '-')
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

bool check_ip4(const char *text)
{
	struct in_addr ip4;
	return inet_pton(AF_INET, text, &ip4) == 1;
}

static bool is_ip6(const char *text)
{
	struct in6_addr ip6;
	return inet_pton(AF_INET6, text, &ip6) == 1;
}

bool check_host(const char *text)
{
	return is_hostname(text) || is_ip6(text);
}

bool check_interface(const char *text)
{
	return made_of(text, strlen(text), "_-.:@", IF_NAMESIZE - 1) && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

bool check_listen(const char *text)
{
	struct sockaddr_un address;
	if (strncmp(text, "unix:", 5) == 0)
		return text[5] == '/' && strlen(text + 5) < sizeof(address.sun_path);
	return check_ip4(text) || is_ip6(text);
}

bool check_log_level(const char *text)
{
	return strcmp(text, "debug") == 0 || strcmp(text, "info") == 0 ||
	       strcmp(text, "warn") == 0 || strcmp(text, "error") == 0;
}

bool check_name(const char *text)
{
	return made_of(text, strlen(text), "._-", 32) &&
	       (isalnum((unsigned char)*text) || *text == '_');
}

bool check_visible(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return strlen(text) <= 8192;
}

/* Plain http and ftp would bring a MANIFEST that anybody on the way can write. */
bool check_package_url(const char *text)
{
	const size_t len = strlen(text);
	const bool https = strncmp(text, "https://", 8) == 0;
	return (https || strncmp(text, "file:///", 8) == 0) && len > 8 && check_visible(text) &&
	       strpbrk(text, "\"'\\?#") == NULL && (!https || text[8] != '/');
}

bool check_proxy(const char *text)
{
	if (!check_visible(text) || strncasecmp(text, "http://", 7) != 0)
		return false;
	const char *rest = text + 7;
	size_t len = strcspn(rest, "/?#");
	if (rest[len] != '\0' && strcmp(rest + len, "/") != 0)
		return false;
	const char *at = memrchr(rest, '@', len);
	const char *host = at == NULL ? rest : at + 1;
	char name[256];
	size_t host_len = len - (size_t)(host - rest);
	if (host_len >= sizeof(name))
		return false;
	memcpy(name, host, host_len);
	name[host_len] = '\0';
	char *port = strrchr(name, ':');
	bool bracketed = name[0] == '[';
	if (port != NULL && (!bracketed || port[-1] == ']')) {
		*port++ = '\0';
		size_t digits = strspn(port, "0123456789");
		if (digits == 0 || digits > 5 || port[digits] != '\0' || atoi(port) < 1 ||
			atoi(port) > 65535)
			return false;
	}
	char *end = name + strlen(name) - (name[0] == '\0' ? 0 : 1);
	if (!bracketed)
		return is_hostname(name);
	if (*end != ']')
		return false;
	*end = '\0';
	return is_ip6(name + 1);
}

bool there_path(const char *text)
{
	return access(text, F_OK) == 0 || errno != ENOENT;
}

bool there_interface(const char *text)
{
	return if_nametoindex(text) != 0;
}

/* Asks zfs(8) itself, as a dataset need not be mounted; a host without ZFS is not asked. */
bool there_dataset(const char *text)
{
	if (access("/dev/zfs", F_OK) < 0)
		return false;
	char *argv[] = {"zfs", "list", "-H", "-o", "name", (char *)text, NULL};
	posix_spawn_file_actions_t actions;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return true;
	bool found = false;
	pid_t pid;
	int status = 0;
	if (posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ==
			0 &&
		posix_spawn_file_actions_addopen(
			&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
		posix_spawnp(&pid, "zfs", &actions, NULL, argv, environ) == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		found = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return found;
}
