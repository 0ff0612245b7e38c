#include "jailer/handover.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/os.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SETUP_MAX = 1 << 20 };

/* Behind it: the variables of each kind, each with its NUL; then the backend's own bytes. */
struct head {
	char instance[64];
	unsigned first_slot, slots, all_slots, stock;
	int cpu;
	bool proc, net;
	struct jail_limits limits[JAIL_KINDS];
	uint32_t variables[JAIL_KINDS];
	uint32_t backend_len;
};

static void variables_put(struct buf *out, char *const *environment, uint32_t *count)
{
	*count = 0;
	for (; environment != NULL && *environment != NULL; environment++, (*count)++)
		buf_append(out, *environment, strlen(*environment) + 1);
}

int handover_write(const struct jailer_setup *setup, struct fault *f)
{
	const struct jail_plan *plan = setup->plan;
	defer_buf struct buf tail = {0};
	defer_buf struct buf backend = {0};
	struct head head = {
		.first_slot = setup->first_slot,
		.slots = setup->slots,
		.all_slots = plan->slots,
		.stock = setup->stock,
		.cpu = setup->cpu,
		.proc = plan->proc,
		.net = plan->net != NULL,
	};
	(void)snprintf(head.instance, sizeof(head.instance), "%s", plan->instance);
	memcpy(head.limits, plan->limits, sizeof(head.limits));
	for (int kind = 0; kind < JAIL_KINDS; kind++)
		variables_put(&tail, plan->environment[kind], &head.variables[kind]);
	jail_runner->give(&backend);
	head.backend_len = (uint32_t)backend.len;
	buf_append(&tail, backend.data, backend.len);
	defer_close int fd = memfd_create("setup", MFD_CLOEXEC);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "memfd_create");
	if (fs_write_fd(fd, &head, sizeof(head), f) < 0 ||
		fs_write_fd(fd, tail.data, tail.len, f) < 0)
		return -1;
	return defer_take(&fd);
}

/* The next `count` texts from `at`; NULL where they do not end before `end`. */
static const char *variables_take(
	const char *at, const char *end, uint32_t count, char *const **environment)
{
	char **all = mem_zero(count + 1, sizeof(*all));
	for (uint32_t i = 0; i < count; i++) {
		const size_t len = strnlen(at, (size_t)(end - at));
		if (at + len == end)
			return NULL;
		all[i] = mem_strndup(at, len);
		at += len + 1;
	}
	*environment = all;
	return at;
}

/* Jails, which are forks of the jailer, do without it. */
static const struct net_setup *net_map(const char *instance, int fd, struct fault *f)
{
	const struct net_pools *pools = pools_map(fd, f);
	if (pools == NULL)
		return NULL;
	os_keep_from_children(pools, sizeof(*pools));
	struct net_setup *net = mem_zero(1, sizeof(*net));
	*net = (struct net_setup){.instance = instance, .pools = pools};
	return net;
}

int handover_read(
	int fd, int pools, struct jailer_setup *setup, struct jail_plan *plan, struct fault *f)
{
	size_t len;
	struct head head;
	(void)lseek(fd, 0, SEEK_SET);
	defer_free char *text = fs_read_fd(fd, SETUP_MAX, &len, f);
	if (text == NULL)
		return -1;
	if (len < sizeof(head))
		return fault_set(f, FAULT_PLATFORM, 0, "the setup is cut short");
	memcpy(&head, text, sizeof(head));
	head.instance[sizeof(head.instance) - 1] = '\0';
	*plan = (struct jail_plan){
		.instance = mem_strdup(head.instance), .proc = head.proc, .slots = head.all_slots};
	if (head.net && (plan->net = net_map(plan->instance, pools, f)) == NULL)
		return -1;
	memcpy(plan->limits, head.limits, sizeof(head.limits));
	const char *at = text + sizeof(head);
	const char *end = text + len;
	for (int kind = 0; kind < JAIL_KINDS && at != NULL; kind++)
		at = variables_take(at, end, head.variables[kind], &plan->environment[kind]);
	if (at == NULL || (size_t)(end - at) != head.backend_len ||
		jail_runner->take(at, head.backend_len) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "the setup is not what it should be");
	setup->plan = plan;
	setup->first_slot = head.first_slot;
	setup->slots = head.slots;
	setup->stock = head.stock;
	setup->cpu = head.cpu;
	return 0;
}
