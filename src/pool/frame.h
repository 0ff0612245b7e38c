#pragma once

/*
 * frame: what the server and a driver say to each other, on descriptor 3 of the driver, a stream
 * socket. driver/ has the other side; both follow this header. Integers are little-endian.
 *
 *   frame = length:u32 type:u8 payload[length-1]        length ≤ FRAME_MAX
 *
 *   READY    = 'R'                                        driver → server
 *              after package initialisation
 *   CALL     = 'C' flags:u8 timeout:i64 name:str16 rest   server → driver
 *              may come before READY; it is read behind it
 *              timeout:  nanoseconds that the call may take once it is read (context.Context's
 *                        deadline), 0 none
 *              name:     the function, or "" in an artifact made for one expression
 *              flags:    CALL_JSON   results are wanted as JSON, not printed
 *                        CALL_TYPED  rest is a JSON array of arguments; otherwise count:u16 node*
 *                        CALL_STAY   the driver waits for another CALL once it has answered
 *                        CALL_FOLLOWS  it was sent before the answer to the one before was read
 *              one of a jail that stays fills FRAME_SLOT bytes, or is longer: a driver that reads
 *              so many has one frame, and what it has not read the server can take back
 *   RESULT   = 'V' json                                   driver → server
 *              the call returned; everything it printed is already in stdout's pipe. json is empty,
 *              or with CALL_JSON {"results":[…],"error":null|"text"}
 *   QUIET    = 'Q' text or json                           driver → server
 *              instead of RESULT, with CALL_STAY: nothing was written to the pipes, and text is
 *              what would have been printed
 *   PASSED   = 'P'                                        driver → server
 *              nothing was called: with CALL_FOLLOWS, where the answer before was not QUIET. What
 *              is in the pipes is then that call's alone
 *   DECLINED = 'D' text                                   driver → server
 *              before anything was called: compile it instead
 *   REFUSED  = 'E' text                                   driver → server
 *              before anything was called: typed arguments do not fit the parameters (text says
 *              which, for people)
 *   NOT_JSON = 'J' text                                   driver → server
 *              after the call: a result cannot be JSON (text says which)
 *
 * A literal is a tree of nodes:
 *   node = tag:u8 …
 *     'i' text:str32    integer literal as written, e.g. 0x_1F, with a leading '-' or '+' where it
 *                       had one
 *     'f' text:str32    floating-point literal, likewise
 *     'm' text:str32    imaginary literal, likewise
 *     'r' text:str32    rune literal as written, with quotes, and sign where it had one
 *     's' bytes:str32   string, unquoted
 *     'b' value:u8      true, false
 *     'n'               nil
 *     'v' type:str16 node                conversion T(literal), []byte("…")
 *     'c' type:str16 count:u32 element*  composite literal; type "" where elided
 *           element = 0:u8 node | 1:u8 key:node node | 2:u8 field:str16 node
 *           (1: a literal key; 2: a bare identifier as key: a struct's field)
 *     '&' node                           address of a composite literal
 *   type: Go source without spaces or comments, made of identifiers, pkg.Ident, *T, []T, [N]T,
 *         [...]T, map[K]V, interface{} and any; nothing else is a literal's type
 *   str16 = len:u16 bytes, str32 = len:u32 bytes
 *
 * The function can write to descriptor 3 too, so the server trusts no frame further than its own
 * call.
 */

#include "base/buf.h"

#include <stdbool.h>

#define FRAME_MAX  (4U << 20) /* bytes after the length */
#define FRAME_SLOT 512U

enum frame_type {
	FRAME_READY = 'R',
	FRAME_CALL = 'C',
	FRAME_RESULT = 'V',
	FRAME_QUIET = 'Q',
	FRAME_PASSED = 'P',
	FRAME_DECLINED = 'D',
	FRAME_REFUSED = 'E',
	FRAME_NOT_JSON = 'J',
};

enum { FRAME_CALL_JSON = 1, FRAME_CALL_TYPED = 2, FRAME_CALL_STAY = 4, FRAME_CALL_FOLLOWS = 8 };

/* Looks for one whole frame at the start of `in`. 1: there is one, *payload points into it and
 * frame_next drops it; 0: more bytes are needed; -1: this is no frame (length 0 or beyond
 * FRAME_MAX, unknown type). */
int frame_peek(const struct buf *in, enum frame_type *type, const char **payload, size_t *len);
void frame_next(struct buf *in);

/* Appends a CALL frame. `rest` as above. */
void frame_put_call(struct buf *out, unsigned flags, int64_t timeout_ns, const char *name,
	const struct buf *rest);

/* Lets a CALL frame that is shorter fill FRAME_SLOT. */
void frame_fill(struct buf *out);
/* Sets or clears flags of the CALL frame at the start of `out`. */
void frame_set_flags(struct buf *out, unsigned flags, bool on);
