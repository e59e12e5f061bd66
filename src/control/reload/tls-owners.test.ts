import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TLS_SETTINGS } from "../../../test/kit/tls-listener.ts";
import { toBeChecked } from "./tls-owners.ts";

describe("files of TLS that are looked at before a reload", () => {
  const tlsOf = (file: string) => ({ ...TLS_SETTINGS, certificates: [{ cert: file, key: "root.key" }] });
  const before = [
    { name: "web", tls: tlsOf("a.pem") },
    { name: "api", tls: tlsOf("b.pem") },
    { name: "plain", tls: null },
  ];
  const after = [
    { name: "web", tls: tlsOf("a.pem") },
    { name: "api", tls: tlsOf("c.pem") },
    { name: "plain", tls: tlsOf("a.pem") },
    { name: "new", tls: tlsOf("a.pem") },
  ];
  const names = (mayRead: (file: string) => boolean): string[] =>
    toBeChecked(before, after, mayRead).map(({ name }) => name);

  test("are all, as long as they may be read", () => {
    assert.deepEqual(
      names(() => true),
      ["web", "api", "plain", "new"],
    );
  });

  test("aren't those that may be read no more, where nothing else is asked for than before", () => {
    assert.deepEqual(
      names((file) => file !== "root.key"),
      ["api", "plain", "new"],
    );
  });
});
