#include "state/journal.h"

#include "base/defer.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

int journal_open(struct journal *j, const char *path, unsigned count, struct fault *f)
{
	size_t size = count * sizeof(struct journal_entry);
	defer_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "journal %s", path);
	/* All of its room now: a page that finds none later would be our end (SIGBUS). ZFS cannot
	 * promise that (FreeBSD: EINVAL), since it writes nothing in its place. */
	int error = posix_fallocate(fd, 0, (off_t)size);
	if (error != 0 && error != EINVAL && error != EOPNOTSUPP)
		return fault_set(f, FAULT_PLATFORM, error, "room for the journal %s", path);
	return journal_map(j, fd, count, f);
}

int journal_map(struct journal *j, int fd, unsigned count, struct fault *f)
{
	void *map = mmap(NULL, count * sizeof(struct journal_entry), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fault_set(f, FAULT_PLATFORM, errno, "map the journal");
	j->entries = map;
	j->count = count;
	return 0;
}

void journal_keep_from_children(const struct journal *j)
{
	os_keep_from_children(j->entries, j->count * sizeof(struct journal_entry));
}

void journal_close(struct journal *j)
{
	if (j->entries != NULL)
		(void)munmap(j->entries, j->count * sizeof(struct journal_entry));
	*j = (struct journal){0};
}

void journal_made(struct journal *j, unsigned slot)
{
	j->entries[slot] = (struct journal_entry){.state = JOURNAL_MADE};
}

bool journal_claim(struct journal *j, unsigned slot, uint32_t address)
{
	/* Written before looking, as every jailer does: of two at once each sees the other. */
	__atomic_store_n(&j->entries[slot].address, address, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < j->count; i++) {
		if (i == slot ||
			__atomic_load_n(&j->entries[i].address, __ATOMIC_SEQ_CST) != address)
			continue;
		__atomic_store_n(&j->entries[slot].address, 0, __ATOMIC_SEQ_CST);
		return false;
	}
	return true;
}

void journal_started(struct journal *j, unsigned slot, pid_t pid)
{
	j->entries[slot].pid = (int32_t)pid;
}

void journal_free(struct journal *j, unsigned slot)
{
	j->entries[slot] = (struct journal_entry){0};
}

void journal_kill(const struct journal *j, unsigned slot, const char *name)
{
	const struct journal_entry *e = &j->entries[slot];
	/* Noting more of it when it starts would cost each call; it is only needed after a crash. */
	if (e->state != JOURNAL_FREE && e->pid > 1 && os_leads_jail(e->pid, name))
		(void)kill(e->pid, SIGKILL);
}

unsigned journal_used(const struct journal *j)
{
	unsigned used = 0;
	for (unsigned i = 0; i < j->count; i++)
		used += j->entries[i].state != JOURNAL_FREE;
	return used;
}
