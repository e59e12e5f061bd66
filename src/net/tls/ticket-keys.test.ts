import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { createAuthority, type Identity } from "../../../test/kit/certificates.ts";
import { visitSecurely } from "../../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer } from "../../../test/kit/tls-server.ts";
import { createTicketKey, TicketKeys } from "./ticket-keys.ts";

const authority = await createAuthority();
const identity = await authority.issue();

/** A thread that listens with TLS. */
class TlsThread implements AsyncDisposable {
  port = 0;
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(identity: Identity, keys: readonly Uint8Array[]): Promise<TlsThread> {
    const file = new URL("../../../test/kit/tls-thread.ts", import.meta.url);
    const thread = new TlsThread(new Worker(file, { workerData: { identity, keys } }));
    [thread.port] = (await once(thread.#worker, "message")) as [number];
    return thread;
  }

  async setKeys(keys: readonly Uint8Array[]): Promise<void> {
    this.#worker.postMessage(keys);
    await once(this.#worker, "message");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  describe(`session tickets in ${maxVersion}`, () => {
    test("are taken up by whichever thread accepts, and after one rotation", async () => {
      const [old, current, later] = [createTicketKey(), createTicketKey(), createTicketKey()];
      await using one = await TlsThread.start(identity, [old]);
      await using two = await TlsThread.start(identity, [old]);
      const first = await visitSecurely(one.port, { maxVersion });
      assert.equal(first.resumed, false);
      const second = await visitSecurely(two.port, { maxVersion, session: first.session! });
      assert.equal(second.resumed, true, "in another thread");

      for (const thread of [one, two]) await thread.setKeys([current, old]);
      const rotated = await visitSecurely(one.port, { maxVersion, session: first.session! });
      assert.equal(rotated.resumed, true, "with the key before");
      const fresh = await visitSecurely(one.port, { maxVersion });

      for (const thread of [one, two]) await thread.setKeys([later, current]);
      assert.equal((await visitSecurely(two.port, { maxVersion, session: fresh.session! })).resumed, true);
      const forgotten = await visitSecurely(two.port, { maxVersion, session: first.session! });
      assert.equal(forgotten.resumed, false, "with a key that is gone");
      assert.equal(forgotten.answer, "ping");
    });

    test("of an old key are replaced by those of the new one", async () => {
      const [old, current] = [createTicketKey(), createTicketKey()];
      const keys = new TicketKeys([old]);
      await using server = await startTlsServer({ choose: createServerContext([identity], {}, keys) });
      const first = await visitSecurely(server.port, { maxVersion });
      keys.set([current, old]);
      const renewed = await visitSecurely(server.port, { maxVersion, session: first.session! });
      assert.equal(renewed.resumed, true);
      keys.set([current]);
      const session = renewed.session ?? renewed.lastSession;
      assert.equal((await visitSecurely(server.port, { maxVersion, session })).resumed, true);
    });

    test("aren't given where they are off", async () => {
      const context = createServerContext([identity], { sessionTimeout: 0 });
      await using server = await startTlsServer({ choose: context });
      const first = await visitSecurely(server.port, { maxVersion });
      const session = first.session ?? first.lastSession;
      assert.equal((await visitSecurely(server.port, { maxVersion, session })).resumed, false);
    });
  });
}

test("keys of a wrong length, or none, are refused", () => {
  assert.throws(() => new TicketKeys([Buffer.alloc(80)]), /has 48 bytes, not 80/);
  assert.throws(() => new TicketKeys([]), /must be a session ticket key/);
});
