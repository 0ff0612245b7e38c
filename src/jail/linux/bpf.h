/*
 * Rules on system calls → a program for seccomp(2), in classic BPF (bpf(4) of FreeBSD, filter.txt of
 * the kernel). Each jail's filter is compiled by the kernel anew, and that takes as long as it has
 * instructions: so calls of one verdict side by side are one range, found by bisection.
 * libseccomp's programs for the same rules are twice as long; a test holds both beside each other.
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum { BPF_TESTS_MAX = 3, BPF_RULES_MAX = 512 };

/* (argument & mask) == value; of the argument its lower 32 bits: the kernel takes the flags and
 * commands that are tested here from those alone. */
struct bpf_test {
	unsigned argument; /* 0 to 5 */
	uint32_t mask, value;
};

/* Of several rules for one call the first whose tests all hold decides. */
struct bpf_rule {
	int nr;
	uint32_t verdict; /* SECCOMP_RET_… */
	unsigned tests;
	struct bpf_test test[BPF_TESTS_MAX];
};

/* The program for calls by the table of `architecture` (AUDIT_ARCH_…); calls by another one, and
 * those of x32, end the process. What no rule decides gets `other`. `rules` are put in order.
 * Returns 0 with code that is the caller's to free; -1 where memory or the kernel's longest
 * program (4096 instructions) does not suffice. */
int bpf_compile(struct bpf_rule *rules, size_t count, uint32_t architecture, uint32_t other,
	struct sock_fprog *program);
