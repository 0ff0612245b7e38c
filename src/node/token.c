/* The admin token of who configures none: made once, kept in the state directory for its owner
 * alone. */

#include "node/node.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 32, TOKEN_LEAST = 32, TOKEN_MOST = 8192 };

/* Visible ASCII, one line, long enough that nobody guesses it. */
static bool usable(const char *token)
{
	const size_t len = strlen(token);
	for (size_t i = 0; i < len; i++) {
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	}
	return len >= TOKEN_LEAST;
}

/* The token that was made before; NULL where there is none that is still a secret. */
static char *token_read(const char *path)
{
	struct stat st;
	defer_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	const bool ours = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
			  st.st_uid == geteuid() && (st.st_mode & 0077) == 0;
	char *token = ours ? fs_read_fd(fd, TOKEN_MOST, NULL, NULL) : NULL;
	if (token != NULL)
		token[strcspn(token, "\n")] = '\0';
	if (token != NULL && usable(token))
		return token;
	free(token);
	log_warn("%s is no token that only its owner can read (mode 0600, at least %d characters): "
		 "another is made",
		path, TOKEN_LEAST);
	return NULL;
}

static char *token_make(const char *path, struct fault *f)
{
	unsigned char random[TOKEN_BYTES];
	char text[2 * TOKEN_BYTES + 1];
	randombytes_buf(random, sizeof(random));
	(void)sodium_bin2hex(text, sizeof(text), random, sizeof(random));
	defer_free char *line = mem_printf("%s\n", text);
	return fs_write(path, line, strlen(line), 0600, f) < 0 ? NULL : mem_strdup(text);
}

int node_admin_token(const struct node *n, struct config *c, struct fault *f)
{
	if (c->admin_api_token != NULL)
		return 0;
	defer_free char *path = node_path(n, "admin-token");
	c->admin_api_token = token_read(path);
	if (c->admin_api_token == NULL)
		c->admin_api_token = token_make(path, f);
	if (c->admin_api_token == NULL)
		return fault_wrap(f, "admin token");
	log_info("the admin token is in %s", path);
	return 0;
}
