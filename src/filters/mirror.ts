import type { Random } from "../base/random.ts";
import { HttpClient } from "../proxy/http-client.ts";
import { IncomingBody } from "../proxy/incoming-body.ts";
import type { BodyTap, Session } from "../proxy/session.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { MirrorSettings } from "./settings.ts";

/** Fields that belong to the client's connection or to the framing of its request (RFC 9110 §7.6.1). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Chooses where a copy goes. @throws ProxyError when there is no server */
export type ChoosePeer = (session: Session<unknown>) => HttpPeer;

/**
 * Sends copies of requests to another upstream. Nothing that becomes of a copy is felt by the request: its answer is thrown
 * away, its body is kept for it only up to a limit, and a copy that is late, refused or broken off is just counted.
 */
export class Mirror {
  /** Copies that were sent, and those that weren't or came to nothing. */
  sent = 0;
  failed = 0;
  readonly #settings: MirrorSettings;
  readonly #choosePeer: ChoosePeer;
  readonly #random: Random;
  readonly #client: HttpClient = new HttpClient();
  #pending = 0;

  constructor(settings: MirrorSettings, choosePeer: ChoosePeer, random: Random) {
    this.#settings = settings;
    this.#choosePeer = choosePeer;
    this.#random = random;
  }

  /** Copies the request if the lot falls on it. To be called before any of its body has come. */
  copy(session: Session<unknown>): void {
    const { share, mostPending } = this.#settings;
    if (share < 1 && this.#random.next() >= share) return;
    // What switches protocols is a conversation, which only one server can have.
    const { method, body, upgrade } = session.request;
    if (method === "CONNECT" || upgrade !== null) return;
    if (this.#pending >= mostPending) {
      this.failed++;
      return;
    }
    const copied = body === "none" || body === 0 ? null : new CopiedBody(this.#settings.mostBuffered);
    if (copied !== null) session.tapBody(copied);
    void this.#send(session, copied);
  }

  async #send(session: Session<unknown>, body: CopiedBody | null): Promise<void> {
    const { method, target } = session.request;
    this.#pending++;
    try {
      const response = await this.#client.request(this.#choosePeer(session), {
        method,
        target,
        headers: copiedFields(session),
        body: body?.content ?? null,
        signal: AbortSignal.timeout(this.#settings.timeout),
      });
      for await (const _ of response.body);
      this.sent++;
    } catch {
      // A copy is nobody's request: there is nobody to tell.
      this.failed++;
    } finally {
      this.#pending--;
      body?.close();
    }
  }

  close(): void {
    this.#client.close();
  }
}

function copiedFields({ request, client }: Session<unknown>): [name: string, value: string][] {
  const listed = new Set((request.headers.get("connection") ?? "").toLowerCase().split(/\s*,\s*/));
  const fields: [string, string][] = [];
  let forwardedFor = client.address;
  for (const [name, value] of request.headers) {
    const key = name.toLowerCase();
    if (key === "x-forwarded-for") forwardedFor = `${value}, ${client.address}`;
    else if (!CONNECTION_FIELDS.has(key) && !listed.has(key)) fields.push([name, value]);
  }
  if (forwardedFor !== "") fields.push(["X-Forwarded-For", forwardedFor]);
  return fields;
}

/** A request's body on its way to the other server as well, as far as that one keeps up. */
class CopiedBody implements BodyTap {
  readonly content: IncomingBody = new IncomingBody({ pause() {}, resume() {}, cancel() {} });
  readonly #most: number;
  #closed = false;

  constructor(most: number) {
    this.#most = most;
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#closed) return;
    this.content.push(Buffer.from(bytes.subarray(start, end)));
    if (this.content.waiting > this.#most) this.onAbort();
  }

  onEnd(): void {
    this.content.finish();
  }

  onAbort(): void {
    this.content.fail(new Error("The request was broken off, or the other server is too slow"));
    this.close();
  }

  /** Nobody sends it any more. */
  close(): void {
    this.#closed = true;
  }
}
