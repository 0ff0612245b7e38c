/* function: resolve's forms, unpack's caution; pool: how ends are told apart; api: text that is not
 * UTF-8; steps. */

#include "api/exchange.h"
#include "base/defer.h"
#include "base/fs.h"
#include "function/resolve.h"
#include "function/unpack.h"
#include "jail/steps.h"
#include "pool/run.h"
#include "state/journal.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cmocka.h>

static void import_paths_are_resolved(void **state)
{
	(void)state;
	static const struct {
		const char *url, *version, *package, *resolved;
		int standard, pinned;
	} cases[] = {
		{"strings", NULL, "strings", "latest", 1, 0},
		{"math/big", NULL, "math/big", "latest", 1, 0},
		{"github.com/U/r", NULL, "github.com/U/r", "latest", 0, 0},
		{"https://github.com/u/r", "v1.2.3", "github.com/u/r", "v1.2.3", 0, 1},
		{"github.com/u/r/v2/sub@v2.0.0-rc.1", NULL, "github.com/u/r/v2/sub", "v2.0.0-rc.1",
			0, 1},
		{"gopkg.in/yaml.v3@master", NULL, "gopkg.in/yaml.v3", "master", 0, 0},
		{"example.com/a", "feature/x", "example.com/a", "feature/x", 0, 0},
		{"example.com/a", "v1.2", "example.com/a", "v1.2", 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolve r;
		struct fault f = {0};
		assert_int_equal(resolve_parse(&r, cases[i].url, cases[i].version, &f), 0);
		assert_string_equal(r.package, cases[i].package);
		assert_string_equal(r.version, cases[i].resolved);
		assert_int_equal(r.standard, cases[i].standard);
		assert_int_equal(r.pinned, cases[i].pinned);
		resolve_finish(&r);
	}
}

static void other_urls_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *url, *version, *code;
	} cases[] = {{"", NULL, "url_invalid"}, {"-flag", NULL, "url_invalid"},
		{"example.com/../etc", NULL, "url_invalid"},
		{"example.com/.git", NULL, "url_invalid"}, {"/etc/passwd", NULL, "url_invalid"},
		{"example.com/a/", NULL, "url_invalid"}, {"example.com//a", NULL, "url_invalid"},
		{"example.com/a b", NULL, "url_invalid"}, {"example.com/a./b", NULL, "url_invalid"},
		{"file:///etc", NULL, "url_scheme"}, {"http://example.com/a", NULL, "url_scheme"},
		{"ext::sh", NULL, "url_invalid"}, {"example.com/r.git@v1.0.0", NULL, "url_git"},
		{"example.com/a@", NULL, "version_invalid"},
		{"example.com/a@-x", NULL, "version_invalid"},
		{"example.com/a", "--upload-pack=x", "version_invalid"},
		{"example.com/a", "../x", "version_invalid"},
		{"example.com/a", ">v1", "version_invalid"},
		{"example.com/a@v1.0.0", "v1.0.0", "version_twice"},
		{"strings", "v1.0.0", "version_invalid"},
		{"example.com/\xc3\xa9", NULL, "url_invalid"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolve r;
		struct fault f = {0};
		assert_int_equal(resolve_parse(&r, cases[i].url, cases[i].version, &f), -1);
		assert_string_equal(f.code, cases[i].code);
		assert_int_equal(f.kind, FAULT_INPUT);
	}
}

/* A tar of one entry, in memory. */
static int tar_of(const char *name, unsigned type, const char *text, const char *link)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct archive *out = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	(void)archive_write_set_format_pax_restricted(out);
	assert_int_equal(archive_write_open_fd(out, fd), ARCHIVE_OK);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, 0777);
	archive_entry_set_size(e, type == AE_IFREG && link == NULL ? (la_int64_t)strlen(text) : 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link != NULL)
		archive_entry_set_hardlink(e, link);
	assert_int_equal(archive_write_header(out, e), ARCHIVE_OK);
	if (type == AE_IFREG && link == NULL)
		assert_int_equal(archive_write_data(out, text, strlen(text)), strlen(text));
	archive_entry_free(e);
	assert_int_equal(archive_write_free(out), ARCHIVE_OK);
	return fd;
}

