/** A host in lower case, without port and without the dot that ends an absolute name: how hosts are compared. */
export function canonicalHost(host: string): string {
  const name = host.replace(/:\d*$/, "");
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}
