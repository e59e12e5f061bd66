import { lookup } from "node:dns/promises";
import { closeSync, lstatSync, unlinkSync } from "node:fs";
import { BoundSocket, connect, isIP } from "node:net";
import { type Address, formatAddress, formatHostPort, parseAddress } from "../net/address.ts";
import type { BoundElsewhere } from "../net/listener.ts";
import type { Binding, KeptSocket } from "./binding.ts";
import { duplicateAll } from "./duplicate.ts";
import { Loans } from "./loans.ts";
import { SetAside } from "./set-aside.ts";
import { sharePort } from "./share-port.ts";
import { bindUnixSocket } from "./unix-socket.ts";
import { type HandedSockets, InheritedSockets } from "./upgrade/inherited-sockets.ts";

/** What one owner listens on; while it moves these are two. */
interface Tenancy {
  /** As it was asked for first. */
  readonly asked: string;
  readonly binding: Promise<Binding>;
  /** Null as long as it isn't known. */
  bound: Binding | null;
}

/** Which of how many threads asks for its part of the sockets: an object for each thread, by which it is known. */
export interface Share {
  readonly thread: number;
  readonly threads: number;
}

/**
 * Binds the addresses that are listened on and lends their sockets to workers. The sockets stay here for as long as the
 * process listens: a worker that crashes takes its duplicate with it, and its replacement goes on with the connections
 * that wait in the same queue.
 *
 *     SocketKeeper:  BoundSocket per thread ──dup──▶ descriptor ──▶ worker's listen({ fd })
 */
export class SocketKeeper {
  /** By owner. */
  readonly #tenancies = new Map<string, Tenancy[]>();
  /** Addresses that are bound, or about to be. */
  readonly #claimed = new Set<string>();
  readonly #inherited: InheritedSockets;
  /** Files of Unix sockets that were there before this process. */
  readonly #handedPaths = new Set<string>();
  readonly #setAside = new SetAside();
  readonly #loans = new Loans();
  #isSucceeded = false;
  #isClosed = false;

  /** @param inherited sockets that are bound already: taken where their address is listened on */
  constructor(inherited: InheritedSockets = new InheritedSockets()) {
    this.#inherited = inherited;
  }

  /**
   * Sockets for one thread to listen on, the thread's to close; binds `address` when it is asked for the first time, and
   * once more for each thread that there wasn't before. Where there are more sockets than threads, because there were more
   * threads once or somewhere else, each is lent to one of them: the kernel goes on to give connections to all of them.
   * @param owner which listener it is for, the same in all threads: listeners on port 0 get a port each
   * @param isPrivate a Unix socket's file is for nobody but its user, if it is made here
   */
  async lend(
    address: string,
    share: Share,
    owner: string,
    isPrivate: boolean = false,
  ): Promise<BoundElsewhere> {
    const { thread, threads } = share;
    const parsed = parseAddress(address);
    const tenancy = this.#tenancyOf(owner, address) ?? this.#settle(owner, address, parsed, isPrivate);
    const { sockets, address: boundTo, isForeign } = await tenancy.binding;
    // Its descriptors are closed then, and may be anything by now.
    if (!this.#isHeld(owner, tenancy)) throw givenUp(boundTo);
    if (parsed.kind === "tcp" && !isForeign) joinTcp(sockets, boundTo, threads);
    const shared = thread % sockets.length;
    const lent = sockets.filter((_, i) => i === shared || i % threads === thread);
    return { fds: this.#duplicate(lent, share), boundTo };
  }

  #duplicate(sockets: readonly KeptSocket[], borrower: object): number[] {
    const copies = duplicateAll(sockets.map((socket) => socket.fd()));
    this.#loans.note(copies, borrower);
    return copies;
  }

  /** A thread is gone: closes what was lent to it, as far as it hasn't. */
  takeBack(share: Share): void {
    this.#loans.takeBack(share);
  }

  #tenancyOf(owner: string, address: string): Tenancy | undefined {
    return this.#tenancies
      .get(owner)
      ?.find(({ asked, bound }) => asked === address || bound?.address === address);
  }

