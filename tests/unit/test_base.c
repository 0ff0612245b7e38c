/* base: fault, buf, clock, fs, fdpass, tree, proc. */

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fault.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/table.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

static void a_fault_is_wrapped_with_context(void **state)
{
	(void)state;
	struct fault f = {0};
	assert_int_equal(fault_set(&f, FAULT_PLATFORM, ENOENT, "open %s", "x"), -1);
	assert_string_equal(f.text, "open x: No such file or directory");
	assert_int_equal(fault_wrap(&f, "config"), -1);
	assert_string_equal(f.text, "config: open x: No such file or directory");
	assert_int_equal(f.kind, FAULT_PLATFORM);
}

static void a_full_disk_is_told_from_other_failures(void **state)
{
	(void)state;
	struct fault f = {0};
	(void)fault_set(&f, FAULT_PLATFORM, ENOSPC, "write");
	assert_int_equal(f.kind, FAULT_FULL);
	(void)fault_set(&f, FAULT_INPUT, ENOSPC, "write");
	assert_int_equal(f.kind, FAULT_INPUT);
}

static void a_long_fault_is_cut(void **state)
{
	(void)state;
	struct fault f = {0};
	char text[3000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)fault_set(&f, FAULT_INPUT, 0, "%s", text);
	(void)fault_wrap(&f, "context");
	assert_int_equal(strlen(f.text), sizeof(f.text) - 1);
	assert_memory_equal(f.text, "context: xxx", 12);
}

static void a_buf_keeps_its_limit(void **state)
{
	(void)state;
	defer_buf struct buf b = {0};
	buf_limit(&b, 4);
	buf_append(&b, "abc", 3);
	buf_append(&b, "de", 2);
	assert_int_equal(b.len, 3);
	assert_string_equal(b.data, "abc");
	buf_consume(&b, 2);
	assert_string_equal(b.data, "c");
	buf_consume(&b, 9);
	assert_int_equal(b.len, 0);
}

static void numbers_are_little_endian(void **state)
{
	(void)state;
	defer_buf struct buf b = {0};
	buf_put_u16(&b, 0x0102);
	buf_put_u32(&b, 0x03040506);
	buf_put_u64(&b, 0x0708090a0b0c0d0eU);
	const unsigned char want[] = {2, 1, 6, 5, 4, 3, 0xe, 0xd, 0xc, 0xb, 0xa, 9, 8, 7};
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
}

static void decimals_have_their_places(void **state)
{
	(void)state;
	struct buf b = {0};
	static const struct {
		uint64_t value;
		unsigned decimals;
	} given[] = {
		{0, 0}, {0, 3}, {7, 3}, {1234, 3}, {1000, 1}, {UINT64_MAX, 0}, {UINT64_MAX, 3}};
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		buf_put_decimal(&b, given[i].value, given[i].decimals);
		buf_putc(&b, ' ');
	}
	assert_string_equal(
		b.data, "0 0.000 0.007 1.234 100.0 18446744073709551615 18446744073709551.615 ");
	buf_finish(&b);
}

