/* Unit tests of what may be taken of memory, in files as the kernel has them. */

#include "base/memory.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t mib = 1 << 20;
static char top[] = "/tmp/sky-memory-XXXXXX";

static void put(const char *name, const char *text)
{
	struct fault f = {0};
	defer_free char *path = mem_printf("%s/%s", top, name);
	defer_free char *dir = mem_printf("%s", path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(fs_mkdirs(dir, 0700, &f), 0);
	assert_int_equal(fs_write(path, text, strlen(text), 0600, &f), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL)
		return -1;
	put("proc/meminfo",
		"MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n");
	put("proc/self/cgroup", "0::/system.slice/sky.service/sky-01234567/self\n");
	put("cg/system.slice/memory.max", "max\n");
	put("cg/system.slice/sky.service/memory.max", "max\n");
	put("cg/system.slice/sky.service/memory.high", "max\n");
	put("cg/system.slice/sky.service/memory.current", "629145600\n"); /* 600 MiB */
	put("cg/system.slice/sky.service/memory.stat",
		"anon 1\nfile 209715200\ninactive_file 52428800\nactive_file 52428800\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return fs_remove_all(top, NULL);
}

static void find(struct memory *m)
{
	defer_free char *proc = mem_printf("%s/proc", top);
	defer_free char *cgroups = mem_printf("%s/cg", top);
	memory_find(m, proc, cgroups);
}

static void the_host_alone(void **state)
{
	(void)state;
	struct memory m;
	find(&m);
	assert_string_equal(m.group, "/system.slice/sky.service/sky-01234567/self");
	assert_int_equal(memory_total(&m), 8192 * mib);
	assert_int_equal(memory_available(&m), 4096 * mib);
}

static void a_limit_of_the_service(void **state)
{
	(void)state;
	struct memory m;
	find(&m);
	put("cg/system.slice/sky.service/memory.max", "1073741824\n");
	assert_int_equal(memory_total(&m), 1024 * mib);
	/* 600 are used, of which 100 are files that make way. */
	assert_int_equal(memory_available(&m), 524 * mib);
	put("cg/system.slice/sky.service/memory.high", "734003200\n"); /* 700 */
	assert_int_equal(memory_total(&m), 700 * mib);
	assert_int_equal(memory_available(&m), 200 * mib);
	put("cg/system.slice/sky.service/memory.high", "1048576\n");
	assert_int_equal(memory_available(&m), 0);
	put("cg/system.slice/memory.max", "0\n");
	assert_int_equal(memory_total(&m), 0);
	put("cg/system.slice/memory.max", "max\n");
	put("cg/system.slice/sky.service/memory.max", "max\n");
	put("cg/system.slice/sky.service/memory.high", "max\n");
}

static void pressure(void **state)
{
	(void)state;
	struct memory m;
	find(&m);
	assert_false(memory_is_pressed(&m)); /* a kernel without */
	put("proc/pressure/memory", "some avg10=9.99 avg60=50.00 avg300=0.00 total=1\n"
				    "full avg10=99.00 avg60=0.00 avg300=0.00 total=1\n");
	assert_false(memory_is_pressed(&m));
	put("cg/system.slice/sky.service/sky-01234567/memory.pressure",
		"some avg10=10.00 avg60=0.00 avg300=0.00 total=1\n");
	assert_true(memory_is_pressed(&m));
	put("cg/system.slice/sky.service/sky-01234567/memory.pressure", "some avg10=0.00\n");
	assert_false(memory_is_pressed(&m));
	put("proc/pressure/memory", "some avg10=100.00 avg60=50.00 avg300=0.00 total=1\n");
	assert_true(memory_is_pressed(&m));
}

static void nothing_to_be_found(void **state)
{
	(void)state;
	struct memory m;
	memory_find(&m, "/nonexistent", "/nonexistent");
	assert_string_equal(m.group, "");
	assert_int_equal(memory_total(&m), UINT64_MAX);
	assert_int_equal(memory_available(&m), UINT64_MAX);
	assert_false(memory_is_pressed(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_alone),
		cmocka_unit_test(a_limit_of_the_service),
		cmocka_unit_test(pressure),
		cmocka_unit_test(nothing_to_be_found),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