static void archives_cannot_leave_their_directory(void **state)
{
	(void)state;
	static const struct {
		const char *name, *link;
		unsigned type;
	} bad[] = {{"../x", NULL, AE_IFREG}, {"a/../../x", NULL, AE_IFREG},
		{"/etc/x", NULL, AE_IFREG}, {"..", NULL, AE_IFDIR}, {"x", "/etc/passwd", AE_IFLNK},
		{"x", "/etc/passwd", AE_IFREG}, {"x", NULL, AE_IFIFO}, {"x", NULL, AE_IFCHR}};
	char dir[] = "/tmp/sky-test.XXXXXX";
	assert_non_null(mkdtemp(dir));
	defer_free char *to = mem_printf("%s/tree", dir);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fault f = {0};
		defer_close int tar = tar_of(bad[i].name, bad[i].type, "text", bad[i].link);
		assert_int_equal(unpack_tar(tar, to, 1000, &f), -1);
		assert_int_equal(access(to, F_OK), -1);
	}
	struct fault f = {0};
	defer_close int good = tar_of("a/b/file.go", AE_IFREG, "package b", NULL);
	assert_int_equal(unpack_tar(good, to, 9, &f), 0);
	defer_free char *file = mem_printf("%s/a/b/file.go", to);
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fs_remove_all(to, &f), 0);
	assert_int_equal(unpack_tar(good, to, 8, &f), -1);
	assert_string_equal(f.code, "source_too_large");
	assert_int_equal(access(to, F_OK), -1);
	assert_int_equal(fs_remove_all(dir, &f), 0);
}

/* wait(2)'s encodings. */
static int exited(int status)
{
	return status << 8;
}

