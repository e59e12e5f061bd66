import assert from "node:assert/strict";
import { readFile, rename, symlink, utimes } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { ManualAlarmClock, threadAlarms } from "./alarms.ts";
import { WatchedFiles } from "./watched-files.ts";

/** Past the time in which a file counts as fresh. */
const SETTLED = 2_100;

test("files that look as before from outside aren't read again, others are", async () => {
  await using folder = await createTemporaryDirectory();
  const file = await folder.write("a.txt", "one");
  let reads = 0;
  const reading = {
    files: [file],
    read: () => {
      reads++;
      return readFile(file, "latin1");
    },
    identityOf: (text: string) => text,
  };
  const changes: string[] = [];
  const watched = new WatchedFiles([reading], new ManualAlarmClock(), {
    onChange: ([text]) => changes.push(text!),
    onProblem: (problem) => changes.push(problem),
  });
  await watched.load();
  // A file that was written just now may be written again in the same instant.
  await watched.look();
  assert.equal(reads, 2);
  await delay(SETTLED);
  await watched.look();
  await watched.look();
  await watched.look();
  assert.equal(reads, 3);
  await folder.write("a.txt", "two");
  await watched.look();
  await rename(await folder.write("b.txt", "six"), file);
  // As old as can be, and of the same size.
  await utimes(file, 1, 1);
  await watched.look();
  assert.deepEqual(changes, ["two", "six"]);
  watched.stop();
});

test("a link that leads elsewhere is a change, as Kubernetes makes them", async () => {
  await using folder = await createTemporaryDirectory();
  await folder.write("v1/tls.crt", "one");
  await folder.write("v2/tls.crt", "two");
  await symlink("v1", folder.join("..data"));
  await symlink("..data/tls.crt", folder.join("tls.crt"));
  const file = folder.join("tls.crt");
  const reading = { files: [file], read: () => readFile(file, "latin1"), identityOf: (text: string) => text };
  const changes: string[] = [];
  const watched = new WatchedFiles([reading], threadAlarms, {
    onChange: ([text]) => changes.push(text!),
    onProblem: (problem) => changes.push(problem),
  });
  assert.deepEqual(await watched.load(), ["one"]);
  await watched.watch();
  await symlink("v2", folder.join("..new"));
  await rename(folder.join("..new"), folder.join("..data"));
  await until("the other one is read", () => changes.length > 0);
  assert.deepEqual(changes, ["two"]);
  watched.stop();
});
