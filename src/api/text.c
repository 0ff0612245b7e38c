#include "api/exchange.h"

#include "function/call_char.h"

char *text_clean(const char *data, size_t len, size_t *out_len, bool *clean)
{
	struct buf out = {0};
	size_t from = 0; /* start of the run of good bytes not yet copied */
	*clean = true;
	(void)buf_reserve(&out, len);
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t bytes = (unsigned char)data[at] < 0x80
				       ? 1
				       : call_char_decode(data + at, len - at, &c);
		if (bytes == 0) {
			buf_append(&out, data + from, at - from);
			buf_puts(&out, "\xef\xbf\xbd");
			*clean = false;
			at++;
			from = at;
		} else {
			at += bytes;
		}
	}
	if (len > from)
		buf_append(&out, data + from, len - from);
	*out_len = out.len;
	return out.data;
}
