import { letRun } from "../../base/let-run.ts";
import type { FieldLine } from "../../cache/meta.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { type CacheEntry, type CacheKey, type CacheStore, EntryState } from "../../cache/store.ts";
import type { BodyCoding } from "../body-coder.ts";
import { CopyJob, type CopyOwner, type CopyTarget, copyMeta } from "./copy-job.ts";

/** Bytes of a body up to which whoever asks first waits until it is coded, which takes some 25 ms for all of them. */
const MOST_AWAITED = 1024 * 1024;
/** Bytes of a body that is still being written up to which its copy is made all the same: what is as short comes whole at once, or soon. */
const MOST_WHILE_WRITTEN = 64 * 1024;
/** Bodies that are coded at once with nobody waiting, since they are long or that is much work: each keeps a thread of the pool busy for a while. */
const MOST_ASIDE = 1;

const view = new MetaView();

/**
 * The coded bodies of what is stored. Each lies beside the response that it was made of, under a key of its own:
 *
 *     https://example.com/          ─▶ the response · epoch 7
 *     https://example.com/ ⏎ =br4   ─▶ its body in brotli · epoch 7
 *
 * Whether the response is fresh, purged or replaced, and what its head says, stands with the response alone, by which each look-up begins. So a 304 or
 * a purge is of all copies at once. What was made of an earlier body has another epoch, and is as good as not there. With a copy lies the head that goes with
 * it, which saves making that anew as long as the response has had no other since.
 */
export class CodedCopies {
  readonly #store: CacheStore;
  /** Whether the store takes its time to find things: it had better be asked only once for each request. */
  isSlow = false;
  readonly #jobs = new Map<string, CopyJob>();
  #asideJobs = 0;

  constructor(store: CacheStore) {
    this.#store = store;
  }

  /** The copy of an entry's body, held; null: there is none, or not yet. */
  find(entry: CacheEntry, key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const found = this.#store.find(key);
    this.isSlow = found instanceof Promise;
    return found instanceof Promise ? found.then((copy) => copyOf(entry, copy)) : copyOf(entry, found);
  }

  /**
   * Has a copy made, once for all in this thread who want it meanwhile. It is done off the event loop but for short bodies.
   * @returns false: nobody is told, since it isn't there yet and may take too long to be waited for
   */
  make(entry: CacheEntry, target: CopyTarget, owner: CopyOwner): boolean {
    const { key } = target;
    if (!isCopied(entry)) return false;
    const { way } = target;
    // Much work, or more than on the way to one client, is nobody's to wait for.
    const isAside = entry.length > MOST_AWAITED || !way.isQuick || way.forCopies !== way;
    const name = jobName(entry, key);
    const known = this.#jobs.get(name);
    if (known !== undefined) return !isAside && known.tell(owner);
    if (isAside && this.#asideJobs === MOST_ASIDE) return false;
    const job = new CopyJob(this.#store, target, entry.meta, isAside, () => this.#forget(name, isAside));
    if (!isAside) job.tell(owner);
    this.#jobs.set(name, job);
    if (isAside) this.#asideJobs++;
    this.#begin(job, entry);
    return !isAside;
  }

  /** Has a copy, whose response has got another head since, go with that. */
  renew(copy: CacheEntry, meta: Buffer, fields: readonly FieldLine[]): void {
    letRun(this.#store.update(copy, copyMeta(meta, copy.key.text, copy.length, fields)));
  }

  #forget(name: string, isAside: boolean): void {
    this.#jobs.delete(name);
    if (isAside) this.#asideJobs--;
  }

  /** A job has a hold of its own on the response, for whoever wanted the copy may leave. */
  #begin(job: CopyJob, entry: CacheEntry): void {
    const { epoch } = view.of(entry.meta);
    const begin = (own: CacheEntry | null): void => {
      if (own !== null && own.state !== EntryState.Failed && view.of(own.meta).epoch === epoch)
        job.start(own);
      else {
        own?.release();
        job.fail();
      }
    };
    const found = this.#store.find(entry.key);
    if (found instanceof Promise) void found.then(begin, () => job.fail());
    else begin(found);
  }
}

/** The text of the key of a copy: a line more than the response's, such as no field and no cookie makes. */
export function copyKeyText({ key }: CacheEntry, way: BodyCoding): string {
  return `${key.text}\n=${way.forCopies.name}`;
}

/** Another response under the same key is other work: who wants its copy mustn't get one of the response before. */
function jobName({ meta }: CacheEntry, { text }: CacheKey): string {
  return `${view.of(meta).epoch} ${text}`;
}

/** Whether a copy has the head with it that the response with this meta has when it is coded. */
export function hasHeadOf(copy: CacheEntry, meta: Buffer): boolean {
  const { responseTime } = view.of(meta);
  return view.of(copy.meta).responseTime === responseTime && view.fieldCount > 0;
}

/** Whether a copy is made of an entry as it is. */
function isCopied({ state, meta }: CacheEntry): boolean {
  const { epoch, bodyLength } = view.of(meta);
  if (epoch === 0 || state === EntryState.Failed) return false;
  return state === EntryState.Complete || (bodyLength >= 0 && bodyLength <= MOST_WHILE_WRITTEN);
}

function isOf({ state, meta }: CacheEntry, epoch: number): boolean {
  return state === EntryState.Complete && view.of(meta).epoch === epoch;
}

function copyOf(entry: CacheEntry, copy: CacheEntry | null): CacheEntry | null {
  if (copy === null) return null;
  const { epoch } = view.of(entry.meta);
  if (epoch !== 0 && isOf(copy, epoch)) return copy;
  copy.release();
  return null;
}
