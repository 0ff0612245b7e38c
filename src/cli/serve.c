#include "cli/cli.h"

#include "base/buf.h"
#include "base/log.h"
#include "node/activation.h"
#include "node/node.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

int cli_fail(const struct buf *faults, const struct fault *f)
{
	if (faults != NULL && faults->len > 0)
		(void)fprintf(stderr, "%s", faults->data);
	(void)fprintf(stderr, "sky-island: %s\n", f->text);
	const bool configuration =
		f->kind == FAULT_INPUT || f->kind == FAULT_NOT_FOUND || f->kind == FAULT_TOO_LARGE;
	return configuration               ? EXIT_CONFIGURATION
	       : f->kind == FAULT_CONFLICT ? EXIT_UNAVAILABLE
					   : 1;
}

static int prepare(struct node *n, const struct cli *cli, enum node_mode mode)
{
	struct buf faults = {0};
	struct fault f = {0};
	int failed = 0;
	if (node_open(n, cli->config_path, &faults, &f) < 0 || node_prepare(n, mode, &f) < 0 ||
		node_plan(n, &f) < 0)
		failed = cli_fail(&faults, &f);
	buf_finish(&faults);
	return failed;
}

int cli_serve(const struct cli *cli)
{
	struct node n;
	struct fault f = {0};
	int listener;
	sigset_t hangup;
	/* First of all: nobody else may have its descriptor, or the words that tell of it. */
	if (activation_take(&listener, &f) < 0)
		return cli_fail(NULL, &f);
	/* While it prepares, SIGHUP waits for the supervisor, which hears it. */
	(void)sigemptyset(&hangup);
	(void)sigaddset(&hangup, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &hangup, NULL);
	int failed = prepare(&n, cli, NODE_SERVE);
	if (failed != 0)
		return failed;
	if (listener >= 0) {
		if (activation_check(listener, &n.config, n.address, sizeof(n.address), &f) < 0)
			return cli_fail(NULL, &f);
		n.listener = listener;
	}
	return supervisor_run(&n, -1);
}

int cli_init(const struct cli *cli)
{
	struct node n;
	return prepare(&n, cli, NODE_INIT);
}
