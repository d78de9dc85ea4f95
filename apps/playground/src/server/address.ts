// Addresses as others can use them: a host bound to every address is reached by one of them, and an
// IPv6 address stands in brackets.

const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** Whether a host bound to it takes connections at every address of its machine. */
export function isWildcard(bind: string): boolean {
  return Object.hasOwn(WILDCARDS, bind)
}

/** The host part of a URL for what is bound to an address: this machine's own where it is bound to all. */
export function urlHost(bind: string): string {
  const name = (Object.hasOwn(WILDCARDS, bind) ? WILDCARDS[bind] : undefined) ?? bind
  return name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
}

/** Where the HTTP side of a host is, whose address for clients is `client`. */
export function httpOrigin(client: string): string {
  return new URL(client.replace(/^ws/, 'http')).origin
}
