import { checkPhases, PHASES } from "../../proxy/plan.ts";
import type {
  CheckedFilter,
  CheckIssue,
  FilterCheck,
  FilterPhases,
  FilterSite,
  RoutesPhase,
} from "./filter-module.ts";

/** A filter of a configuration, made ready in one thread. */
export interface OwnFilter {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** Its file, as it was named. */
  readonly module: string;
  readonly phases: FilterPhases<unknown>;
}

/** A filter doesn't take the config that it is given. */
export class FilterConfigError extends Error {
  /** Where in the config, from its top. */
  readonly path: readonly PropertyKey[];

  constructor(message: string, path: readonly PropertyKey[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = "FilterConfigError";
    this.path = path;
  }
}

/**
 * Makes the phases of what a module exports by default, for a config; undefined: there is none.
 * Rejects with a FilterConfigError when the module has something against the config, and with what it throws itself.
 */
export async function makePhases(exported: unknown, config: unknown, site: FilterSite): Promise<unknown> {
  if (typeof exported === "function") return await exported(config, site);
  if (isChecked(exported)) return await exported.create(await checked(exported.check, config), site);
  if (config !== undefined) throw new FilterConfigError("this filter takes no config");
  return exported;
}

/** @throws TypeError when these are no phases of a filter */
export function asPhases(made: unknown): FilterPhases<unknown> {
  if (typeof made !== "object" || made === null)
    throw new TypeError(`This is no filter but ${made === null ? "null" : typeof made}; expected phases`);
  checkPhases(made);
  for (const [name, what] of Object.entries(OF_ROUTES))
    if (name in made) throw new TypeError(`A filter has no phase ${name}: ${what} is said by the route`);
  if (![...PHASES].some((name) => name in made)) throw new TypeError(withoutPhases(made));
  return made as FilterPhases<unknown>;
}

const OF_ROUTES: Readonly<Record<RoutesPhase, string>> = {
  upstreamPeer: "where requests go",
  requestCacheFilter: "which cache they use",
  isPurge: "who may purge",
  purgeResponseFilter: "who may purge",
};

function isChecked(exported: unknown): exported is CheckedFilter {
  return typeof exported === "object" && exported !== null && "create" in exported && "check" in exported;
}

async function checked(check: FilterCheck<unknown>, config: unknown): Promise<unknown> {
  if ("~standard" in check) {
    const result = await check["~standard"].validate(config);
    if (result.issues === undefined) return result.value;
    throw toConfigError(result.issues);
  }
  try {
    return await check(config);
  } catch (thrown) {
    if (hasIssues(thrown)) throw toConfigError(thrown.issues);
    throw new FilterConfigError(thrown instanceof Error ? thrown.message : String(thrown), [], {
      cause: thrown,
    });
  }
}

/** What validators throw that list what they found. */
function hasIssues(thrown: unknown): thrown is { issues: readonly CheckIssue[] } {
  return thrown instanceof Error && "issues" in thrown && Array.isArray(thrown.issues);
}

/** The first is where it stands; all are told. */
function toConfigError(issues: readonly CheckIssue[]): FilterConfigError {
  const [first] = issues;
  const path = (first?.path ?? []).map((step) => (typeof step === "object" ? step.key : step));
  const others = issues.slice(1).map(({ message }) => message);
  return new FilterConfigError([first?.message ?? "it isn't as expected", ...others].join("; "), path);
}

function withoutPhases(made: object): string {
  const keys = Object.keys(made);
  const found = keys.length === 0 ? "nothing" : `only ${keys.join(", ")}`;
  return `This filter has none of the phases, such as requestFilter and responseFilter, but ${found}`;
}
