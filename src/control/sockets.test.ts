import assert from "node:assert/strict";
import { closeSync, existsSync, fstatSync, readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { runProgram } from "../../test/kit/process.ts";
import { SocketKeeper } from "./sockets.ts";

const ALONE = { thread: 0, threads: 1 };

/** Leaves a socket file that nobody listens on, as a killed process does. */
async function leaveSocketAt(path: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await runProgram(process.execPath, ["-e", script]);
  assert.ok(existsSync(path));
}

describe("a Unix socket", () => {
  test("takes the place of one that nobody listens on any more", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("left.sock");
    await leaveSocketAt(path);
    const keeper = new SocketKeeper();
    await keeper.lend(`unix:${path}`, ALONE, "a");
    await keeper.close();
    assert.equal(existsSync(path), false);
  });

  test("is for its user alone where that is asked for", { skip: process.platform !== "linux" }, async () => {
    await using folder = await createTemporaryDirectory();
    const [secret, open] = [folder.join("secret.sock"), folder.join("open.sock")];
    const keeper = new SocketKeeper();
    const umask = process.umask(0);
    await keeper.lend(`unix:${secret}`, ALONE, "a", true);
    await keeper.lend(`unix:${open}`, ALONE, "b");
    process.umask(umask);
    assert.deepEqual(
      [secret, open].map((path) => statSync(path).mode & 0o777),
      [0o600, 0o777],
    );
    await keeper.close();
  });

  test("never takes the place of a file or a folder", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await folder.write("precious.txt", "all that I have");
    const below = folder.join("below");
    await mkdir(below);
    const keeper = new SocketKeeper();
    for (const path of [file, below]) {
      await assert.rejects(keeper.lend(`unix:${path}`, ALONE, path), {
        message: `Can't listen on unix:${path}: something that is no socket is there already`,
      });
    }
    await keeper.close();
    assert.equal(readFileSync(file, "utf8"), "all that I have");
    assert.ok(existsSync(below));
  });
});

describe("an address that can't be listened on", () => {
  test("is named with the reason", async () => {
    await using folder = await createTemporaryDirectory();
    const server = createServer();
    const taken = folder.join("taken.sock");
    await new Promise<void>((resolve) => void server.listen(taken, resolve));
    const keeper = new SocketKeeper();
    for (const [address, reason] of [
      [`unix:${taken}`, "another program listens there already"],
      [`unix:${folder.join("nowhere", "a.sock")}`, "there is no such folder, or it may not be written to"],
      [`unix:${folder.join("a".repeat(150))}`, "the path is too long for a socket"],
      ["nowhere.invalid:0", "there is no such host"],
    ] as const) {
      const where = address.startsWith("unix:") ? address : address.split(":")[0];
      await assert.rejects(keeper.lend(address, ALONE, address), {
        message: `Can't listen on ${where}: ${reason}`,
      });
    }
    await keeper.close();
    server.close();
  });
});

test("what was bound in vain is closed, and nothing else", async () => {
  await using folder = await createTemporaryDirectory();
  const [kept, vain] = [folder.join("kept.sock"), folder.join("vain.sock")];
  const keeper = new SocketKeeper();
  await keeper.lend(`unix:${kept}`, ALONE, "a");
  const giveBack = keeper.mark();
  await keeper.lend(`unix:${kept}`, ALONE, "a");
  await keeper.lend(`unix:${vain}`, ALONE, "a");
  await assert.rejects(keeper.lend(`unix:${vain}`, ALONE, "b"), { code: "EADDRINUSE" });
  await giveBack();
  assert.deepEqual([kept, vain].map(existsSync), [true, false]);
  await keeper.lend(`unix:${vain}`, ALONE, "b");
  await keeper.close();
});

test("what is closed by two at once is closed once", async () => {
  const keeper = new SocketKeeper();
  const { fds } = await keeper.lend("127.0.0.1:0", ALONE, "a");
  for (const fd of fds) closeSync(fd);
  await Promise.all([keeper.close(), keeper.close()]);
});

test("what is given up while it is asked for isn't lent", async () => {
  const refusals = new Set<string>();
  for (let turns = 0; turns < 10; turns++) {
    const keeper = new SocketKeeper();
    const { boundTo } = await keeper.lend("127.0.0.1:0", ALONE, "a");
    const released = keeper.release("a");
    for (let i = 0; i < turns; i++) await null;
    const lent = await keeper.lend(boundTo, ALONE, "a").catch(({ message }: Error) => message);
    if (typeof lent === "string") refusals.add(lent.replace(boundTo, "it"));
    await released;
    await keeper.close();
  }
  assert.deepEqual([...refusals], ["Can't listen on it: it was given up meanwhile"]);
});

test("a successor gets descriptors of its own", async () => {
  const keeper = new SocketKeeper();
  const { boundTo, fds } = await keeper.lend("127.0.0.1:0", ALONE, "a");
  const handed = await keeper.handOver();
  await keeper.close();
  assert.deepEqual(
    handed.map(({ owner, address }) => [owner, address]),
    [["a", boundTo]],
  );
  const descriptors = handed.flatMap((sockets) => sockets.descriptors);
  assert.deepEqual(
    descriptors.map((fd) => fstatSync(fd).ino),
    fds.map((fd) => fstatSync(fd).ino),
  );
  for (const fd of [...descriptors, ...fds]) closeSync(fd);
});
