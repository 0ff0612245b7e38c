/* `-i` on FreeBSD, killed before and in each of its commands: begun again, it comes to the same. */

#include "prepare_result.h"

static unsigned long size_of(const struct world *w, const char *name)
{
	struct stat st;
	defer_free char *path = mem_printf("%s/mirror/%s", w->k.dir, name);
	assert_int_equal(stat(path, &st), 0);
	return (unsigned long)st.st_size;
}

static bool has_middle(const char *line)
{
	return strncmp(line, "zfs snapshot", 12) == 0 || strncmp(line, "zfs", 3) != 0;
}

static void killed_and_goes_on(struct world *w, const char *when, const char *whole)
{
	put_back(w, "14.2-RELEASE");
	fakes_put(&w->k, "kill", when);
	int did = run(w, NODE_INIT);
	if (did != KILLED)
		fail_msg("%s: %d %s", when, did, w->f.text);
	fakes_drop(&w->k, "log");
	if (run(w, NODE_INIT) != 0)
		fail_msg("after %s: %s", when, w->f.text);
	defer_free char *now = result(w);
	if (strcmp(now, whole) != 0)
		fail_msg("after %s:\n%s\ninstead of\n%s", when, now, whole);
	assert_int_equal(brought(w, "base.txz"), size_of(w, "base.txz"));
	assert_int_equal(brought(w, "lib32.txz"), size_of(w, "lib32.txz"));
	assert_int_equal(brought(w, "toolchain"), 1);
}

static void killed_anywhere_it_goes_on(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *whole = result(w);
	defer_free char *log = fakes_log(&w->k);
	unsigned kills = 0;
	unsigned number = 0;
	char *save = NULL;
	for (char *line = strtok_r(log, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char when[32];
		number++;
		for (int i = 0; changes(line) && i < (has_middle(line) ? 2 : 1); i++, kills++) {
			(void)snprintf(
				when, sizeof(when), "%u %s\n", number, i == 0 ? "before" : "amid");
			killed_and_goes_on(w, when, whole);
		}
	}
	assert_int_equal(kills, 27);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(killed_anywhere_it_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
