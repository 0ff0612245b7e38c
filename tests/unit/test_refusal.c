/* What is said of a host that refuses jails: each reason by the setting that gives it, and nothing that is not so. */

#include "jail/linux/linux.h"
#include "jail/linux/refusal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct refusal_facts plain = {
	.sys_admin = true,
	.userns_clone = -1,
	.apparmor_userns = -1,
	.spaces = {1000, 1000, 1000, 1000, 1000, 1000, 1000},
};

static void says(const struct refusal_facts *facts, const char *what, int error, const char *wanted)
{
	struct buf why = {0};
	refusal_why(facts, what, error, &why);
	assert_string_equal(why.len > 0 ? why.data : "", wanted);
	buf_finish(&why);
}

static void nothing_is_said_where_nothing_is_known(void **state)
{
	(void)state;
	says(&plain, "clone", EPERM, "");
	says(&plain, "tmp", ENOSPC, "");
	struct refusal_facts docker = plain;
	docker.container = CONTAINER_DOCKER;
	docker.filtered = true;
	says(&docker, "tmp", ENOMEM, "");
}

static void limits_of_namespaces(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.spaces[0] = 0;
	says(&facts, "clone", ENOSPC,
		"user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=10000");
	says(&facts, "clone", EPERM, "");
	facts.spaces[0] = 5;
	facts.spaces[2] = facts.spaces[6] = 0;
	says(&facts, "clone", ENOSPC,
		"user.max_net_namespaces is 0: sysctl -w user.max_net_namespaces=10000; "
		"user.max_cgroup_namespaces is 0: sysctl -w user.max_cgroup_namespaces=10000");
}

static void settings_that_concern_ordinary_users(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.userns_clone = 0;
	facts.apparmor_userns = 1;
	says(&facts, "clone", EPERM, "");
	facts.user_mode = true;
	facts.apparmor_userns = 0;
	says(&facts, "clone", EPERM,
		"kernel.unprivileged_userns_clone is 0: sysctl -w "
		"kernel.unprivileged_userns_clone=1");
	facts.userns_clone = 1;
	facts.apparmor_userns = 1;
	static const char ubuntu[] =
		"kernel.apparmor_restrict_unprivileged_userns is 1: load "
		"contrib/apparmor/sky-island "
		"into AppArmor, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
	says(&facts, "clone", EACCES, ubuntu);
	/* The profile into which Ubuntu puts who makes one all the same. */
	(void)strcpy(facts.profile, "unprivileged_userns");
	says(&facts, "private mounts", EPERM, ubuntu);
}

static void confinement_by_who_started_us(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.sys_admin = false;
	(void)strcpy(facts.profile, "someone");
	facts.filtered = true;
	says(&facts, "clone", EPERM,
		"AppArmor's profile someone confines us; we are root without CAP_SYS_ADMIN; a "
		"seccomp "
		"filter is on us: of systemd (SystemCallFilter=, RestrictNamespaces=) or a "
		"sandbox");
}

static void containers_are_told_their_own_words(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.sys_admin = false;
	facts.filtered = facts.proc_masked = true;
	(void)strcpy(facts.profile, "docker-default");
	facts.container = CONTAINER_DOCKER;
	says(&facts, "clone", EPERM,
		"this container needs docker run --cap-add SYS_ADMIN --security-opt "
		"seccomp=unconfined --security-opt apparmor=unconfined (docs/containers.md)");
	facts.container = CONTAINER_KUBERNETES;
	says(&facts, "clone", ENOSYS,
		"this container's securityContext needs capabilities: {add: [SYS_ADMIN]}, "
		"seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined} "
		"(docs/containers.md)");
	facts.container = CONTAINER_OTHER;
	facts.profile[0] = '\0';
	says(&facts, "clone", EPERM,
		"this container needs the capability CAP_SYS_ADMIN, no seccomp filter "
		"(docs/containers.md)");
}

