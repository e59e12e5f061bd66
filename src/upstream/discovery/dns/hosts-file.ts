import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { toDnsName } from "./message.ts";

const SYSTEM_FILE = "/etc/hosts";

/** The addresses that a hosts file gives the name; none where the name isn't in it, or there is no such file. */
export async function findInHostsFile(name: string, path: string = SYSTEM_FILE): Promise<string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return parseHosts(text, toDnsName(name));
}

/** Lines are an address and its names; what follows a # is a comment. */
function parseHosts(text: string, name: string): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (isIP(address) !== 0 && names.some((one) => toDnsName(one) === name)) found.push(address);
  }
  return found;
}
