import type * as z from "zod";
import type { Account, ProcessSettings } from "../snapshot.ts";
import { bindAddress } from "./addresses.ts";
import { duration } from "./units.ts";
import { flag, integer, oneOf, parsedBy, text } from "./values.ts";

const UMASK_EXPECTED = 'octal digits in quotes, like "027"';

/** YAML reads 027 as twenty-seven: only a text says what is meant. */
const umask: z.ZodType<number> = parsedBy(text(UMASK_EXPECTED), UMASK_EXPECTED, (value) => {
  return /^(?:0o?)?[0-7]{1,3}$/.test(value) ? Number.parseInt(value.replace(/^0o/, ""), 8) : undefined;
});

/** The kernel takes the highest number for "leave it as it is". */
const MOST_ID = 2 ** 32 - 2;

function account(what: string): z.ZodType<Account> {
  return oneOf(`the name or the number of a ${what}`, [
    integer(0, MOST_ID),
    text(`the name or the number of a ${what}`),
  ]);
}

interface ProcessKeys {
  readonly pid_file: z.ZodOptional<z.ZodString>;
  readonly upgrade_sock: z.ZodOptional<z.ZodString>;
  readonly daemon: z.ZodDefault<z.ZodBoolean>;
  readonly working_directory: z.ZodOptional<z.ZodString>;
  readonly umask: z.ZodOptional<z.ZodType<number>>;
  readonly user: z.ZodOptional<z.ZodType<Account>>;
  readonly group: z.ZodOptional<z.ZodType<Account>>;
  readonly shutdown_delay: z.ZodPrefault<z.ZodType<number>>;
  readonly health: z.ZodOptional<z.ZodType<string>>;
}

/** Keys of the document that concern the process itself. */
export const processKeys: ProcessKeys = {
  pid_file: text("a path").optional().describe("A file that holds the process id while the proxy runs."),
  upgrade_sock: text("a path")
    .optional()
    .describe(
      "A Unix socket at which a process started with `-u` takes over from this one: see operations.md. Default: none.",
    ),
  daemon: flag().default(false).describe("Runs in the background, as `-d` does: see `docs/operations.md`."),
  working_directory: text("a path")
    .optional()
    .describe("Where the process goes when it starts. Relative to this file's folder. Default: it stays."),
  umask: umask
    .optional()
    .describe(
      'Rights that files it makes don\'t have, in octal digits: `"027"`. Default: as it was started.',
    ),
  user: account("user")
    .optional()
    .describe(
      "Who the process is once it listens and its files are open: a name or a number. Default: who started it.",
    ),
  group: account("group").optional().describe("Of which group it is then. Default: the user's own."),
  shutdown_delay: duration
    .prefault(0)
    .describe("How long it goes on as before after SIGTERM, while it says already that it isn't ready."),
  health: bindAddress
    .refine((address) => !address.startsWith("unix:"), {
      error: "an address to listen on: host:port or a port",
    })
    .optional()
    .describe(
      "Where `/health/live` and `/health/ready` are answered besides the admin API. Default: nowhere.",
    ),
};

interface ProcessDocument {
  readonly upgrade_sock?: string | undefined;
  readonly daemon: boolean;
  readonly working_directory?: string | undefined;
  readonly umask?: number | undefined;
  readonly user?: Account | undefined;
  readonly group?: Account | undefined;
  readonly shutdown_delay: number;
  readonly health?: string | undefined;
}

/** The same in normal form. */
export function toProcessSettings(document: ProcessDocument): ProcessSettings {
  return {
    upgradeSocket: document.upgrade_sock ?? null,
    daemon: document.daemon,
    workingDirectory: document.working_directory ?? null,
    umask: document.umask ?? null,
    user: document.user ?? null,
    group: document.group ?? null,
    shutdownDelay: document.shutdown_delay,
    health: document.health ?? null,
  };
}
