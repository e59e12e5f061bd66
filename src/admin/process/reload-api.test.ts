import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { ConfigText } from "../../config/load.ts";
import type { ReloadControl } from "../../control/reload/reload-control.ts";
import { NothingEarlierError, type ReloadStatus } from "../../control/reload/reloader.ts";
import type { ReloadReport } from "../../control/reload/report.ts";
import type { ApiFault } from "../http/api-message.ts";
import { answerReload } from "./reload-api.ts";

const GENERATION = { number: 1, since: 5, threads: 2, connections: 3, draining: false };
const PROBLEM = { file: "a.yaml", line: 2, column: 5, path: "listeners[0]", message: "wrong" };
const REPORT: ReloadReport = { kind: "swap", number: 2, changes: [], notes: [], warnings: [], took: 1 };
const STATUS: ReloadStatus = {
  current: { number: 2, since: 7 },
  ...{ isRolledBack: false, isReloading: true, earlier: [{ number: 1, since: 3 }] },
  ...{ lastError: { time: 9, message: "wrong" }, lastReport: null },
};

/** Reloads that aren't any: they go well, or fail with an error. */
class PaperReloads implements ReloadControl {
  error: Error | null = null;
  previewed: ConfigText | null = null;

  async status(): Promise<ReloadStatus> {
    return STATUS;
  }

  async reload(): Promise<ReloadReport> {
    if (this.error !== null) throw this.error;
    return REPORT;
  }

  rollback(): Promise<ReloadReport> {
    return this.reload();
  }

  async preview(other: ConfigText | null): Promise<{ kind: "nothing"; changes: []; modules: [] }> {
    this.previewed = other;
    return { kind: "nothing", changes: [], modules: [] };
  }
}

async function ask(reloads: PaperReloads, method: string, path: string, body = ""): Promise<unknown> {
  const means = { reloads, generations: () => [GENERATION] };
  const reply = await answerReload(means, apiRequest(method, path, body));
  if (reply === null) return null;
  return [reply.status, reply.body === "" ? "" : JSON.parse(String(reply.body))];
}

describe("reloads by the API", () => {
  test("are answered with what came of them", async () => {
    const reloads = new PaperReloads();
    assert.deepEqual(await ask(reloads, "POST", "/reload"), [200, REPORT]);
    assert.deepEqual(await ask(reloads, "POST", "/rollback"), [200, REPORT]);
    assert.deepEqual(await ask(reloads, "GET", "/reload"), [
      200,
      {
        ...{ number: 2, since: 7, is_rolled_back: false, is_reloading: true },
        earlier: [{ number: 1, since: 3 }],
        ...{ last_error: { time: 9, message: "wrong" }, last_report: null, generations: [GENERATION] },
      },
    ]);
    assert.deepEqual(await ask(reloads, "DELETE", "/reload"), [405, ""]);
    assert.equal(await ask(reloads, "GET", "/reloads"), null, "somebody else's");
  });

  test("that change nothing are a conflict, with the places of what is wrong", async () => {
    const reloads = new PaperReloads();
    const refusal = async (error: Error): Promise<unknown> => {
      reloads.error = error;
      return await ask(reloads, "POST", "/reload");
    };
    const { message } = new ConfigError([PROBLEM]);
    assert.deepEqual(await refusal(new ConfigError([PROBLEM])), [
      ...[409, { error: message, code: "NOT_RELOADED", status: 409, problems: [PROBLEM] }],
    ]);
    assert.deepEqual(await refusal(new Error("no room")), [
      ...[409, { error: "no room", code: "NOT_RELOADED", status: 409, problems: [] }],
    ]);
    const [status, { code }] = (await refusal(new NothingEarlierError())) as [number, { code: string }];
    assert.deepEqual([status, code], [409, "NOTHING_EARLIER"]);
  });

  test("are shown before they are made, of what is read or of another text", async () => {
    const reloads = new PaperReloads();
    const other = { file: "/a.yaml", text: "version: 1", environment: { A: "b" } };
    await ask(reloads, "POST", "/diff", JSON.stringify(other));
    assert.deepEqual(reloads.previewed, other);
    await ask(reloads, "GET", "/diff");
    assert.equal(reloads.previewed, null);
    const wrong = ["{", "[]", "{}", '{"file":"a"}', '{"file":"a","text":"","environment":{"A":1}}'];
    for (const body of wrong)
      await assert.rejects(ask(reloads, "POST", "/diff", body), ({ status }: ApiFault) => status === 400);
  });
});
