// Auth flows of a tool, as tests of Node: `node --test auth.test.mjs` (Node 20 or newer).
//
// AUTHTRACE is the program (by default the one in the path), CLIENT is what is tested.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const authtrace = process.env.AUTHTRACE ?? "authtrace";
const client = process.env.CLIENT ?? "claude";
const expectations = join(dirname(fileURLToPath(import.meta.url)), "contract", "expect");
const folder = mkdtempSync(join(tmpdir(), "auth-test-"));
after(() => rmSync(folder, { recursive: true }));

/** Plays a scenario with the client, and gives what came of the expectations, and the report, both as JSON. */
function play(scenario, expected) {
  const [trace, result] = [join(folder, `${scenario}.jsonl`), join(folder, `${scenario}.json`)];
  const options = ["--expect", join(expectations, expected), "--out", trace, "--report", `json=${result}`];
  const command = ["run", "--scenario", scenario, ...options, "--", client, "-p", "say hi"];
  const run = spawnSync(authtrace, command, { encoding: "utf8", timeout: 120_000, stdio: ["ignore", "pipe", "pipe"] });
  assert.ok([0, 1].includes(run.status), `it could not be run: ${run.error ?? run.stderr}`);
  const report = spawnSync(authtrace, ["report", trace, "--format", "json"], { encoding: "utf8", maxBuffer: 2 ** 26 });
  return { result: JSON.parse(readFileSync(result, "utf8")), report: JSON.parse(report.stdout), said: run.stderr };
}

test("a refused token is renewed exactly once", () => {
  const { result, report, said } = play("expired-then-refreshed", "renewed.toml");
  assert.ok(result.held, said);
  assert.equal(report.verdict.code, "healthy");
});

test("a login that has ended is no loop", () => {
  const { result, report, said } = play("refresh-token-invalid", "ended.toml");
  assert.ok(result.held, said);
  const messages = report.exchanges.filter((one) => one.request.path.startsWith("/v1/messages"));
  assert.ok(messages.every((one) => one.response?.status !== 200));
});
