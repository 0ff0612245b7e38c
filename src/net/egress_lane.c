/* Carrying bytes one way. A lane has one buffer: it is read into only after its last bytes were
 * taken. */

#include "net/egress_private.h"

static struct egress_lane *lane_from(const uv_stream_t *from)
{
	struct egress_conn *c = from->data;
	return from == c->up.from ? &c->up : &c->down;
}

static void lane_told(uv_shutdown_t *request, int status)
{
	struct egress_lane *lane = request->data;
	struct egress_conn *c = lane->conn;
	lane->done = true;
	if (status < 0 || (c->up.done && c->down.done))
		egress_conn_close(c);
}

/* The last byte was read: `to` is told, and may still answer. */
static void lane_end(struct egress_lane *lane)
{
	(void)uv_read_stop(lane->from);
	lane->shutdown.data = lane;
	if (uv_shutdown(&lane->shutdown, lane->to, lane_told) < 0)
		egress_conn_close(lane->conn);
}

static void lane_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	*buf = uv_buf_init(lane_from((uv_stream_t *)handle)->data, EGRESS_LANE_BYTES);
}

static void lane_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf);

static void lane_start(struct egress_lane *lane)
{
	if (uv_read_start(lane->from, lane_alloc, lane_read) < 0)
		egress_conn_close(lane->conn);
}

static void lane_written(uv_write_t *request, int status)
{
	struct egress_lane *lane = request->data;
	if (lane->conn->closing)
		return;
	if (status < 0) {
		egress_conn_close(lane->conn);
		return;
	}
	egress_conn_touch(lane->conn);
	lane_start(lane);
}

/* Sends len bytes of data; false where not all went at once: then reading goes on when they have,
 * or never. */
static bool lane_send(struct egress_lane *lane, size_t len)
{
	uv_buf_t buf = uv_buf_init(lane->data, (unsigned)len);
	int sent = uv_try_write(lane->to, &buf, 1);
	if (sent == (int)len)
		return true;
	if (sent < 0 && sent != UV_EAGAIN) {
		egress_conn_close(lane->conn);
		return false;
	}
	size_t skip = sent < 0 ? 0 : (size_t)sent;
	buf = uv_buf_init(lane->data + skip, (unsigned)(len - skip));
	(void)uv_read_stop(lane->from);
	lane->write.data = lane;
	if (uv_write(&lane->write, lane->to, &buf, 1, lane_written) < 0)
		egress_conn_close(lane->conn);
	return false;
}

static void lane_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	struct egress_lane *lane = lane_from(from);
	if (n == 0)
		return;
	if (n == UV_EOF) {
		lane_end(lane);
	} else if (n < 0) {
		egress_conn_close(lane->conn);
	} else if (egress_conn_count(lane->conn, (size_t)n)) {
		egress_conn_touch(lane->conn);
		(void)lane_send(lane, (size_t)n);
	}
}

void egress_lane_open(struct egress_lane *lane)
{
	if (!egress_conn_count(lane->conn, lane->len))
		return;
	if (lane->len == 0 || lane_send(lane, lane->len))
		lane_start(lane);
}
