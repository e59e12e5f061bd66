import { randomBytes, randomFillSync } from "node:crypto";
import type { SecureContext } from "node:tls";

/** Bytes of a key: its name, and the keys of HMAC-SHA256 and AES-128-CBC with 16 each. */
export const TICKET_KEY_LENGTH = 48;

const PART = 16;
/** What the callback may answer with, by OpenSSL's SSL_CTX_set_tlsext_ticket_key_cb(3). */
const Answer = { Unknown: 0, Good: 1, Renew: 2 } as const;

interface TicketKey {
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;
}

/** Status, HMAC key, AES key; for a new ticket also its key's name and its initialization vector. */
type TicketAnswer = [number, Buffer, Buffer, Buffer?, Buffer?];

/** The part of Node's own contexts that has no public name. */
interface NativeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, isNew: boolean) => TicketAnswer;
  enableTicketKeyCallback?(): void;
  setTicketKeys(keys: Buffer): void;
}

/**
 * The keys that session tickets are sealed with. All threads that listen on the same address must have the same ones, or
 * a client is recognized only by the thread it was with before.
 *
 * Node's public interface knows a single key, with which each change would make all clients strangers. Its contexts also take a
 * callback, as OpenSSL has it, which is what this uses: the first key seals, all of them open, and a ticket of
 * another than the first is replaced by a new one. Where the callback isn't there, the first key alone counts for contexts
 * made after a change.
 */
export class TicketKeys {
  #keys: readonly [TicketKey, ...TicketKey[]];

  /**
   * @param keys the current one, then those before it; a random one when absent
   * @throws RangeError when one hasn't 48 bytes, or there is none
   */
  constructor(keys: readonly Uint8Array[] = [createTicketKey()]) {
    this.#keys = toKeys(keys);
  }

  /** Replaces the keys for all contexts that use this, from the next handshake on. */
  set(keys: readonly Uint8Array[]): void {
    this.#keys = toKeys(keys);
  }

  /** Has `context` use these keys. */
  applyTo({ context }: SecureContext): void {
    const native = context as NativeContext;
    if (native.enableTicketKeyCallback === undefined) {
      const [{ name, hmac, aes }] = this.#keys;
      native.setTicketKeys(Buffer.concat([name, hmac, aes]));
      return;
    }
    native.onticketkeycallback = (name, _iv, isNew) => (isNew ? this.#seal() : this.#open(name));
    native.enableTicketKeyCallback();
  }

  #seal(): TicketAnswer {
    const [{ name, hmac, aes }] = this.#keys;
    return [Answer.Good, hmac, aes, name, nextVector()];
  }

  #open(name: Buffer): TicketAnswer {
    const [current] = this.#keys;
    const key = this.#keys.find((one) => one.name.equals(name));
    if (key === undefined) return [Answer.Unknown, current.hmac, current.aes];
    return [key === current ? Answer.Good : Answer.Renew, key.hmac, key.aes];
  }
}

/** Random bytes for the next tickets: to get them one by one costs some microseconds each. */
const vectors = Buffer.allocUnsafeSlow(256 * PART);
let vectorsUsed = vectors.length;

/** An initialization vector that was never used; OpenSSL copies it at once. */
function nextVector(): Buffer {
  if (vectorsUsed === vectors.length) {
    randomFillSync(vectors);
    vectorsUsed = 0;
  }
  vectorsUsed += PART;
  return vectors.subarray(vectorsUsed - PART, vectorsUsed);
}

/** A new random key. */
export function createTicketKey(): Buffer {
  return randomBytes(TICKET_KEY_LENGTH);
}

function toKeys(keys: readonly Uint8Array[]): readonly [TicketKey, ...TicketKey[]] {
  const [first, ...others] = keys.map(toKey);
  if (first === undefined) throw new RangeError("there must be a session ticket key");
  return [first, ...others];
}

function toKey(bytes: Uint8Array): TicketKey {
  if (bytes.length !== TICKET_KEY_LENGTH) {
    throw new RangeError(`a session ticket key has ${TICKET_KEY_LENGTH} bytes, not ${bytes.length}`);
  }
  const copy = Buffer.from(bytes);
  return {
    name: copy.subarray(0, PART),
    hmac: copy.subarray(PART, 2 * PART),
    aes: copy.subarray(2 * PART),
  };
}
