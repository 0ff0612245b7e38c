/* network.ip4 on its way from the configuration to where all processes see it. */

#include "node/node.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void pool_read(const struct config_pool *from, struct net_pool *to)
{
	(void)snprintf(to->name, sizeof(to->name), "%s", from->name);
	(void)snprintf(to->interface, sizeof(to->interface), "%s",
		from->interface != NULL ? from->interface : "");
	(void)ip4_parse(from->start_addr, &to->first);
	(void)ip4_parse(from->end_addr, &to->last);
	(void)ip4_parse(from->mask, &to->mask);
	(void)ip4_parse(from->gateway, &to->gateway);
	for (char **dns = from->dns; dns != NULL && *dns != NULL && to->dns_count < POOLS_DNS_MAX;
		dns++)
		(void)ip4_parse(*dns, &to->dns[to->dns_count++]);
	for (char **open = from->open;
		open != NULL && *open != NULL && to->open_count < POOLS_OPEN_MAX; open++)
		(void)ip4_parse_network(*open, &to->open[to->open_count++]);
}

void node_pools_read(const struct config *c, struct net_pools *out)
{
	*out = (struct net_pools){0};
	for (size_t i = 0; i < c->pools_count && i < POOLS_COUNT_MAX; i++)
		pool_read(&c->pools[i], &out->pool[out->count++]);
}

void node_net_name(struct node *n)
{
	if (n->user_mode)
		return;
	n->net = (struct net_setup){.instance = n->instance, .record = node_path(n, "run/network")};
	n->plan.net = &n->net;
}

int node_pools(struct node *n, struct buf *warnings, struct fault *f)
{
	struct net_pools pools;
	node_pools_read(&n->config, &pools);
	n->pools_fd = pools_share(f);
	if (n->pools_fd < 0)
		return -1;
	n->pools =
		mmap(NULL, sizeof(*n->pools), PROT_READ | PROT_WRITE, MAP_SHARED, n->pools_fd, 0);
	if (n->pools == MAP_FAILED)
		return fault_set(f, FAULT_PLATFORM, errno, "mmap");
	pools_publish(n->pools, &pools);
	node_net_name(n);
	if (n->user_mode) {
		if (pools.count > 0)
			buf_puts(warnings, "network.ip4: only root can give jails addresses; calls "
					   "that ask for one are refused\n");
		return 0;
	}
	n->net.pools = n->pools;
	return pools.count == 0 ? 0 : net_host_check(n->pools, n->instance, warnings, f);
}

int node_pools_check(const struct node *n, struct config *fresh, struct fault *f)
{
	struct net_pools pools;
	node_pools_read(fresh, &pools);
	return n->plan.net == NULL || pools.count == 0
		       ? 0
		       : net_host_check(&pools, n->instance, &fresh->warnings, f);
}

void node_pools_publish(struct node *n, const struct config *c)
{
	struct net_pools pools;
	node_pools_read(c, &pools);
	pools_publish(n->pools, &pools);
}

void node_pools_leave(struct node *n)
{
	if (n->pools == NULL)
		return;
	struct net_pools *own = mem_alloc(sizeof(*own));
	pools_copy(own, n->pools);
	(void)munmap(n->pools, sizeof(*n->pools));
	(void)close(n->pools_fd);
	n->pools = own;
	n->net.pools = own;
}
