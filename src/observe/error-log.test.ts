import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { ErrorLogReporter } from "./error-log.ts";

/** A reporter, and the lines that it wrote. */
function createReporter(): { reporter: ErrorLogReporter; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "debug" }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { reporter: new ErrorLogReporter(log), lines };
}

describe("the error log", () => {
  test("tells of each session that failed for a reason of its own", () => {
    const { reporter, lines } = createReporter();
    for (const code of ["UPSTREAM_RESET", "UPSTREAM_RESET", "DOWNSTREAM_CLOSED", "FILTER_FAILED"] as const)
      reporter.onSessionError(new ProxyError(code), "GET a.example/ from ::1", "127.0.0.1:80");
    assert.deepEqual(
      lines.map(({ level, code, server }) => [level, code, server]),
      [
        [40, "UPSTREAM_RESET", "127.0.0.1:80"],
        [40, "UPSTREAM_RESET", "127.0.0.1:80"],
        [20, "DOWNSTREAM_CLOSED", "127.0.0.1:80"],
        [50, "FILTER_FAILED", "127.0.0.1:80"],
      ],
    );
  });

  test("tells of servers and groups that are down once, each", () => {
    const { reporter, lines } = createReporter();
    const report = (code: ErrorCode, detail: string, server: string | null): void =>
      reporter.onSessionError(new ProxyError(code, detail), "GET a.example/ from ::1", server);
    for (let i = 0; i < 100; i++) {
      report("UPSTREAM_CONNECT_REFUSED", "connect ECONNREFUSED", "127.0.0.1:1");
      report("UPSTREAM_CONNECT_REFUSED", "connect ECONNREFUSED", "127.0.0.1:2");
      report("UPSTREAM_CONNECT_TIMEOUT", "", "127.0.0.1:1");
      report("NO_HEALTHY_SERVER", "api", i % 2 === 0 ? null : "127.0.0.1:1");
      report("NO_HEALTHY_SERVER", "web", null);
      report("UPSTREAM_OVERLOADED", "web", null);
      report("NO_PEER", "web", null);
    }
    assert.equal(lines.length, 7);
    assert.equal(lines[0]?.request, "GET a.example/ from ::1");
  });

  test("tells of failed handshakes to those who look for them", () => {
    const { reporter, lines } = createReporter();
    const failure = {
      kind: "unknown-name",
      reason: "No certificate is for this name",
      serverName: "x.test",
    } as const;
    reporter.onHandshakeFailed("127.0.0.1:443", "::1", failure);
    const { level, listener, client, kind, sni, reason } = lines[0]!;
    const { kind: wanted, reason: why } = failure;
    assert.deepEqual(
      [level, listener, client, kind, sni, reason],
      [20, "127.0.0.1:443", "::1", wanted, "x.test", why],
    );
  });
});
