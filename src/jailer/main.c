/*
 * The jailer's own program. Every jail begins as a fork of it, and what a fork costs is what is
 * mapped: so it is linked statically, and has nothing in it that starting jails does not need. The
 * build puts it into the main program (jailer/image.h), whose supervisor starts it.
 */

#include "base/buf.h"
#include "base/log.h"
#include "base/os.h"
#include "jailer/handover.h"

#include <fcntl.h>
#include <signal.h>

/* What whoever started us ignored, as nohup and a shell's & do, is nothing that programs may be told. */
static void signals_reset(void)
{
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
}

int main(void)
{
	struct jail_plan plan;
	struct journal journal;
	struct jailer_setup setup = {
		.journal = &journal, .socket = HANDOVER_SERVER, .tool = HANDOVER_TOOL};
	struct fault f = {0};
	log_set_role("jailer");
	signals_reset();
	log_never_wait();
	for (int i = 0; i < JAILER_HELPERS; i++)
		setup.helpers[i] = HANDOVER_HELPERS + i;
	if (handover_read(HANDOVER_SETUP, HANDOVER_POOLS, &setup, &plan, &f) < 0 ||
		journal_map(&journal, HANDOVER_JOURNAL, plan.slots, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	for (int fd = 0; fd < HANDOVER_END; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	os_name(plan.instance);
	return jailer_run(&setup);
}
