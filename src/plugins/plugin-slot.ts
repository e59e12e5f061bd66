import { describeThrown, isThenable } from "../base/errors.ts";
import {
  type HeadVerdict,
  type LossListener,
  type MaybeLater,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  type Transformed,
} from "./plugin.ts";
import type { PluginCounts } from "./plugin-counts.ts";

/**
 * The place of a plugin in one thread. Who uses it doesn't notice when another plugin comes to stand there: connections stay
 * with the one that they began with, which goes when the last of them is closed.
 *
 *     slot ──▶ plugin (new)  ◀── connections from now on
 *              plugin (old)  ◀── connections that were there already
 */
export class PluginSlot implements Plugin {
  readonly name: string;
  readonly #counts: PluginCounts;
  #tenant: Tenant;
  #isClosed = false;

  /** @param name what the configuration calls it */
  constructor(name: string, plugin: Plugin, counts: PluginCounts) {
    this.name = name;
    this.#counts = counts;
    this.#tenant = new Tenant(plugin);
  }

  get transforms(): boolean {
    return this.#tenant.plugin.transforms;
  }

  get filtersRequests(): boolean {
    return this.#tenant.plugin.filtersRequests;
  }

  /** What is opened from now on is `plugin`'s. */
  replace(plugin: Plugin): void {
    if (this.#isClosed) {
      plugin.close();
      return;
    }
    const before = this.#tenant;
    this.#tenant = new Tenant(plugin);
    before.retire();
  }

  openConnection(clientAddress: string): PluginConnection {
    const tenant = this.#tenant;
    if (this.#isClosed) throw this.fail(usedNoMore());
    try {
      const connection = tenant.plugin.openConnection(clientAddress);
      tenant.users++;
      this.#counts.noteOpened();
      return new CountedConnection(connection, tenant, this);
    } catch (error) {
      throw this.fail(error);
    }
  }

  filterRequest(head: string): MaybeLater<HeadVerdict> {
    const tenant = this.#tenant;
    const { plugin } = tenant;
    if (!plugin.filtersRequests) return null;
    if (this.#isClosed) throw this.fail(usedNoMore());
    const began = this.#counts.beginCall();
    tenant.users++;
    let verdict: MaybeLater<HeadVerdict>;
    try {
      verdict = plugin.filterRequest(head);
    } catch (error) {
      tenant.leave();
      throw this.fail(error);
    }
    if (isThenable(verdict)) return this.#judgeLater(verdict as PromiseLike<HeadVerdict>, tenant, began);
    return this.#judge(verdict as HeadVerdict, tenant, began);
  }

  #judge(verdict: HeadVerdict, tenant: Tenant, began: number): HeadVerdict {
    this.#counts.endCall(began);
    this.#counts.noteRequest(typeof verdict === "number");
    tenant.leave();
    return verdict;
  }

  async #judgeLater(later: PromiseLike<HeadVerdict>, tenant: Tenant, began: number): Promise<HeadVerdict> {
    try {
      return this.#judge(await later, tenant, began);
    } catch (error) {
      tenant.leave();
      throw this.fail(error);
    }
  }

  /** Nothing is opened any more; what is open goes on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#tenant.retire();
  }

  /** @internal */
  get counts(): PluginCounts {
    return this.#counts;
  }

  /** @internal counts what went wrong, and says whose fault it is */
  fail(error: unknown): PluginError {
    this.#counts.noteError();
    return new PluginError(`Plugin ${this.name}: ${describeThrown(error)}`, { cause: error });
  }
}

/** Who was told to use it before it was closed may still come. */
function usedNoMore(): PluginError {
  return new PluginError("it is used no more");
}

/** A plugin that stands in a slot, or has stood there. */
class Tenant {
  readonly plugin: Plugin;
  /** Connections and requests that are under way. */
  users = 0;
  #isRetired = false;

  constructor(plugin: Plugin) {
    this.plugin = plugin;
  }

  leave(): void {
    this.users--;
    if (this.users === 0 && this.#isRetired) this.plugin.close();
  }

  retire(): void {
    this.#isRetired = true;
    if (this.users === 0) this.plugin.close();
  }
}

class CountedConnection implements PluginConnection {
  readonly #connection: PluginConnection;
  readonly #tenant: Tenant;
  readonly #slot: PluginSlot;
  #isClosed = false;
  /** What it ended by: it has cost one connection, however many notice. */
  #failure: PluginError | null = null;

  constructor(connection: PluginConnection, tenant: Tenant, slot: PluginSlot) {
    this.#connection = connection;
    this.#tenant = tenant;
    this.#slot = slot;
  }

  transform(direction: PluginDirection, bytes: Buffer, start: number, end: number): MaybeLater<Transformed> {
    if (!this.#tenant.plugin.transforms) return bytes.subarray(start, end);
    const { counts } = this.#slot;
    const began = counts.beginCall();
    let result: MaybeLater<Transformed>;
    try {
      result = this.#connection.transform(direction, bytes, start, end);
    } catch (error) {
      throw this.#fail(error);
    }
    if (isThenable(result))
      return this.#transformLater(result as PromiseLike<Transformed>, direction, end - start, began);
    return this.#note(result as Transformed, direction, end - start, began);
  }

  #note(result: Transformed, direction: PluginDirection, came: number, began: number): Transformed {
    const { counts } = this.#slot;
    counts.endCall(began);
    counts.noteBytes(direction, came, result === null ? 0 : result.length);
    return result;
  }

  async #transformLater(
    later: PromiseLike<Transformed>,
    direction: PluginDirection,
    came: number,
    began: number,
  ): Promise<Transformed> {
    try {
      return this.#note(await later, direction, came, began);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): PluginError {
    this.#failure ??= this.#slot.fail(error);
    return this.#failure;
  }

  watch(listener: LossListener): void {
    const connection = this.#connection;
    if (connection.watch === undefined) return;
    connection.watch({ onLost: (error) => listener.onLost(this.#fail(error)) });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
    this.#slot.counts.noteClosed();
    this.#tenant.leave();
  }
}
