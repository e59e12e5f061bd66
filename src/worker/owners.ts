/** The owner of what a TCP or UDP proxy has: listeners may be called as proxies are. */
export function ownerOfProxy(name: string): string {
  return `proxy ${name}`;
}
