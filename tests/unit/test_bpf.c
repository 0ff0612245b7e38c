/* Programs of seccomp's filters, out of rules by chance, beside those that libseccomp makes of the same rules. */

#include "jail/linux/bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "bpf_machine.h"

enum { CALLS = 470, ROUNDS = 36, OTHER = SECCOMP_RET_ERRNO | EPERM };

static uint32_t chance_state;

/* xorshift (Marsaglia 2003): the same numbers everywhere. */
static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 17;
	chance_state ^= chance_state << 5;
	return chance_state % below;
}

/* Tests of one argument by whole values, by bits, or of three arguments. */
static struct bpf_test test_by_chance(unsigned argument, unsigned how)
{
	const uint32_t bits = 1U << chance(8);
	struct bpf_test test = {argument, UINT32_MAX, chance(8)};
	if (how == 1)
		test = (struct bpf_test){argument, bits, chance(2) ? bits : 0};
	return test;
}

/* Rules of a call, all of one kind; those by values may differ in their verdicts. */
static size_t call_by_chance(struct bpf_rule *rules, int nr)
{
	static const uint32_t verdicts[] = {
		SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ERRNO | 0};
	const unsigned how = chance(4), argument = chance(6);
	const size_t count = how == 3 ? 1 : 1 + chance(5);
	const uint32_t verdict = verdicts[chance(3)];
	for (unsigned i = 0; i < count; i++) {
		rules[i] = (struct bpf_rule){.nr = nr, .verdict = verdict};
		if (how == 3)
			continue;
		rules[i].tests = how == 2 ? 3 : 1;
		for (unsigned t = 0; t < rules[i].tests; t++)
			rules[i].test[t] = test_by_chance((argument + t) % 6, how);
		if (how == 0) {
			rules[i].test[0].value = i; /* each its own: the first is the only one */
			rules[i].verdict = verdicts[chance(3)];
		}
	}
	return count;
}

static size_t rules_by_chance(struct bpf_rule *rules, unsigned one_in)
{
	size_t count = 0;
	for (int nr = 0; nr < CALLS && count + 5 < BPF_RULES_MAX; nr++) {
		if (chance(one_in) == 0)
			count += call_by_chance(rules + count, nr);
	}
	for (size_t i = 0; i < count; i++) { /* in no order, but for those of one call */
		const size_t j = chance((uint32_t)count);
		if (rules[i].tests == 0 && rules[j].tests == 0) {
			const struct bpf_rule rule = rules[i];
			rules[i] = rules[j];
			rules[j] = rule;
		}
	}
	return count;
}

static uint32_t action(uint32_t verdict)
{
	return verdict == SECCOMP_RET_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(verdict & 0xffff);
}

