/** Commands that take the long flags of Go programs, which may begin with one dash. */
const GO_LIKE: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    "toxiproxy",
    new Set([
      ...["host", "port", "config", "seed", "runtime-metrics", "proxy-metrics", "version", "help"],
      ...["threads", "token", "allow-host"],
    ]),
  ],
  ["proxy", clientFlags("listen", "upstream")],
  ["toxic", clientFlags()],
]);

function clientFlags(...more: readonly string[]): ReadonlySet<string> {
  const toxic = ["toxicName", "type", "toxicity", "tox", "attribute", "upstream", "downstream"];
  return new Set(["host", "token", "json", "help", ...toxic, ...more]);
}

/**
 * Gives the flags of such commands their second dash: `-port 8474` is `--port 8474`, and `-runtime-metrics=false` is
 * nothing at all.
 * @param argv as the process got it
 */
export function doubleDashes(argv: readonly string[]): string[] {
  const [node = "", script = "", command = "", ...args] = argv;
  const flags = GO_LIKE.get(command);
  if (flags === undefined) return [...argv];
  const end = args.indexOf("--");
  const before = end === -1 ? args : args.slice(0, end);
  return [
    node,
    script,
    command,
    ...before.flatMap((arg) => doubled(arg, flags)),
    ...args.slice(before.length),
  ];
}

/** A Go flag that is a switch may be told what it is. */
const SWITCH =
  /^(?:runtime-metrics|proxy-metrics|version|upstream|downstream)=(?<value>true|false|[01tTfF])$/;

function doubled(arg: string, flags: ReadonlySet<string>): string[] {
  const [, text = ""] = /^--?(\w.*)$/s.exec(arg) ?? [];
  const [name = ""] = text.split("=", 1);
  if (name.length < 2 || !flags.has(name)) return [arg];
  const value = SWITCH.exec(text)?.groups?.["value"];
  if (value === undefined) return [`--${text}`];
  return /^[1tT]/.test(value) ? [`--${name}`] : [];
}
