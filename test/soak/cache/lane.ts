import type { Random } from "../random.ts";
import { type Ability, type Complaint, check } from "./check.ts";
import type { Origin } from "./origin.ts";
import type { Clients, Part, Question, Reply } from "./question.ts";
import { etagOf, makeResource, modifiedAt, pathOf, type Resource, versionAt } from "./resource.ts";

/** Forgets what is under a path, on every way there is; rejects when that can't be done. */
export type Purge = (path: string) => Promise<void>;

/** What all lanes share. */
export interface Stage {
  readonly origin: Origin;
  readonly clients: Clients;
  readonly purge: Purge | null;
  readonly abilities: ReadonlySet<Ability>;
  /** Milliseconds an answer may be older than its seconds say. */
  readonly slack: number;
  readonly resources: readonly Resource[];
  /** What was made before is gone, by paths: milliseconds. */
  readonly barriers: Map<string, number>;
  /** For resources that nobody has asked for yet. */
  nextId: number;
  readonly tally: Tally;
}

/** What came out. */
export interface Tally {
  requests: number;
  /** Answers by what was asked and their status. */
  readonly answers: Map<string, number>;
  readonly complaints: Map<string, string[]>;
}

/** Clients that ask for one cold resource at once. */
const CROWD = 24;
const KINDS = ["", "a", "b", "c"];

/** One who asks, one thing after the other. */
export class Lane {
  readonly #stage: Stage;
  readonly #random: Random;

  constructor(stage: Stage, random: Random) {
    this.#stage = stage;
    this.#random = random;
  }

  async run(requests: number): Promise<void> {
    for (let i = 0; i < requests; i++) await this.#next();
  }

  /** What is popular is asked for far more often. */
  #pick(): Resource {
    const { resources } = this.#stage;
    return resources[Math.floor(this.#random.next() ** 3 * resources.length)]!;
  }

  #next(): Promise<void> {
    const draw = this.#random.next();
    if (draw < 0.01) return this.#crowd();
    const resource = this.#pick();
    if (draw < 0.02) return this.#change(resource);
    if (draw < 0.03) return this.#forget(resource);
    return this.#ask(this.#question(resource));
  }

  async #ask(question: Question): Promise<void> {
    const { clients, abilities, slack, barriers } = this.#stage;
    // What is being purged just now may be seen or not.
    const barrier = barriers.get(question.path) ?? 0;
    const reply = await clients.ask(question);
    this.#count(question, reply);
    for (const { flaw, text } of check(question, reply, { abilities, slack, barrier })) {
      this.#blame(flaw, `${text}: ${JSON.stringify({ ...question, resource: undefined })} ${told(reply)}`);
    }
  }

  #question(resource: Resource): Question {
    const random = this.#random;
    const plain: Question = {
      ...{ resource, path: pathOf(resource), method: random.chance(0.06) ? "HEAD" : "GET" },
      ...{ kind: random.pick(KINDS), parts: [], noCache: random.chance(0.05) },
      ...(random.chance(0.04) ? { user: `user-${random.between(1, 3)}` } : {}),
    };
    const draw = random.next();
    if (draw < 0.15) return this.#conditional(plain);
    if (draw < 0.35) return this.#ranged(plain);
    if (draw < 0.39) return { ...plain, leavesAfter: random.between(1, resource.size + 1) };
    return plain;
  }

  /** With what another client could have seen, or with what never was. */
  #conditional(question: Question): Question {
    const { resource, kind } = question;
    const version = this.#version(resource);
    if (resource.validator === "date") {
      return { ...question, ifModifiedSince: new Date(modifiedAt(resource, version)).toUTCString() };
    }
    const tag = this.#random.chance(0.2) ? '"nobody\'s"' : etagOf(resource, version, kind);
    return { ...question, ifNoneMatch: tag };
  }

  #version(resource: Resource): number {
    return versionAt(resource, Date.now()) - (this.#random.chance(0.3) ? 1 : 0);
  }

  #ranged(question: Question): Question {
    const { resource, kind } = question;
    const random = this.#random;
    const part = (): Part => {
      const first = random.between(0, resource.size + 2);
      return [first, first + random.between(0, resource.size)];
    };
    const isSeveral = random.chance(0.1) && this.#stage.abilities.has("multipart");
    const parts = isSeveral ? [part(), part()] : [part()];
    if (!random.chance(0.3)) return { ...question, parts };
    const version = this.#version(resource);
    const ifRange =
      resource.validator === "date"
        ? new Date(modifiedAt(resource, version)).toUTCString()
        : etagOf(resource, version, kind);
    return { ...question, parts, ifRange };
  }

  /** A request that changes what is there; later ones may not see what was before. */
  async #change(resource: Resource): Promise<void> {
    const { clients, abilities, barriers } = this.#stage;
    const path = pathOf(resource);
    const began = Date.now();
    const reply = await clients.tell(path, "POST");
    if (reply.status !== 200) this.#blame("status", `${reply.status} to a POST`);
    else if (abilities.has("invalidation")) raise(barriers, path, began);
  }

  async #forget(resource: Resource): Promise<void> {
    const { purge, barriers } = this.#stage;
    if (purge === null) return;
    const path = pathOf(resource);
    const began = Date.now();
    await purge(path).then(
      () => raise(barriers, path, began),
      (error: Error) => this.#blame("purge", error.message),
    );
  }

  /** Many ask for what nobody has asked for before: the origin is asked once, if it may be kept and comes whole. */
  async #crowd(): Promise<void> {
    const { origin, abilities } = this.#stage;
    const drawn = makeResource(this.#stage.nextId++, this.#random);
    const resource: Resource = { ...drawn, delay: this.#random.between(20, 200), lifetime: 10, period: 60 };
    const question: Question = {
      ...{ resource, path: pathOf(resource), method: "GET", kind: this.#random.pick(KINDS), parts: [] },
      noCache: false,
    };
    await Promise.all(Array.from({ length: CROWD }, () => this.#ask(question)));
    const count = origin.takeCount(question.path);
    const isKept = resource.sharing === "public" && resource.fault === "none";
    if (isKept && count > 1 && abilities.has("collapsing")) {
      this.#blame("collapsing", `${count} of ${CROWD} requests for ${question.path} came to the origin`);
    }
  }

  #count(question: Question, { status, isWhole }: Reply): void {
    const { tally } = this.#stage;
    tally.requests++;
    const asked =
      question.parts.length > 0
        ? "range"
        : question.ifNoneMatch !== undefined || question.ifModifiedSince !== undefined
          ? "condition"
          : question.method;
    const name = `${asked} ${status}${isWhole ? "" : " cut"}`;
    tally.answers.set(name, (tally.answers.get(name) ?? 0) + 1);
  }

  #blame(flaw: Complaint["flaw"] | "purge" | "collapsing", text: string): void {
    const { complaints } = this.#stage.tally;
    const known = complaints.get(flaw);
    if (known === undefined) complaints.set(flaw, [text]);
    else known.push(text);
  }
}

/** Never back: two may purge at once. */
function raise(barriers: Map<string, number>, path: string, time: number): void {
  if ((barriers.get(path) ?? 0) < time) barriers.set(path, time);
}

function told({ status, fields, body, isWhole, started, ended }: Reply): string {
  return `→ ${status} ${JSON.stringify(fields)} ${body.length} bytes${isWhole ? "" : ", cut"}, ${started}–${ended}`;
}
