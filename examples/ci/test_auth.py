"""Auth flows of a tool, as tests of Python: `python3 -m unittest test_auth` (pytest finds them as well).

AUTHTRACE is the program (by default the one in the path), CLIENT is what is tested."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

AUTHTRACE = os.environ.get("AUTHTRACE", "authtrace")
CLIENT = os.environ.get("CLIENT", "claude")
EXPECT = pathlib.Path(__file__).parent / "contract" / "expect"


class AuthFlow(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def play(self, scenario, *options):
        """Plays a scenario with the client, and gives what came of the expectations, and the report, both as JSON."""
        trace, result = self.folder / f"{scenario}.jsonl", self.folder / f"{scenario}.json"
        options = [*options, "--out", trace, "--report", f"json={result}"]
        run = subprocess.run(
            [AUTHTRACE, "run", "--scenario", scenario, *options, "--", CLIENT, "-p", "say hi"],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )
        self.assertIn(run.returncode, (0, 1), run.stderr)  # anything else: it could not be run
        report = subprocess.run([AUTHTRACE, "report", trace, "--format", "json"], capture_output=True, check=True)
        return json.loads(result.read_text()), json.loads(report.stdout), run.stderr

    def test_a_refused_token_is_renewed_exactly_once(self):
        result, report, said = self.play("expired-then-refreshed", "--expect", EXPECT / "renewed.toml")
        self.assertTrue(result["held"], said)
        self.assertEqual(report["verdict"]["code"], "healthy")
        messages = [one for one in report["exchanges"] if one["request"]["path"].startswith("/v1/messages")]
        self.assertEqual([one["response"]["status"] for one in messages], [401, 200])

    def test_a_login_that_has_ended_is_no_loop(self):
        result, report, said = self.play("refresh-token-invalid", "--expect", EXPECT / "ended.toml")
        self.assertTrue(result["held"], said)
        self.assertEqual(report["verdict"]["code"], "refresh-token-invalid")

    def test_a_miss_says_which_exchange_and_which_field(self):
        result, _, _ = self.play("refresh-token-invalid", "--expect", EXPECT / "renewed.toml")
        self.assertFalse(result["held"])
        misses = [one["miss"] for one in result["outcomes"] if not one["held"]]
        fields = [miss["difference"]["field"] for miss in misses if "difference" in miss]
        self.assertIn("status", fields)


if __name__ == "__main__":
    unittest.main()