static void only_what_is_missing_is_asked_for(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.container = CONTAINER_DOCKER;
	facts.filtered = true;
	says(&facts, "pivot_root", EPERM,
		"this container needs docker run --security-opt seccomp=unconfined "
		"(docs/containers.md)");
	facts.filtered = false;
	facts.proc_masked = true;
	says(&facts, "pivot_root", EPERM, "");
	says(&facts, "begin a jail: proc: Operation not permitted", EPERM,
		"this container needs docker run --security-opt systempaths=unconfined "
		"(docs/containers.md)");
	facts.container = CONTAINER_PODMAN;
	says(&facts, "begin a jail: proc: Operation not permitted", EPERM,
		"this container needs podman run --security-opt unmask=ALL (docs/containers.md)");
}

static void an_ordinary_user_in_a_container_needs_no_capability(void **state)
{
	(void)state;
	struct refusal_facts facts = plain;
	facts.container = CONTAINER_DOCKER;
	facts.user_mode = facts.filtered = true;
	facts.sys_admin = false;
	facts.userns_clone = 0;
	says(&facts, "clone", EPERM,
		"this container needs docker run --security-opt seccomp=unconfined "
		"(docs/containers.md); kernel.unprivileged_userns_clone is 0: sysctl -w "
		"kernel.unprivileged_userns_clone=1");
}

static void networks_of_containers(void **state)
{
	(void)state;
	struct buf why = {0};
	struct refusal_facts facts = plain;
	refusal_net_why(&facts, "bridge: Operation not permitted", &why);
	assert_int_equal(why.len, 0);
	facts.container = CONTAINER_DOCKER;
	facts.filtered = true;
	refusal_net_why(&facts, "bridge: Operation not permitted", &why);
	assert_string_equal(why.data,
		"this container needs docker run --cap-add NET_ADMIN (docs/containers.md)");
	buf_clear(&why);
	facts.net_admin = true;
	refusal_net_why(&facts, "forwarding, in /proc/sys/net: Read-only file system", &why);
	assert_string_equal(why.data,
		"this container needs docker run --security-opt systempaths=unconfined "
		"(docs/containers.md)");
	buf_finish(&why);
}

static void uids_that_a_namespace_has(void **state)
{
	(void)state;
	static const char host[] = "         0          0 4294967295\n";
	static const char container[] = "         0     100000      65536\n";
	static const char two[] = "0 1000 1\n1 100000 65536\n";
	assert_true(userns_maps(host, 199998, 201280));
	assert_false(userns_maps(container, 199998, 201280));
	assert_false(userns_maps(container, 65000, 65536));
	assert_true(userns_maps(container, 65000, 65535));
	assert_false(userns_maps(two, 0, 10));
	assert_true(userns_maps(two, 1, 65536));
	assert_false(userns_maps("", 0, 0));
	assert_false(userns_maps("nonsense\n", 0, 0));
}

static void a_fault_is_explained_once_and_stays_within_its_bounds(void **state)
{
	(void)state;
	struct fault f = {0};
	assert_int_equal(refusal_explain(false, NULL), -1);
	(void)fault_set(&f, FAULT_PLATFORM, ENOENT, "base");
	assert_int_equal(refusal_explain(false, &f), -1);
	assert_string_equal(f.text, "base: No such file or directory");
	memset(f.text, 'x', sizeof(f.text) - 1);
	f.error = EPERM;
	assert_int_equal(refusal_explain(true, &f), -1);
	assert_int_equal(strlen(f.text), sizeof(f.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_where_nothing_is_known),
		cmocka_unit_test(limits_of_namespaces),
		cmocka_unit_test(settings_that_concern_ordinary_users),
		cmocka_unit_test(confinement_by_who_started_us),
		cmocka_unit_test(containers_are_told_their_own_words),
		cmocka_unit_test(only_what_is_missing_is_asked_for),
		cmocka_unit_test(an_ordinary_user_in_a_container_needs_no_capability),
		cmocka_unit_test(networks_of_containers),
		cmocka_unit_test(uids_that_a_namespace_has),
		cmocka_unit_test(a_fault_is_explained_once_and_stays_within_its_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
