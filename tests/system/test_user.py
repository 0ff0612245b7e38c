"""Other tests again, with the program run by an ordinary user: apart has subordinate uids, alone has none."""

import unittest

import again
import sky
import users

# What does not depend on who runs the program is left to root's tests.
ATTACKS = ["Files.", "Privileges.", "Processes.", "Ends.test_exit", "Ends.test_panic", "Ends.test_memory", "Ends.test_stack", "Ends.test_ends",
           "Output.test_a_gigabyte", "Output.test_limit", "Frames.test_forged_result", "Frames.test_descriptors", "ZLast."]
CALLS = ["Literal.test_literals", "Expression.test_second_time", "Typed.test_arguments", "Together.test_hundred_warm_calls"]
KILLS = ["Supervisor.test_killed_during_a_call", "Supervisor.test_killed_during_a_build", "Server.test_killed_during_calls",
         "Jailers.test_all_killed"]
PREPARED = ["Own.test_nothing", "Own.test_desc", "Own.test_mounts", "Own.test_what", "Killed.test_from", "Killed.test_with"]
CHOSEN = {
    "apart": {
        "test_attacks": ATTACKS,
        "test_calls": CALLS,
        "test_state": [*KILLS, "Supervisor.test_doctor", "Jailers.test_killed", "Stopping.test_drain", "Together.test_second_server"],
        "test_prepared": PREPARED,
        "test_command": ["Run.test_with_a_running", "Run.test_interrupted", "Run.test_two_at_once", "Command.test_doctor"],
    },
    "alone": {
        "test_attacks": ATTACKS,
        "test_calls": CALLS,
        "test_state": KILLS,
        "test_prepared": PREPARED,
        "test_command": ["Command.test_doctor"],
        "test_limits": ["Limits.test_memory", "Limits.test_processes", "Limits.test_tmp", "Limits.test_output", "ZLast."],
    },
}


class Whose(unittest.TestCase):
    def test_state_of_another(self):
        """Jails could not read what another user prepared: said at the start, not by each call."""
        users.become(apart=False)
        self.addCleanup(users.leave)
        theirs = sky.Sky("whose")
        users.leave()
        refused = sky.Sky(state=theirs.state).run("-i")
        self.assertEqual(refused.returncode, sky.EXIT_CONFIGURATION, refused.stderr)
        self.assertIn(b"prepared by another user (uid %d)" % users.UID, refused.stderr)
        refused = sky.Sky(state=theirs.state).run("destroy", "--yes")
        self.assertEqual(refused.returncode, sky.EXIT_CONFIGURATION, refused.stderr)
        self.assertIn(b"nothing was removed: state_dir %s was prepared by another user" % theirs.state.encode(), refused.stderr)
        theirs.state = theirs.config["state_dir"] = sky.make_state("whose")
        refused = theirs.run("-i")
        self.assertEqual(refused.returncode, sky.EXIT_CONFIGURATION, refused.stderr)
        self.assertIn(b"prepared by another user (uid 0)", refused.stderr)


def load_tests(loader, own, _):
    tests = unittest.TestSuite()
    for variant, modules in CHOSEN.items():

        def become(variant=variant):
            users.become(apart=variant == "apart")
            unittest.addModuleCleanup(users.leave)

        tests.addTests(again.chosen(loader, "test_user_" + variant, modules, become))
    tests.addTests(own)
    return tests