  #isHeld(owner: string, tenancy: Tenancy): boolean {
    return this.#tenancies.get(owner)?.includes(tenancy) === true;
  }

  #settle(owner: string, asked: string, address: Address, isPrivate: boolean): Tenancy {
    const tenancy: Tenancy = { asked, binding: this.#bind(address, owner, isPrivate), bound: null };
    this.#tenancies.getOrInsert(owner, []).push(tenancy);
    tenancy.binding.then(
      (bound) => {
        tenancy.bound = bound;
      },
      // A failed attempt isn't remembered: the address may be free the next time.
      () => this.#forget(owner, tenancy),
    );
    return tenancy;
  }

  #forget(owner: string, tenancy: Tenancy): void {
    const others = (this.#tenancies.get(owner) ?? []).filter((other) => other !== tenancy);
    if (others.length > 0) this.#tenancies.set(owner, others);
    else this.#tenancies.delete(owner);
  }

  /**
   * Ends listening for one owner: once the workers close theirs too, the kernel refuses connections.
   * @param at the bound address that it leaves; null: all that it has
   */
  async release(owner: string, at: string | null = null): Promise<void> {
    for (const tenancy of this.#tenancies.get(owner) ?? []) {
      const binding = await tenancy.binding.catch(() => null);
      if (at === null || binding?.address === at) await this.#end(owner, tenancy);
    }
  }

  /** @returns closes all that was bound since */
  mark(): () => Promise<void> {
    const known = new Set([...this.#tenancies.values()].flat());
    return async () => {
      for (const [owner, tenancies] of [...this.#tenancies])
        for (const tenancy of tenancies) if (!known.has(tenancy)) await this.#end(owner, tenancy);
    };
  }

  async #end(owner: string, tenancy: Tenancy): Promise<void> {
    const binding = await tenancy.binding.catch(() => null);
    // Somebody else may have ended it meanwhile.
    if (!this.#isHeld(owner, tenancy)) return;
    this.#forget(owner, tenancy);
    if (binding !== null) this.#close(binding);
  }

  #close(binding: Binding): void {
    this.#claimed.delete(binding.address);
    if (!this.#isClosed && this.#setAside.put(binding)) return;
    for (const socket of binding.sockets) socket.close();
    if (binding.path !== null && this.#isOurs(binding.path)) removeSocketFile(binding.path);
  }

  /** One that was handed over stays with whoever had it, as long as that may go on. */
  #isOurs(path: string): boolean {
    return !this.#isSucceeded && (!this.#handedPaths.has(path) || this.#inherited.areOurs);
  }

  /** Closes sockets that were kept though nobody listens on them: they weren't wanted again. */
  letGo(): void {
    this.#setAside.letGo();
  }

  /** All that is listened on, as duplicates: the caller's to close. */
  async handOver(): Promise<HandedSockets[]> {
    await Promise.allSettled([...this.#tenancies.values()].flat().map(({ binding }) => binding));
    const bound = this.#bound;
    const all = bound.flatMap(([, { sockets }]) => sockets);
    const copies = this.#duplicate(all, this);
    return bound.map(([owner, { address, sockets, isForeign }]) => {
      return { owner, address, descriptors: copies.splice(0, sockets.length), isForeign };
    });
  }

  /** Another process listens on the same sockets from now on: their files stay when they are closed here. */
  succeed(): void {
    this.#isSucceeded = true;
    this.#isClosed = true;
  }

  /** Ends listening everywhere. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#setAside.close();
    for (const owner of [...this.#tenancies.keys()]) await this.release(owner);
  }

  async #bind(address: Address, owner: string, isPrivate: boolean): Promise<Binding> {
    if (address.kind === "unix") {
      const { path } = address;
      return this.#claim(
        formatAddress(address),
        (at) => this.#inherit(at, path) ?? bindPath(path, isPrivate),
      );
    }
    const host = await toNumericHost(address.host);
    const { port } = address;
    if (port !== 0) {
      return this.#claim(formatHostPort(host, port), (at) => this.#inherit(at) ?? this.#bindTcp(host, port));
    }
    const known = this.#inherited.takeOf(owner);
    return known === null ? this.#bindTcp(host, 0) : this.#claim(known.address, () => keep(known));
  }

  /** What is bound already, by whomever. */
  #inherit(address: string, path: string | null = null): Binding | null {
    const setAside = this.#setAside.take(address);
    if (setAside !== null) return setAside;
    const known = this.#inherited.takeAt(address);
    if (known === null) return null;
    const binding = keep(known);
    if (path === null || binding.isForeign || path.startsWith("\0")) return binding;
    this.#handedPaths.add(path);
    return { ...binding, path };
  }

  /** The kernel lets our sockets share a port, and would share its connections out among listeners that know nothing of it. */
  async #claim(address: string, bind: (address: string) => Binding | Promise<Binding>): Promise<Binding> {
    if (this.#claimed.has(address)) throw inUse(address);
    this.#claimed.add(address);
    try {
      return await bind(address);
    } catch (error) {
      this.#claimed.delete(address);
      throw error;
    }
  }

  /** It may be ourselves who listen on the port, on another address of the machine, or on all: one of both may be on its way out. */
  #bindFirst(host: string, port: number): BoundSocket {
    try {
      return bindTcp(host, port, false);
    } catch (error) {
      const own = this.#ownAt(port);
      if (own.length === 0) throw error;
      for (const { sockets } of own) for (const socket of sockets) sharePort(socket.fd());
      return bindTcp(host, port, true);
    }
  }

  /** What is bound by now, with its owners. */
  get #bound(): [owner: string, Binding][] {
    return [...this.#tenancies].flatMap(([owner, tenancies]) =>
      tenancies.flatMap(({ bound }): [string, Binding][] => (bound === null ? [] : [[owner, bound]])),
    );
  }

  #ownAt(port: number): Binding[] {
    const known = this.#bound.map(([, bound]) => bound);
    return known.filter(({ address, isForeign }) => {
      const parsed = isForeign ? null : parseAddress(address);
      return parsed?.kind === "tcp" && parsed.port === port;
    });
  }

  #bindTcp(host: string, wanted: number): Binding {
    const first = this.#bindFirst(host, wanted);
    const address = formatHostPort(host, first.address().port);
    this.#claimed.add(address);
    return { address, sockets: [first], path: null, isForeign: false };
  }
}

