import { isToken } from "../../http/characters.ts";

/**
 * The field names of a list, in lower case, each followed by a comma; duplicates go.
 * @returns null when there are none, or something there is no name: then nobody knows what was meant
 */
export function toFieldList(list: string): string | null {
  let names = "";
  for (const element of list.split(",")) {
    const name = element.trim().toLowerCase();
    if (name === "") continue;
    if (!isToken(name)) return null;
    if (!listsField(names, name)) names += `${name},`;
  }
  return names === "" ? null : names;
}

/** Whether a list that `toFieldList` made holds `name`, given in lower case. */
export function listsField(list: string, name: string): boolean {
  return list.startsWith(`${name},`) || list.includes(`,${name},`);
}