static void ends_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		int status, oom;
		const char *err;
		enum pool_outcome outcome;
	} cases[] = {
		{0, 0, "panic: not really\n", POOL_VALUE},
		{2 << 8, 0, "panic: x\n\ngoroutine 1 [running]:\n", POOL_PANIC},
		{2 << 8, 0, "noise\npanic: x\n", POOL_PANIC},
		{2 << 8, 0, "it says panic: x in a line\n", POOL_EXIT},
		{2 << 8, 0, "", POOL_EXIT},
		{3 << 8, 0, "panic: x\n", POOL_EXIT},
		{2 << 8, 0, "fatal error: all goroutines are asleep - deadlock!\n", POOL_DEADLOCK},
		{2 << 8, 0, "fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n",
			POOL_DEADLOCK},
		{2 << 8, 0,
			"runtime: goroutine stack exceeds 1-byte limit\nfatal error: stack "
			"overflow\n",
			POOL_STACK_OVERFLOW},
		{2 << 8, 0, "fatal error: runtime: out of memory\n", POOL_OUT_OF_MEMORY},
		{2 << 8, 0, "fatal error: concurrent map writes\n", POOL_PANIC},
		{9, 1, "", POOL_OUT_OF_MEMORY},
		{9, 0, "", POOL_SIGNAL},
		{15, 1, "", POOL_SIGNAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(run_classify(cases[i].status, cases[i].oom != 0, cases[i].err),
			cases[i].outcome);
	assert_int_equal(run_classify(exited(1), false, ""), POOL_EXIT);
}

static void what_is_not_utf8_is_replaced(void **state)
{
	(void)state;
	size_t len;
	bool clean;
	defer_free char *same = text_clean("gr\xc3\xbc\xc3\x9f"
					   "e\0!",
		9, &len, &clean);
	assert_true(clean);
	assert_int_equal(len, 9);
	defer_free char *bad = text_clean("a\xff\xc3"
					  "b\xed\xa0\x80",
		7, &len, &clean);
	assert_false(clean);
	assert_string_equal(bad, "a\xef\xbf\xbd\xef\xbf\xbd"
				 "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	defer_free char *none = text_clean("", 0, &len, &clean);
	assert_non_null(none);
	assert_int_equal(len, 0);
}

/* As jansson writes it, whatever it is. */
static void text_is_quoted(void **state)
{
	(void)state;
	static const char some[] = "\"\\/\b\f\n\r\t\x01\x1f\x7f "
				   "z\xc3\x9f\xe2\x82\xac\xff\xc3\xed\xa0\x80\xf0\x9f\x8f\x9d";
	for (size_t from = 0; from < sizeof(some); from++) {
		struct buf quoted = {0};
		size_t len;
		bool clean;
		defer_free char *text = text_clean(some + from, sizeof(some) - from, &len, &clean);
		json_t *string = json_stringn(text, len);
		defer_free char *wanted = json_dumps(string, JSON_ENCODE_ANY);
		assert_int_equal(text_quote(&quoted, some + from, sizeof(some) - from), clean);
		assert_string_equal(quoted.data, wanted);
		json_decref(string);
		buf_finish(&quoted);
	}
}

static char trail[64];

static void note(char c)
{
	size_t len = strlen(trail);
	trail[len] = c;
	trail[len + 1] = '\0';
}

static int up_a(void *thing, struct fault *f)
{
	(void)f;
	(void)thing;
	note('a');
	return 0;
}

static int up_b(void *thing, struct fault *f)
{
	note('b');
	return *(int *)thing != 0 ? fault_set(f, FAULT_PLATFORM, 0, "no") : 0;
}

static void down_a(void *thing)
{
	(void)thing;
	note('A');
}

static void down_b(void *thing)
{
	(void)thing;
	note('B');
}

static void failed_steps_are_undone_in_reverse(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{"one", up_a, down_a}, {"two", up_a, NULL}, {"three", up_b, down_b}};
	struct fault f = {0};
	int fail = 1;
	trail[0] = '\0';
	assert_int_equal(steps_up(steps, 3, &fail, &f), -1);
	assert_string_equal(trail, "aabA");
	assert_string_equal(f.text, "three: no");
	fail = 0;
	trail[0] = '\0';
	assert_int_equal(steps_up(steps, 3, &fail, &f), 0);
	steps_down(steps, 3, &fail);
	assert_string_equal(trail, "aabBA");
}

static void the_journal_outlives_its_writer(void **state)
{
	(void)state;
	char dir[] = "/tmp/sky-test.XXXXXX";
	assert_non_null(mkdtemp(dir));
	defer_free char *path = mem_printf("%s/journal", dir);
	struct journal j = {0};
	struct fault f = {0};
	assert_int_equal(journal_open(&j, path, 16, &f), 0);
	assert_int_equal(journal_used(&j), 0);
	journal_made(&j, 3);
	journal_made(&j, 5);
	journal_started(&j, 5, getpid());
	journal_close(&j);
	assert_int_equal(journal_open(&j, path, 16, &f), 0);
	assert_int_equal(journal_used(&j), 2);
	/* Ours is the pid, but we are no jail: we live on. */
	journal_kill(&j, 5, "sky-00000000");
	journal_free(&j, 5);
	journal_free(&j, 3);
	assert_int_equal(journal_used(&j), 0);
	journal_close(&j);
	assert_int_equal(fs_remove_all(dir, &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(import_paths_are_resolved),
		cmocka_unit_test(other_urls_are_refused),
		cmocka_unit_test(archives_cannot_leave_their_directory),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(what_is_not_utf8_is_replaced),
		cmocka_unit_test(text_is_quoted),
		cmocka_unit_test(failed_steps_are_undone_in_reverse),
		cmocka_unit_test(the_journal_outlives_its_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
