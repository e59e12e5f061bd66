/**
 * Puts a text between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, in place of what is there.
 * Throws when a document has no such place: it should say what it wants to show.
 */
export function replaceBlock(document: string, name: string, content: string): string {
  const open = `<!-- bench:${name} -->`;
  const close = `<!-- /bench:${name} -->`;
  const start = document.indexOf(open);
  const end = document.indexOf(close, start);
  if (start < 0 || end < 0) throw new Error(`no place for ${name}: ${open} … ${close} is missing`);
  return `${document.slice(0, start + open.length)}\n\n${content}\n\n${document.slice(end)}`;
}
