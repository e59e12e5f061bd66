import assert from "node:assert/strict";
import { mkdir, readFile, rename, symlink, truncate, utimes } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { findProgram } from "../../../test/kit/peer.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { ManualAlarmClock, threadAlarms } from "../../base/alarms.ts";
import { readNamedFile, WatchedFiles } from "./watched-files.ts";

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

test("what is no file, or far too large a one, is refused, and waited for by nobody", async () => {
  await using folder = await createTemporaryDirectory();
  const [pipe, huge] = [folder.join("pipe.pem"), await folder.write("huge.pem", "")];
  await runProgram(findProgram("mkfifo")!, [pipe]);
  await mkdir(folder.join("folder.pem"));
  await truncate(huge, 65 * 1024 * 1024);
  await assert.rejects(readNamedFile(pipe), /pipe\.pem: is no regular file$/);
  await assert.rejects(readNamedFile(folder.join("folder.pem")), /folder\.pem: is a folder$/);
  await assert.rejects(readNamedFile("/dev/zero"), /zero: is no regular file$/);
  await assert.rejects(readNamedFile(huge), /huge\.pem: has 68157440 bytes, more than any such file$/);
  await assert.rejects(readNamedFile(folder.join("none.pem")), /none\.pem: there is no such file$/);
});
