import assert from "node:assert/strict";
import { closeSync, existsSync, fstatSync } from "node:fs";
import { BoundSocket } from "node:net";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { duplicateDescriptor } from "./duplicate.ts";
import { SocketKeeper } from "./sockets.ts";
import { InheritedSockets } from "./upgrade/inherited-sockets.ts";

function foreign(address: string, socket: BoundSocket): InheritedSockets {
  const descriptors = [duplicateDescriptor(socket.fd())];
  return new InheritedSockets([{ owner: "systemd web", address, descriptors, isForeign: true }]);
}

describe("sockets that somebody else has bound", () => {
  test("are shared by all threads, for nobody may join them", async () => {
    const socket = new BoundSocket({ host: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${socket.address().port}`;
    const keeper = new SocketKeeper(foreign(address, socket));
    const { ino } = fstatSync(socket.fd());
    for (const thread of [0, 1]) {
      const { fds, boundTo } = await keeper.lend(address, { thread, threads: 2 }, "a");
      assert.equal(boundTo, address);
      assert.deepEqual(
        fds.map((fd) => fstatSync(fd).ino),
        [ino],
      );
      for (const fd of fds) closeSync(fd);
    }
    await keeper.release("a");
    keeper.letGo();
    const { fds } = await keeper.lend(address, { thread: 0, threads: 1 }, "b");
    assert.deepEqual(
      fds.map((fd) => fstatSync(fd).ino),
      [ino],
      "it can be had again",
    );
    for (const fd of fds) closeSync(fd);
    await keeper.close();
    socket.close();
  });

  test("keep their files", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("lent.sock");
    const socket = new BoundSocket({ path } as never);
    const keeper = new SocketKeeper(foreign(`unix:${path}`, socket));
    const { fds } = await keeper.lend(`unix:${path}`, { thread: 0, threads: 1 }, "a");
    for (const fd of fds) closeSync(fd);
    await keeper.close();
    assert.ok(existsSync(path));
    socket.close();
  });
});
