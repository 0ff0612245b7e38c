/*
 * The program is written from its end to its beginning: whatever is jumped to is there already. A
 * position is the number of instructions from there to the end. Conditional jumps reach 255
 * instructions; what lies further is jumped to twice, and verdicts are simply given again nearby.
 */

#include "jail/linux/bpf.h"

#include <assert.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VERDICTS_MAX = 16, REACH = 250 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an argument's lower half comes first");

struct writing {
	struct sock_filter code[BPF_MAXINSNS];
	unsigned length; /* code's last ones are written */
	struct {
		uint32_t verdict;
		unsigned at;
	} returns[VERDICTS_MAX];
	unsigned verdicts;
};

/* A run of calls with the same verdict, or one call with rules of its own. */
struct range {
	uint32_t from;
	unsigned at;
};

static unsigned put(struct writing *w, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
	if (w->length == BPF_MAXINSNS)
		return w->length;
	w->length++;
	w->code[BPF_MAXINSNS - w->length] = (struct sock_filter){
		.code = (uint16_t)code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = k};
	return w->length;
}

static unsigned load(struct writing *w, size_t offset)
{
	return put(w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static unsigned verdict(struct writing *w, uint32_t value)
{
	unsigned i = 0;
	while (i < w->verdicts && w->returns[i].verdict != value)
		i++;
	if (i == w->verdicts || w->length - w->returns[i].at > REACH) {
		if (i == VERDICTS_MAX)
			return put(w, BPF_RET | BPF_K, value, 0, 0);
		w->verdicts += i == w->verdicts;
		w->returns[i].verdict = value;
		w->returns[i].at = put(w, BPF_RET | BPF_K, value, 0, 0);
	}
	return w->returns[i].at;
}

static unsigned within_reach(struct writing *w, unsigned at)
{
	if (w->length - at <= REACH)
		return at;
	return put(w, BPF_JMP | BPF_JA, w->length - at, 0, 0);
}

static unsigned jump(struct writing *w, unsigned how, uint32_t k, unsigned yes, unsigned no)
{
	yes = within_reach(w, yes);
	no = within_reach(w, no);
	return put(w, BPF_JMP | how | BPF_K, k, w->length - yes, w->length - no);
}

/* The rule before has left this argument loaded, wherever its test failed. */
static bool loaded(const struct bpf_rule *rule, const struct bpf_rule *before)
{
	return before != NULL && before->tests == 1 && before->test[0].mask == UINT32_MAX &&
	       before->test[0].argument == rule->test[0].argument;
}

static unsigned rule_write(struct writing *w, const struct bpf_rule *rule,
	const struct bpf_rule *before, unsigned next)
{
	unsigned at = verdict(w, rule->verdict);
	for (unsigned i = rule->tests; i-- > 0;) {
		const struct bpf_test *test = &rule->test[i];
		at = jump(w, BPF_JEQ, test->value, at, next);
		if (test->mask != UINT32_MAX)
			at = put(w, BPF_ALU | BPF_AND | BPF_K, test->mask, 0, 0);
		if (i > 0 || !loaded(rule, before))
			at = load(w, offsetof(struct seccomp_data, args) + 8 * test->argument);
	}
	return at;
}

/* What the rules of one call say, tried in their order. */
static unsigned call_write(
	struct writing *w, const struct bpf_rule *rules, size_t count, unsigned other)
{
	unsigned at = other;
	for (size_t i = count; i-- > 0;)
		at = rule_write(w, &rules[i], i > 0 ? &rules[i - 1] : NULL, at);
	return at;
}

static unsigned bisect(struct writing *w, const struct range *ranges, size_t count)
{
	if (count == 1)
		return ranges[0].at;
	const size_t half = count / 2;
	unsigned upper = bisect(w, ranges + half, count - half);
	unsigned lower = bisect(w, ranges, half);
	return jump(w, BPF_JGE, ranges[half].from, upper, lower);
}

static void range_add(struct range *ranges, size_t *count, uint32_t from, unsigned at)
{
	if (*count > 0 && ranges[*count - 1].from == from)
		(*count)--; /* nothing lies between two calls */
	if (*count > 0 && ranges[*count - 1].at == at)
		return;
	ranges[(*count)++] = (struct range){from, at};
}

/* By number; those of one call stay in their order. */
static void rules_sort(struct bpf_rule *rules, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct bpf_rule rule = rules[i];
		size_t to = i;
		for (; to > 0 && rules[to - 1].nr > rule.nr; to--)
			rules[to] = rules[to - 1];
		rules[to] = rule;
	}
}

static unsigned calls_write(
	struct writing *w, const struct bpf_rule *rules, size_t count, unsigned other)
{
	struct range ranges[2 * BPF_RULES_MAX + 1];
	size_t made = 0;
	range_add(ranges, &made, 0, other);
	for (size_t i = 0, same; i < count; i += same) {
		for (same = 1; i + same < count && rules[i + same].nr == rules[i].nr;)
			same++;
		unsigned at = call_write(w, rules + i, same, other);
		range_add(ranges, &made, (uint32_t)rules[i].nr, at);
		range_add(ranges, &made, (uint32_t)rules[i].nr + 1, other);
	}
	return bisect(w, ranges, made);
}

static void tables_write(struct writing *w, uint32_t architecture, unsigned calls, unsigned other)
{
	const unsigned end = verdict(w, SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
	/* x32's calls have a bit more; -1 is none, but a tracer's. */
	unsigned upper = jump(w, BPF_JEQ, UINT32_MAX, other, end);
	calls = jump(w, BPF_JGE, 0x40000000 /* __X32_SYSCALL_BIT */, upper, calls);
#endif
	(void)other;
	if (calls != w->length)
		(void)put(w, BPF_JMP | BPF_JA, w->length - calls, 0, 0);
	calls = load(w, offsetof(struct seccomp_data, nr));
	(void)jump(w, BPF_JEQ, architecture, calls, end);
	(void)load(w, offsetof(struct seccomp_data, arch));
}

int bpf_compile(struct bpf_rule *rules, size_t count, uint32_t architecture, uint32_t other,
	struct sock_fprog *program)
{
	struct writing w;
	w.length = w.verdicts = 0;
	if (count > BPF_RULES_MAX)
		return -1;
	rules_sort(rules, count);
	const unsigned otherwise = verdict(&w, other);
	tables_write(&w, architecture, calls_write(&w, rules, count, otherwise), otherwise);
	const size_t size = w.length * sizeof(w.code[0]);
	struct sock_filter *code = w.length < BPF_MAXINSNS ? malloc(size) : NULL;
	if (code == NULL)
		return -1;
	memcpy(code, &w.code[BPF_MAXINSNS - w.length], size);
	*program = (struct sock_fprog){.len = (unsigned short)w.length, .filter = code};
	return 0;
}
