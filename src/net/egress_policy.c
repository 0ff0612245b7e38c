/*
 * Who may go where, as far as a name and a port tell. A trusted host (or host:port) may be
 * anything. Others are reached at the ports that sources are served at, and an address written out
 * must be public even where a proxy of the operator's would connect to it; so must localhost, which
 * that proxy would take for itself.
 */

#include "base/defer.h"
#include "net/egress_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

static const uint16_t ports_public[] = {443, 80, 8080, 8443};

static char *base64(const char *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf out = {0};
	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = 0;
		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (i + j < len ? (unsigned char)data[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			buf_append(&out, i + j > len ? "=" : &digits[bits >> (18 - 6 * j) & 63], 1);
	}
	buf_puts(&out, "");
	return out.data;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));
	return at == NULL ? -1 : (int)(at - digits);
}

/* Undoes %XX; -1 where that is broken. */
static int percent_decode(const char *text, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			buf_putc(out, text[i]);
			continue;
		}
		int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
		int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -1;
		buf_putc(out, (char)(high * 16 + low));
		i += 2;
	}
	return 0;
}

/* "user:password" with %XX undone → the header line that says so. */
static int authorization_build(struct egress_rules *rules, const char *userinfo, size_t len)
{
	defer_buf struct buf plain = {0};
	if (percent_decode(userinfo, len, &plain) < 0)
		return -1;
	if (memchr(userinfo, ':', len) == NULL)
		buf_putc(&plain, ':');
	defer_free char *encoded = base64(plain.data, plain.len);
	rules->upstream_authorization = mem_printf("Proxy-Authorization: Basic %s\r\n", encoded);
	return 0;
}

/* [http://][user[:password]@]host[:port][/]; the port is 80 where none is given, as Go has it. */
static int upstream_parse(struct egress_rules *rules, const char *url)
{
	if (strncasecmp(url, "http://", 7) == 0)
		url += 7;
	size_t len = strcspn(url, "/?#");
	if (url[len] != '\0' && strcmp(url + len, "/") != 0)
		return -1;
	const char *at = memrchr(url, '@', len);
	if (at != NULL && authorization_build(rules, url, (size_t)(at - url)) < 0)
		return -1;
	const char *host = at == NULL ? url : at + 1;
	if (egress_target_parse(&rules->upstream, host, len - (size_t)(host - url)) < 0)
		return -1;
	if (rules->upstream.port == 0)
		rules->upstream.port = 80;
	rules->upstream_set = true;
	return 0;
}

static int trusted_parse(struct egress_target *target, const char *text)
{
	struct in6_addr ip6;
	if (inet_pton(AF_INET6, text, &ip6) != 1)
		return egress_target_parse(target, text, strlen(text));
	defer_free char *bracketed = mem_printf("[%s]", text);
	return egress_target_parse(target, bracketed, strlen(bracketed));
}

static int targets_parse(
	struct egress_target **targets, size_t *count, const char *const *texts, struct fault *f)
{
	size_t all = 0;
	while (texts != NULL && texts[all] != NULL)
		all++;
	*targets = mem_zero(all, sizeof(**targets));
	for (*count = 0; *count < all; (*count)++) {
		if (trusted_parse(&(*targets)[*count], texts[*count]) < 0)
			return fault_set(f, FAULT_INPUT, 0, "%s is neither host nor host:port",
				texts[*count]);
	}
	return 0;
}

int egress_rules_init(
	struct egress_rules *rules, const struct egress_policy *policy, struct fault *f)
{
	*rules = (struct egress_rules){.plain_http = policy->plain_http,
		.bytes_max = policy->bytes_max,
		.connections_max = policy->connections_max};
	if (policy->bytes_max == 0 || policy->connections_max == 0)
		return fault_set(f, FAULT_PLATFORM, 0,
			"egress: bytes_max and connections_max must not be 0");
	if (targets_parse(&rules->trusted, &rules->trusted_count, policy->trusted_hosts, f) < 0 ||
		targets_parse(&rules->reachable, &rules->reachable_count, policy->reachable, f) <
			0) {
		egress_rules_finish(rules);
		return -1;
	}
	if (policy->no_proxy != NULL)
		rules->no_proxy = mem_strdup(policy->no_proxy);
	if (policy->upstream_proxy == NULL || upstream_parse(rules, policy->upstream_proxy) == 0)
		return 0;
	egress_rules_finish(rules);
	/* the URL may hold a password: it is not repeated */
	return fault_set(
		f, FAULT_INPUT, 0, "the proxy's URL is not http://[user:password@]host[:port]");
}

void egress_rules_finish(struct egress_rules *rules)
{
	free(rules->trusted);
	free(rules->reachable);
	free(rules->upstream_authorization);
	free(rules->no_proxy);
	*rules = (struct egress_rules){0};
}

static bool listed(
	const struct egress_target *list, size_t count, const struct egress_target *target)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].host, target->host) == 0 &&
			(list[i].port == 0 || list[i].port == target->port))
			return true;
	}
	return false;
}

bool egress_rules_trust(const struct egress_rules *rules, const struct egress_target *target)
{
	return listed(rules->trusted, rules->trusted_count, target);
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);
	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

const char *egress_rules_refuse(const struct egress_rules *rules, const struct egress_head *head)
{
	const struct egress_target *target = &head->target;
	if (!head->connect && !rules->plain_http)
		return "plain http is not allowed";
	if (egress_rules_trust(rules, target))
		return NULL;
	bool port_public = listed(rules->reachable, rules->reachable_count, target);
	for (size_t i = 0; i < sizeof(ports_public) / sizeof(ports_public[0]); i++)
		port_public |= target->port == ports_public[i];
	if (!port_public)
		return "its port is none of 443, 80, 8080 and 8443";
	if (strcmp(target->host, "localhost") == 0 || ends_in(target->host, ".localhost"))
		return "it is not a public host";
	if (target->literal && !egress_address_is_public((const struct sockaddr *)&target->address))
		return "it is not a public address";
	return NULL;
}

/* One entry of no_proxy: *, host, host:port (both with what is below host), .suffix (only what is
 * below). */
static bool bypass_matches(const char *entry, size_t len, const struct egress_target *target)
{
	struct egress_target named;
	if (len == 1 && entry[0] == '*')
		return true;
	bool below_only = len > 0 && entry[0] == '.';
	if (below_only) {
		entry++;
		len--;
	}
	if (egress_target_parse(&named, entry, len) < 0 ||
		(named.port != 0 && named.port != target->port))
		return false;
	if (!below_only && strcmp(named.host, target->host) == 0)
		return true;
	char suffix[sizeof(named.host) + 1] = ".";
	memcpy(suffix + 1, named.host, strlen(named.host) + 1);
	return !named.literal && !target->literal && ends_in(target->host, suffix);
}

bool egress_rules_upstream(const struct egress_rules *rules, const struct egress_target *target)
{
	if (!rules->upstream_set)
		return false;
	for (const char *entry = rules->no_proxy; entry != NULL && *entry != '\0';) {
		entry += strspn(entry, " \t,");
		size_t len = strcspn(entry, " \t,");
		if (bypass_matches(entry, len, target))
			return false;
		entry += len;
	}
	return true;
}
