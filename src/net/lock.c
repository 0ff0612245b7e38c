#include "net/lock.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

static char *lock_path(const struct net_setup *net)
{
	return mem_printf("%s.lock", net->record);
}

int net_lock(const struct net_setup *net)
{
	if (net->record == NULL)
		return -1;
	defer_free char *path = lock_path(net);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

void net_record_remove(const struct net_setup *net)
{
	defer_free char *lock = lock_path(net);
	(void)unlink(lock);
	(void)unlink(net->record);
}
