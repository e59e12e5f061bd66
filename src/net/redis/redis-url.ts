/** Where a Redis is and who asks it, as its client takes it. */
export interface RedisTarget {
  readonly socket:
    | { readonly host: string; readonly port: number }
    | { readonly host: string; readonly port: number; readonly tls: true }
    | { readonly path: string };
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
}

const PORT = 6379;

/**
 * Reads `redis://user:password@host:6379/2`, `rediss://…` (TLS), or `redis+unix:///path?db=2`, where a user and a
 * password stand before a host that means nothing.
 * @throws RangeError when it is none of these; it never repeats the URL, which may hold a password
 */
export function parseRedisUrl(text: string): RedisTarget {
  const url = URL.parse(text);
  if (url === null) throw new RangeError("The URL of Redis can't be read");
  const { username, password, protocol } = url;
  const isLocal = protocol === "redis+unix:";
  const database = databaseOf(isLocal ? (url.searchParams.get("db") ?? "") : url.pathname.slice(1));
  return {
    socket: isLocal ? { path: decodeURIComponent(url.pathname) } : hostOf(url),
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    ...(database === 0 ? {} : { database }),
  };
}

function hostOf({ protocol, hostname, port }: URL): RedisTarget["socket"] {
  if (protocol !== "redis:" && protocol !== "rediss:")
    throw new RangeError("A URL of Redis begins with redis://, rediss:// or redis+unix://");
  const host = hostname === "" ? "127.0.0.1" : hostname.replace(/^\[(.*)\]$/, "$1");
  const target = { host, port: port === "" ? PORT : Number(port) };
  return protocol === "rediss:" ? { ...target, tls: true } : target;
}

function databaseOf(text: string): number {
  if (text === "") return 0;
  if (!/^\d{1,4}$/.test(text)) throw new RangeError("A database of Redis is a number");
  return Number(text);
}

/** A URL without what must not be told. */
export function withoutSecrets(text: string): string {
  return text.replace(/^([a-z+]+:\/\/)[^/]*@/, "$1");
}