/* The same by libseccomp. */
static struct sock_fprog reference(const struct bpf_rule *rules, size_t count)
{
	static struct sock_filter code[1 << 15];
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	assert_int_equal(
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	for (size_t i = 0; i < count; i++) {
		struct scmp_arg_cmp tests[BPF_TESTS_MAX];
		for (unsigned t = 0; t < rules[i].tests; t++) {
			const struct bpf_test *test = &rules[i].test[t];
			tests[t] = (struct scmp_arg_cmp){
				test->argument, SCMP_CMP_MASKED_EQ, test->mask, test->value};
		}
		assert_int_equal(seccomp_rule_add_exact_array(filter, action(rules[i].verdict),
					 rules[i].nr, rules[i].tests, tests),
			0);
	}
	int fd = memfd_create("reference", MFD_CLOEXEC);
	struct stat st;
	assert_int_equal(seccomp_export_bpf(filter, fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((size_t)st.st_size < sizeof(code));
	assert_int_equal(pread(fd, code, (size_t)st.st_size, 0), st.st_size);
	(void)close(fd);
	seccomp_release(filter);
	return (struct sock_fprog){
		.len = (unsigned short)((size_t)st.st_size / sizeof(code[0])), .filter = code};
}

static void same(
	const struct sock_fprog *a, const struct sock_fprog *b, uint32_t architecture, int nr)
{
	struct seccomp_data data = {.nr = nr, .arch = architecture};
	for (size_t i = 0; i < 6; i++)
		data.args[i] = chance(4) ? chance(8) : chance(256);
	const uint32_t ours = bpf_run(a, &data), theirs = bpf_run(b, &data);
	if (ours != theirs)
		fail_msg("call %d(%llu, %llu, %llu, …): %#x, libseccomp says %#x", nr,
			(unsigned long long)data.args[0], (unsigned long long)data.args[1],
			(unsigned long long)data.args[2], ours, theirs);
}

static void compare(struct bpf_rule *rules, size_t count)
{
	struct sock_fprog program;
	const struct sock_fprog wanted = reference(rules, count);
	assert_int_equal(bpf_compile(rules, count, seccomp_arch_native(), OTHER, &program), 0);
	assert_true(program.len <= wanted.len);
	for (int nr = 0; nr < CALLS + 10; nr++) {
		for (int i = 0; i < 20; i++)
			same(&program, &wanted, seccomp_arch_native(), nr);
	}
	same(&program, &wanted, seccomp_arch_native(), -1);
	same(&program, &wanted, seccomp_arch_native() ^ 1, 0);
#ifdef __x86_64__
	same(&program, &wanted, seccomp_arch_native(), 0x40000000);
	same(&program, &wanted, seccomp_arch_native(), 0x40000001);
#endif
	free(program.filter);
}

static void as_libseccomp_decides(void **state)
{
	(void)state;
	static struct bpf_rule rules[BPF_RULES_MAX];
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		chance_state = round;
		compare(rules, rules_by_chance(rules, 1 + round % 9));
	}
}

static void the_first_rule_that_holds_decides(void **state)
{
	(void)state;
	struct bpf_rule rules[] = {{7, SECCOMP_RET_ALLOW, 1, {{1, UINT32_MAX, 5}}},
		{3, SECCOMP_RET_ALLOW, 0, {{0}}}, {7, SECCOMP_RET_ERRNO | ENOSYS, 0, {{0}}},
		{7, SECCOMP_RET_ALLOW, 0, {{0}}}};
	struct sock_fprog program;
	assert_int_equal(bpf_compile(rules, 4, 1, OTHER, &program), 0);
	struct seccomp_data data = {.nr = 7, .arch = 1, .args = {0, 5}};
	assert_int_equal(bpf_run(&program, &data), SECCOMP_RET_ALLOW);
	data.args[1] = 6;
	assert_int_equal(bpf_run(&program, &data), SECCOMP_RET_ERRNO | ENOSYS);
	free(program.filter);
}

static void no_rules(void **state)
{
	(void)state;
	struct sock_fprog program;
	assert_int_equal(bpf_compile(NULL, 0, 1, OTHER, &program), 0);
	struct seccomp_data data = {.nr = 7, .arch = 1};
	assert_int_equal(bpf_run(&program, &data), OTHER);
	data.arch = 2;
	assert_int_equal(bpf_run(&program, &data), SECCOMP_RET_KILL_PROCESS);
	free(program.filter);
}

static void too_long(void **state)
{
	(void)state;
	static struct bpf_rule rules[BPF_RULES_MAX + 1];
	struct sock_fprog program;
	for (int i = 0; i <= BPF_RULES_MAX; i++)
		rules[i] = (struct bpf_rule){
			i, SECCOMP_RET_ALLOW, 3, {{0, 1, 1}, {1, 1, 1}, {2, 1, 1}}};
	assert_int_equal(bpf_compile(rules, BPF_RULES_MAX + 1, 1, OTHER, &program), -1);
	assert_int_equal(bpf_compile(rules, BPF_RULES_MAX, 1, OTHER, &program), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_libseccomp_decides),
		cmocka_unit_test(the_first_rule_that_holds_decides),
		cmocka_unit_test(no_rules),
		cmocka_unit_test(too_long),
	};
	/* What libseccomp can is as the kernel can; an emulator has none to ask. */
	(void)seccomp_api_set(3);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
