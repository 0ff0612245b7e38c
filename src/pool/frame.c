#include "pool/frame.h"

#include <string.h>

static uint32_t u32_at(const char *at)
{
	const unsigned char *p = (const unsigned char *)at;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int frame_peek(const struct buf *in, enum frame_type *type, const char **payload, size_t *len)
{
	if (in->len < 4)
		return 0;
	uint32_t size = u32_at(in->data);
	if (size == 0 || size > FRAME_MAX)
		return -1;
	if (in->len >= 5 && memchr("RCVQPDEJ", in->data[4], 8) == NULL)
		return -1;
	if (in->len - 4 < size)
		return 0;
	*type = (enum frame_type)in->data[4];
	*payload = in->data + 5;
	*len = size - 1;
	return 1;
}

void frame_next(struct buf *in)
{
	buf_consume(in, 4 + (size_t)u32_at(in->data));
}

void frame_put_call(struct buf *out, unsigned flags, int64_t timeout_ns, const char *name,
	const struct buf *rest)
{
	size_t name_len = strlen(name);
	buf_put_u32(out, (uint32_t)(1 + 1 + 8 + 2 + name_len + rest->len));
	buf_putc(out, FRAME_CALL);
	buf_putc(out, (char)flags);
	buf_put_u64(out, (uint64_t)timeout_ns);
	buf_put_u16(out, (uint16_t)name_len);
	buf_append(out, name, name_len);
	buf_append(out, rest->data, rest->len);
}

void frame_fill(struct buf *out)
{
	if (out->len >= FRAME_SLOT)
		return;
	memset(buf_reserve(out, FRAME_SLOT - out->len), 0, FRAME_SLOT - out->len);
	out->len = FRAME_SLOT;
}

void frame_set_flags(struct buf *out, unsigned flags, bool on)
{
	const unsigned char now = (unsigned char)out->data[5];
	out->data[5] = (char)(on ? now | flags : now & ~flags);
}
