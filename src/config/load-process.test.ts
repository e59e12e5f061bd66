import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";

const LISTENER = "listeners: [{ bind: 8080, respond: 204 }]\n";

function parse(yaml: string, file = "sluice.yaml"): Snapshot {
  return parseConfig(`${LISTENER}${yaml}`, file, {});
}

test("what concerns the process is read", () => {
  const { process } = parse(`
upgrade_sock: /run/sluice/upgrade.sock
daemon: true
umask: "027"
user: nobody
group: 65534
shutdown_delay: 5s
health: 8475
working_directory: /var/lib/sluice
`);
  assert.deepEqual(process, {
    upgradeSocket: "/run/sluice/upgrade.sock",
    daemon: true,
    workingDirectory: "/var/lib/sluice",
    umask: 0o027,
    user: "nobody",
    group: 65_534,
    shutdownDelay: 5_000,
    health: ":8475",
  });
});

test("files are found from wherever the process goes", () => {
  const tls = "chaos: { scenario: faults.yaml }\n";
  assert.equal(parse(tls, "conf/sluice.yaml").chaos.scenario, "conf/faults.yaml");
  const moved = parse(`${tls}working_directory: work`, "conf/sluice.yaml");
  assert.equal(moved.process.workingDirectory, resolve("conf/work"));
  assert.equal(moved.chaos.scenario, resolve("conf/faults.yaml"));
});

test("a umask that YAML could read as another number is refused", () => {
  for (const umask of ["027", "0o27", '"8"', '"02755"', "[]"]) {
    assert.throws(
      () => parse(`umask: ${umask}`),
      (error) => error instanceof ConfigError && /octal digits in quotes/.test(error.message),
      umask,
    );
  }
});
