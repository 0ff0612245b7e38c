#pragma once

/*
 * fuzz_standalone: a main for fuzzers where there is no libFuzzer: `fuzz FILE…` runs each file
 * once; `fuzz [N]` runs N random mutations (100000) of the seeds, the same ones every time.
 * Included once, by the fuzzer, with FUZZ_STANDALONE defined.
 */

#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fuzz_seed {
	const char *data;
	size_t len;
};

#define SEED(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* xorshift64: Marsaglia, "Xorshift RNGs" (2003). */
static uint64_t fuzz_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A copy of the exact size, so that the sanitizer sees a read past the end. */
static void fuzz_one(const char *data, size_t len)
{
	uint8_t *copy = mem_alloc(len);
	if (len > 0)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void fuzz_mutate(
	struct buf *b, const struct fuzz_seed *other, const char *bytes, uint64_t *rng)
{
	size_t at = b->len == 0 ? 0 : fuzz_random(rng) % b->len;
	size_t from = other->len == 0 ? 0 : fuzz_random(rng) % other->len;
	size_t n = fuzz_random(rng) % 8;
	switch (fuzz_random(rng) % 6) {
	case 0: /* flip bits */
		if (b->len > 0)
			b->data[at] = (char)(b->data[at] ^ (1 << (n & 7)));
		break;
	case 1: /* overwrite with a telling byte */
		if (b->len > 0)
			b->data[at] = bytes[fuzz_random(rng) % strlen(bytes)];
		break;
	case 2: /* drop the first bytes */
		buf_consume(b, n);
		break;
	case 3: /* cut */
		if (b->len > 0)
			b->data[b->len = at] = '\0';
		break;
	case 4: /* append another's end */
		buf_append(b, other->data + from, other->len - from);
		break;
	default: /* insert a telling byte */
		buf_putc(b, '\0');
		memmove(b->data + at + 1, b->data + at, b->len - 1 - at);
		b->data[at] = bytes[fuzz_random(rng) % strlen(bytes)];
		break;
	}
}

static void fuzz_seeds(const struct fuzz_seed *seeds, size_t count, const char *bytes, long runs)
{
	uint64_t rng = 0x9E3779B97F4A7C15;
	struct buf b = {0};
	for (size_t i = 0; i < count; i++)
		fuzz_one(seeds[i].data, seeds[i].len);
	for (long run = 0; run < runs; run++) {
		const struct fuzz_seed *seed = &seeds[fuzz_random(&rng) % count];
		buf_clear(&b);
		buf_append(&b, seed->data, seed->len);
		for (uint64_t n = fuzz_random(&rng) % 6 + 1; n > 0; n--)
			fuzz_mutate(&b, &seeds[fuzz_random(&rng) % count], bytes, &rng);
		fuzz_one(b.data, b.len);
	}
	buf_finish(&b);
}

static int fuzz_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	struct buf b = {0};
	size_t n;
	while ((n = fread(buf_reserve(&b, 4096), 1, 4096, file)) > 0)
		b.len += n;
	(void)fclose(file);
	fuzz_one(b.data, b.len);
	buf_finish(&b);
	return EXIT_SUCCESS;
}

/* `bytes`: those that mean something in this input, for mutations. */
static int fuzz_main(
	int argc, char **argv, const struct fuzz_seed *seeds, size_t count, const char *bytes)
{
	char *end = NULL;
	long runs = argc == 2 ? strtol(argv[1], &end, 10) : 100000;
	if (argc <= 1 || (end != NULL && *end == '\0')) {
		fuzz_seeds(seeds, count, bytes, runs);
		return EXIT_SUCCESS;
	}
	int status = EXIT_SUCCESS;
	for (int i = 1; i < argc; i++) {
		if (fuzz_file(argv[i]) != EXIT_SUCCESS)
			status = EXIT_FAILURE;
	}
	return status;
}
