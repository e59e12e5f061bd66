import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../../../test/kit/files.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { findIdentity, UnknownAccountError } from "./accounts.ts";

describe("users and groups", () => {
  test("are found by name and by number", () => {
    const root = findIdentity("root", null);
    assert.deepEqual(root, { uid: 0, gid: 0, name: "root" });
    assert.deepEqual(findIdentity(0, null), root);
    assert.deepEqual(findIdentity("root", 12_345), { ...root, gid: 12_345 });
    assert.deepEqual(findIdentity(4_000_000_000, "root"), { uid: 4_000_000_000, gid: 0, name: null });
  });

  test("that aren't there are errors that name them", () => {
    for (const [user, group, message] of [
      ["nobody-of-that-name", null, "There is no user nobody-of-that-name"],
      ["root", "no-such-group", "There is no group no-such-group"],
      [4_000_000_000, null, "User 4000000000 has no name, and so no group of his own: one has to be named"],
    ] as const) {
      assert.throws(
        () => findIdentity(user, group),
        (error) => error instanceof UnknownAccountError && error.message === message,
      );
    }
  });
});

/** Gives up being root beside a thread that is there already, and tells what is left. */
const CHILD = `
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { findIdentity } from ${JSON.stringify(import.meta.resolve("./accounts.ts"))};
import { becomeUser } from ${JSON.stringify(import.meta.resolve("./privileges.ts"))};
import { SocketKeeper } from ${JSON.stringify(import.meta.resolve("../sockets.ts"))};

const [own, link, socket, made] = process.argv.slice(-4);
const server = createServer().listen(socket);
await once(server, "listening");
const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
await once(worker, "online");
const keeper = new SocketKeeper();
await keeper.lend("127.84.3.2:82", { thread: 0, threads: 1 }, "low");
const identity = findIdentity("nobody", null);
becomeUser(identity, [own, link, socket, made, own + ".absent"]);
becomeUser(identity, []);
const tasks = readdirSync("/proc/self/task").map((task) => readFileSync("/proc/self/task/" + task + "/status", "utf8"));
const attempts = [() => process.setuid(0), () => process.setgid(0), () => readFileSync("/etc/shadow")];
const refused = attempts.map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.code; } });
const lent = (address, owner) => keeper.lend(address, { thread: 1, threads: 2 }, owner).then(({ boundTo }) => boundTo, ({ message }) => message);
const visited = () => new Promise((resolve) => {
  const client = connect(82, "127.84.3.2", () => { resolve("accepted"); client.destroy(); });
  client.on("error", ({ code }) => resolve(code));
});
const serve = async () => {
  const { fds } = await keeper.lend("127.84.3.2:82", { thread: 0, threads: 1 }, "again");
  const server = createServer().listen({ fd: fds[0] });
  await once(server, "listening");
  const what = await visited();
  server.close();
  await keeper.release("again");
  return [what, await visited()];
};
console.log(JSON.stringify({
  identity,
  before: await lent("127.84.3.2:82", "low"),
  added: await lent("127.84.3.2:83", "lower"),
  again: [await keeper.release("low"), ...await serve(), ...await serve()].slice(1),
  gone: (keeper.letGo(), await lent("127.84.3.2:82", "low")),
  threads: tasks.length,
  users: [...new Set(tasks.map((status) => status.match(/^Uid:.*$/m)[0].replaceAll("\\t", " ")))],
  refused,
}));
process.kill(process.pid, "SIGKILL");
`;

const skip =
  process.platform === "linux" && process.getuid?.() === 0 ? false : "only root can become another user";

/** Some systems let everybody listen everywhere. */
const FIRST_OPEN_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
const isOpenToAll = existsSync(FIRST_OPEN_PORT) && Number(readFileSync(FIRST_OPEN_PORT, "utf8")) <= 83;

const refused = (port: number): string =>
  `Can't listen on 127.84.3.2:${port}: ports below 1024 need more rights`;

describe("giving up root", { skip }, () => {
  test("is for good, in all threads, and takes along what belongs to the process", async () => {
    await using folder = await createTemporaryDirectory();
    const own = await folder.write("own.log", "");
    const target = await folder.write("precious", "");
    const [link, socket] = [folder.join("link.log"), folder.join("a.sock")];
    symlinkSync(target, link);
    const made = folder.join("made");
    mkdirSync(made);
    const file = await folder.write("child.mjs", CHILD);
    const flags = ["--disable-warning=ExperimentalWarning", file];
    const child = await runProgram(process.execPath, [...flags, own, link, socket, made]);
    assert.notEqual(child.stdout, "", child.stderr);
    const { identity, threads, ...told } = JSON.parse(child.stdout);
    const { uid } = identity;
    assert.ok(threads > 2 && uid > 0);
    assert.deepEqual(told, {
      before: "127.84.3.2:82",
      added: isOpenToAll ? "127.84.3.2:83" : refused(83),
      again: ["accepted", "ECONNREFUSED", "accepted", "ECONNREFUSED"],
      gone: isOpenToAll ? "127.84.3.2:82" : refused(82),
      users: [`Uid: ${uid} ${uid} ${uid} ${uid}`],
      refused: ["EPERM", "EPERM", "EACCES"],
    });
    const owners = [own, target, link, socket, made].map((path) => lstatSync(path).uid);
    assert.deepEqual(owners, [uid, 0, 0, uid, uid], "a link is nobody's way to what it leads to");
  });

  test("is refused to whoever isn't root, in words", async () => {
    const script = `
      const { becomeUser } = await import(${JSON.stringify(import.meta.resolve("./privileges.ts"))});
      process.setuid(65534);
      try { becomeUser({ uid: 1, gid: 1, name: "other" }, []); } catch (error) { console.log(error.message); }`;
    const child = await runProgram(process.execPath, ["--input-type=module", "-e", script]);
    assert.equal(child.stdout, "Only root can become user other of group 1: this is user 65534 of group 0\n");
  });
});