static void durations_are_read_as_go_reads_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {{"5s", 5000000000}, {"250ms", 250000000}, {"1h30m", 5400000000000},
		{"1.5s", 1500000000}, {"8h", 28800000000000}, {"10us", 10000}, {"0", 0}, {"1ns", 1},
		{"", -1}, {"5", -1}, {"s", -1}, {"-5s", -1}, {"5 s", -1}, {"5sx", -1}, {".s", -1},
		{"99999999h", -1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(clock_parse_duration(cases[i].text), cases[i].ns);
}

static char *scratch(void)
{
	char template[] = "/tmp/sky-test.XXXXXX";
	assert_non_null(mkdtemp(template));
	return mem_strdup(template);
}

static void files_are_written_whole(void **state)
{
	(void)state;
	struct fault f = {0};
	size_t len;
	defer_free char *dir = scratch();
	defer_free char *deep = mem_printf("%s/a/b/c", dir);
	defer_free char *path = mem_printf("%s/file", deep);
	assert_int_equal(fs_mkdirs(deep, 0755, &f), 0);
	assert_int_equal(fs_mkdirs(deep, 0755, &f), 0);
	assert_int_equal(fs_write(path, "hello", 5, 0640, &f), 0);

	/* What one that was killed has left is taken away, whatever it is. */
	defer_free char *part = mem_printf("%s.part", path);
	struct stat st;
	assert_int_equal(link(path, part), 0);
	assert_int_equal(fs_write(path, "world!", 6, 0600, &f), 0);
	assert_int_equal(stat(part, &st), -1);
	assert_int_equal(symlink(dir, part), 0);
	assert_int_equal(fs_write(path, "world!", 6, 0600, &f), 0);
	assert_int_equal(lstat(part, &st), -1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	defer_free char *text = fs_read(path, 100, &len, &f);
	assert_string_equal(text, "world!");
	assert_int_equal(len, 6);
	assert_null(fs_read(path, 5, NULL, &f));
	assert_int_equal(f.kind, FAULT_TOO_LARGE);
	assert_int_equal(fs_remove_all(dir, &f), 0);
	assert_null(fs_read(path, 100, NULL, &f));
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	assert_int_equal(fs_remove_all(dir, &f), 0);
}

static void removal_follows_no_links(void **state)
{
	(void)state;
	struct fault f = {0};
	defer_free char *dir = scratch();
	defer_free char *kept = scratch();
	defer_free char *file = mem_printf("%s/file", kept);
	defer_free char *link = mem_printf("%s/link", dir);
	assert_int_equal(fs_write(file, "x", 1, 0600, &f), 0);
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(chmod(dir, 0500), 0);
	assert_int_equal(fs_remove_all(dir, &f), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(fs_remove_all(kept, &f), 0);
}

static void descriptors_travel_with_messages(void **state)
{
	(void)state;
	int pair[2];
	int pipes[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fdpass_send(pair[0], "abc", 3, pipes, 2), 0);
	char text[8] = "";
	int fds[2];
	unsigned count = 2;
	assert_int_equal(fdpass_receive(pair[1], text, sizeof(text), fds, &count), 3);
	assert_int_equal(count, 2);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fds[1], "!", 1), 1);
	assert_int_equal(read(pipes[0], text, 1), 1);
	/* More than asked for: an error, and none of them stays open. */
	int next = dup(0);
	(void)close(next);
	assert_int_equal(fdpass_send(pair[0], "abc", 3, pipes, 2), 0);
	count = 1;
	assert_int_equal(fdpass_receive(pair[1], text, sizeof(text), fds, &count), -1);
	int again = dup(0);
	assert_int_equal(again, next);
	(void)close(again);
	assert_int_equal(fdpass_send(pair[0], "too long to fit", 15, NULL, 0), 0);
	count = 0;
	assert_int_equal(fdpass_receive(pair[1], text, sizeof(text), fds, &count), -1);
	(void)close(pair[0]);
	assert_int_equal(fdpass_receive(pair[1], text, sizeof(text), fds, &count), 0);
}

struct entry {
	struct table_node node;
	int value;
};

static void a_table_finds_by_text(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	struct table table = {0};
	struct entry *all = mem_zero(MANY, sizeof(*all));
	char keys[MANY][8];
	assert_null(table_find(&table, "0"));
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "%d", i);
		all[i] = (struct entry){{.key = keys[i]}, i};
		table_add(&table, &all[i].node);
	}
	for (int i = 0; i < MANY; i += 2)
		table_remove(&table, &all[i].node);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(table_find(&table, keys[i]), i % 2 == 0 ? NULL : &all[i]);
	assert_int_equal(table.count, MANY / 2);
	free(table.buckets);
	free(all);
}

static void a_program_that_fails_says_why(void **state)
{
	(void)state;
	struct fault f = {0};
	defer_buf struct buf out = {0};
	char *const good[] = {
		(char *)"/bin/sh", (char *)"-c", (char *)"echo one; echo two >&2; pwd", NULL};
	char *const bad[] = {(char *)"/bin/sh", (char *)"-c",
		(char *)"echo first; echo the reason; exit 3", NULL};
	char *const none[] = {NULL};
	struct proc_spec spec = {.argv = good, .env = none, .dir = "/"};
	assert_int_equal(proc_run(&spec, &out, &f), 0);
	assert_string_equal(out.data, "one\ntwo\n/\n");
	spec.argv = bad;
	assert_int_equal(proc_run(&spec, NULL, &f), -1);
	assert_string_equal(f.text, "/bin/sh ended with status 3: the reason");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_is_wrapped_with_context),
		cmocka_unit_test(a_full_disk_is_told_from_other_failures),
		cmocka_unit_test(a_long_fault_is_cut),
		cmocka_unit_test(a_buf_keeps_its_limit),
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(decimals_have_their_places),
		cmocka_unit_test(durations_are_read_as_go_reads_them),
		cmocka_unit_test(files_are_written_whole),
		cmocka_unit_test(removal_follows_no_links),
		cmocka_unit_test(descriptors_travel_with_messages),
		cmocka_unit_test(a_table_finds_by_text),
		cmocka_unit_test(a_program_that_fails_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
