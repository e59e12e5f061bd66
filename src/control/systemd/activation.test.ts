import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { type AddressInfo, BoundSocket, connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { descriptorOf } from "../../net/node-sockets.ts";
import { takeActivation } from "./activation.ts";
import { readSocketAddress } from "./socket-address.ts";

const skip = process.platform === "linux" ? false : "there is no service manager of this kind";

/** What a process does that was started with sockets. */
const CHILD = `
import { takeActivation } from ${JSON.stringify(import.meta.resolve("./activation.ts"))};
import { readFileSync } from "node:fs";
process.env.LISTEN_PID = String(process.pid);
const { sockets, refused } = takeActivation(process.env, process.pid);
const flags = sockets.map(({ descriptors: [fd] }) => readFileSync("/proc/self/fdinfo/" + fd, "utf8").match(/flags:\\t(\\d+)/)[1]);
const left = Object.keys(process.env).filter((name) => name.startsWith("LISTEN_"));
console.log(JSON.stringify({ sockets, refused, left, flags }));
`;

interface Answer {
  readonly sockets: readonly { address: string; owner: string; descriptors: number[]; isForeign: boolean }[];
  readonly refused: readonly string[];
  readonly left: readonly string[];
  readonly flags: readonly string[];
}

async function activate(descriptors: readonly number[], names: string): Promise<Answer> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module"], {
    env: { ...process.env, LISTEN_FDS: String(descriptors.length), LISTEN_FDNAMES: names },
    stdio: ["pipe", "pipe", "inherit", ...descriptors],
  });
  child.stdin!.end(CHILD);
  let output = "";
  for await (const text of child.stdout!.setEncoding("utf8")) output += text;
  return JSON.parse(output) as Answer;
}

describe("sockets of a service manager", { skip }, () => {
  test("are told by their addresses", async () => {
    await using directory = await createTemporaryDirectory();
    const path = directory.join("web.sock");
    const file = openSync("/dev/null", "r");
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const connection = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(connection, "connect");
    const connected = descriptorOf(connection)!;
    const sockets = [
      new BoundSocket({ host: "127.0.0.1", port: 0 }),
      new BoundSocket({ host: "::1", port: 0 }),
      new BoundSocket({ path } as never),
    ];
    const ports = sockets.slice(0, 2).map((socket) => socket.address().port);
    try {
      const descriptors = [...sockets.map((socket) => socket.fd()), file, connected];
      const answer = await activate(descriptors, "web:v6::nonsense:web@1");
      assert.deepEqual(
        answer.sockets.map(({ address, owner, descriptors }) => [address, owner, ...descriptors]),
        [
          [`127.0.0.1:${ports[0]}`, "systemd web", 3],
          [`[::1]:${ports[1]}`, "systemd v6", 4],
          [`unix:${path}`, "systemd descriptor 5", 5],
        ],
      );
      assert.ok(answer.sockets.every(({ isForeign }) => isForeign));
      assert.deepEqual(answer.refused, [
        "nonsense: getsockname: ENOTSOCK",
        "web@1: it is a connection and can't be listened on: Accept=no is needed",
      ]);
      assert.deepEqual(answer.left, []);
      const CLOSE_ON_EXEC = 0o2000000;
      for (const flags of answer.flags) assert.ok(Number.parseInt(flags, 8) & CLOSE_ON_EXEC, flags);
    } finally {
      closeSync(file);
      connection.destroy();
      server.close();
      for (const socket of sockets) socket.close();
    }
  });

  test("are another process's, if its number stands there", () => {
    const environment = { LISTEN_FDS: "1", LISTEN_PID: "1", LISTEN_FDNAMES: "web", HOME: "/" };
    const { sockets, refused } = takeActivation(environment, 2);
    assert.deepEqual([sockets.length, refused.length], [0, 1]);
    assert.match(refused[0]!, /they are for process 1 and not for this one, 2/);
    assert.deepEqual(environment, { HOME: "/" });
    assert.deepEqual(takeActivation({}, 2), { sockets: [], refused: [] });
  });
});

test("addresses are read as the kernel writes them", { skip }, () => {
  const read = (hex: string): string => readSocketAddress(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  assert.equal(read("0200 0050 00000000 0000000000000000"), "0.0.0.0:80");
  assert.equal(read("0a00 01bb 00000000 00000000000000000000000000000000 00000000"), "[::]:443");
  assert.equal(read("0a00 01bb 00000000 20010db8000000000000000000000001 00000000"), "[2001:db8::1]:443");
  assert.equal(read(`0100 ${Buffer.from("/run/a\0").toString("hex")}`), "unix:/run/a");
  assert.equal(read(`0100 ${Buffer.from("\0name").toString("hex")}`), "unix:@name");
  assert.throws(() => read("1000 0000"), /family 16/);
});
