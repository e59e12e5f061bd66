import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../../../test/kit/files.ts";
import { findInHostsFile } from "./hosts-file.ts";

const text = `
127.0.0.1\tlocalhost  Localhost.LocalDomain # web.example
::1 localhost
# 192.0.2.9 web.example
192.0.2.1 web.example alias.example
nonsense web.example
  2001:db8::1   Web.Example.#comment
192.0.2.2
`;

describe("a hosts file", () => {
  test("gives all addresses of a name or alias", async () => {
    await using folder = await createTemporaryDirectory();
    const path = await folder.write("hosts", text.replaceAll("\n", "\r\n"));
    const expected = {
      "web.example": ["192.0.2.1", "2001:db8::1"],
      "WEB.example.": ["192.0.2.1", "2001:db8::1"],
      "alias.example": ["192.0.2.1"],
      "localhost.localdomain": ["127.0.0.1"],
      localhost: ["127.0.0.1", "::1"],
      example: [],
      "192.0.2.2": [],
    };
    for (const [name, addresses] of Object.entries(expected))
      assert.deepEqual(await findInHostsFile(name, path), addresses, name);
  });

  test("that isn't there gives none", async () => {
    await using folder = await createTemporaryDirectory();
    assert.deepEqual(await findInHostsFile("localhost", folder.join("hosts")), []);
  });
});
