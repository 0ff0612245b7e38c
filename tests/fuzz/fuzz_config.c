/*
 * Feeds config_parse with any bytes. What it takes must be whole; what it refuses must say why in
 * lines.
 */

#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void taken_is_whole(const struct config *c)
{
	must(c->listen != NULL && c->hostnames != NULL && c->admin_token_header != NULL);
	must(c->go_version != NULL && c->state_dir != NULL && c->log_level != NULL);
	must(c->exec_timeout > 0 && c->build_timeout > 0 && c->init_timeout > 0 &&
		c->fetch_timeout > 0);
	must(c->http_port <= 65535 && c->exec.memory >= 32 << 20 && c->builds_max > 0);
	must(config_is_loopback(c) || c->open || config_asks_token(c));
	for (size_t i = 0; i < c->pools_count; i++) {
		const struct config_pool *pool = &c->pools[i];
		must(pool->name != NULL && pool->start_addr != NULL && pool->end_addr != NULL);
		must(pool->mask != NULL && pool->gateway != NULL && pool->dns != NULL);
	}
}

static void refused_says_why(const struct buf *faults)
{
	must(faults->len > 0 && faults->data[faults->len - 1] == '\n');
	for (size_t i = 0; i < faults->len; i++)
		must((unsigned char)faults->data[i] >= ' ' || faults->data[i] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config c;
	struct fault f = {0};
	struct buf faults = {0};
	if (config_parse(&c, (const char *)data, size, &faults, &f) == 0) {
		must(faults.len == 0);
		taken_is_whole(&c);
		config_finish(&c);
	} else {
		must(f.kind == FAULT_INPUT);
		refused_says_why(&faults);
	}
	buf_finish(&faults);
	return 0;
}

#ifdef FUZZ_STANDALONE
#include "fuzz_standalone.h"

int main(int argc, char **argv)
{
	static const struct fuzz_seed seeds[] = {
		SEED("{}"),
		SEED("{\"release\": \"14.2-RELEASE\", \"http_port\": 3280, \"admin_api_token\": "
		     "{\"env\": \"HOME\"}, "
		     "\"go_version\": \"1.9.2\", \"listen\": \"0.0.0.0\", \"open\": true, "
		     "\"hostnames\": [\"a.example\"]}"),
		SEED("{\"network\": {\"ip4\": [{\"name\": \"a\", \"start_addr\": \"10.0.0.2\", "
		     "\"mask\": \"255.255.255.0\", "
		     "\"range\": 99, \"dns\": [\"1.1.1.1\"]}, {\"name\": \"b\", \"start_addr\": "
		     "\"10.0.0.100\", \"mask\": "
		     "\"255.255.255.0\", \"end_addr\": \"10.0.0.254\", \"gateway\": "
		     "\"10.0.0.1\"}]}}"),
		SEED("{\"jails\": {\"exec_timeout\": \"5s\", \"memory\": \"128MiB\", \"output\": "
		     "1024, \"build\": {\"pids\": 100}}, "
		     "\"modules\": {\"https_proxy\": \"http://u:p@[::1]:3128/\", \"cgo\": false}, "
		     "\"metrics\": {\"statsd\": null}}"),
		/* ends that follow a cut place with something odd */
		SEED("null}"),
		SEED("-1}}}"),
		SEED("18446744073709551616, \"\\u001b\xc2\x9b\": 1}"),
		SEED("\"255.255.255.255\", \"range\": 255}]}}"),
	};
	return fuzz_main(
		argc, argv, seeds, sizeof(seeds) / sizeof(seeds[0]), "{}[]\",:0127/.-nt\\u ");
}
#endif
