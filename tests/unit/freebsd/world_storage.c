/* Clones of bases, in place of storage/: a slot's is made and removed, and can fail like a call. */

#include "storage/storage.h"

#include "world.h"

#include <errno.h>
#include <stdio.h>

int storage_clone(const struct storage *s, unsigned slot, const char *base, uint64_t writable,
	struct fault *f)
{
	(void)s;
	if (!world_call("zfs clone"))
		return fault_set(f, FAULT_PLATFORM, errno, "clone %s", base);
	if (slot >= WORLD_CLONES || writable != 0)
		return fault_set(f, FAULT_PLATFORM, EINVAL, "clone %s", base);
	world->clone[slot] = true; /* an older one goes first */
	return 0;
}

/* Busy while anything of it is mounted. */
void storage_unclone(const struct storage *s, unsigned slot)
{
	char place[32];
	(void)s;
	(void)snprintf(place, sizeof(place), "/run/jails/%u", slot);
	if (world_call("zfs destroy") && !world_is_mounted(place))
		world->clone[slot] = false;
}

/* What is in it is not the model's to show: the directory that it would be of. */
void storage_path(const struct storage *s, unsigned slot, const char *base, char *out, size_t size)
{
	(void)slot;
	(void)snprintf(out, size, "%s/%s", s->state, base);
}
