/* Classic BPF run as the kernel would (include after setjmp.h, stdarg.h, stddef.h and cmocka.h): what seccomp's filters
 * consist of. An instruction that it does not know fails the test. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct machine {
	const struct sock_fprog *program;
	const struct seccomp_data *data;
	uint32_t a, x, memory[BPF_MEMWORDS];
};

static bool holds(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default:
		return (a & k) != 0;
	}
}

/* One instruction that is no jump and no return. */
static void step(struct machine *m, const struct sock_filter *at)
{
	switch (at->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		assert_true(at->k + sizeof(m->a) <= sizeof(*m->data));
		memcpy(&m->a, (const char *)m->data + at->k, sizeof(m->a));
		break;
	case BPF_ALU | BPF_AND | BPF_K:
		m->a &= at->k;
		break;
	case BPF_ST:
		m->memory[at->k] = m->a;
		break;
	case BPF_LD | BPF_MEM:
		m->a = m->memory[at->k];
		break;
	case BPF_MISC | BPF_TAX:
		m->x = m->a;
		break;
	case BPF_MISC | BPF_TXA:
		m->a = m->x;
		break;
	default:
		fail_msg("instruction %#x is not known here", at->code);
	}
}

static uint32_t bpf_run(const struct sock_fprog *program, const struct seccomp_data *data)
{
	struct machine machine = {.program = program, .data = data}, *m = &machine;
	for (unsigned at = 0; at < m->program->len; at++) {
		const struct sock_filter *i = &m->program->filter[at];
		if (BPF_CLASS(i->code) == BPF_RET)
			return i->k;
		if (i->code == (BPF_JMP | BPF_JA))
			at += i->k;
		else if (BPF_CLASS(i->code) == BPF_JMP)
			at += holds(i->code, m->a, i->k) ? i->jt : i->jf;
		else
			step(m, i);
	}
	fail_msg("the filter has no end");
	return 0;
}