function keep({ address, descriptors, isForeign = false }: HandedSockets): Binding {
  const sockets = descriptors.map((fd) => ({ fd: () => fd, close: () => closeSync(fd) }));
  return { address, sockets, path: null, isForeign };
}

/**
 * One socket for each thread, as far as there may be more: a port is shared by sockets of one user only, and not below 1024
 * by one who has given up his rights. Threads beyond that share sockets.
 */
function joinTcp(sockets: KeptSocket[], boundTo: string, threads: number): void {
  if (sockets.length >= threads) return;
  const address = parseAddress(boundTo);
  if (address.kind !== "tcp") return;
  for (const socket of sockets) sharePort(socket.fd());
  try {
    while (sockets.length < threads) sockets.push(bindTcp(address.host, address.port, true));
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EADDRINUSE") throw error;
  }
}

/** Port 0 is settled by the first socket; the others join it. */
function bindTcp(host: string, port: number, reusePort: boolean): BoundSocket {
  try {
    return new BoundSocket({ host, port, reusePort });
  } catch (error) {
    throw explain(error, formatHostPort(host, port), TCP_REASONS);
  }
}

function inUse(address: string): Error {
  const message = `Can't listen on ${address}: another listener is there already`;
  return Object.assign(new Error(message), { code: "EADDRINUSE" });
}

function givenUp(address: string): Error {
  return new Error(`Can't listen on ${address}: it was given up meanwhile`);
}

type Reasons = Readonly<Record<string, string>>;

const TCP_REASONS: Reasons = {
  EADDRINUSE: "another program listens there already",
  EACCES: "ports below 1024 need more rights",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "there is no such host",
};

const PATH_REASONS: Reasons = {
  EADDRINUSE: "another program listens there already",
  EEXIST: "something that is no socket is there already",
  // Also what Node says of a folder that isn't there.
  EACCES: "there is no such folder, or it may not be written to",
  EINVAL: "the path is too long for a socket",
};

function explain(error: unknown, address: string, reasons: Reasons): Error {
  const { code = "" } = error as NodeJS.ErrnoException;
  const message = `Can't listen on ${address}: ${reasons[code] ?? String(error)}`;
  return Object.assign(new Error(message, { cause: error }), { code });
}

/** All interfaces where no host is named: IPv6 with IPv4 where there is IPv6. */
async function toNumericHost(host: string): Promise<string> {
  if (host === "" || host === "*") return hasIpv6() ? "::" : "0.0.0.0";
  if (isIP(host) !== 0) return host;
  try {
    const { address } = await lookup(host, { family: host === "localhost" ? 4 : 0 });
    return address;
  } catch (error) {
    throw explain(error, host, TCP_REASONS);
  }
}

function hasIpv6(): boolean {
  try {
    new BoundSocket({ host: "::", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

async function bindPath(path: string, isPrivate: boolean): Promise<Binding> {
  const address = formatAddress({ kind: "unix", path });
  const isFile = !path.startsWith("\0");
  try {
    if (isFile) await makeRoom(path);
    return {
      address,
      sockets: [bindUnixSocket(path, isPrivate)],
      path: isFile ? path : null,
      isForeign: false,
    };
  } catch (error) {
    throw explain(error, address, PATH_REASONS);
  }
}

/**
 * A socket file that nobody listens on is what a killed process left behind, and goes. Anything else stays: the kernel
 * refuses connections to a plain file with the same words.
 * @throws Error `EEXIST` when it is no socket
 */
async function makeRoom(path: string): Promise<void> {
  const kind = kindOf(path);
  if (kind === "other") throw Object.assign(new Error(`${path} is no socket`), { code: "EEXIST" });
  if (kind === "socket" && (await isDeserted(path))) removeSocketFile(path);
}

function kindOf(path: string): "nothing" | "socket" | "other" {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "nothing";
  return found.isSocket() ? "socket" : "other";
}

async function isDeserted(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const probe = connect({ path }, () => resolve(undefined));
  probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  const code = await promise;
  probe.destroy();
  return code === "ECONNREFUSED";
}

/** What keeps a file where it is: it went already, or its folder belongs to the user that we were. */
const LEFT_BEHIND: ReadonlySet<string> = new Set(["ENOENT", "EACCES", "EPERM", "EROFS"]);

/** A file that has to be left behind is one that nobody listens on: whoever binds the path next takes it away. */
function removeSocketFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!LEFT_BEHIND.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
