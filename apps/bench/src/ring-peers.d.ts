// The parts of packages without types of their own that the ring suite calls.
declare module 'hashring' {
  export default class HashRing {
    constructor(servers: readonly string[])
    get(key: string): string
    add(server: string): this
    remove(server: string): this
  }
}
declare module 'consistent-hash' {
  export default class ConsistentHash {
    constructor(options?: { readonly range?: number; readonly weight?: number })
    add(node: string): this
    remove(node: string): this
    get(key: string): string
  }
}
declare module 'node-hashring' {
  export default class HashRing {
    constructor(nodes: readonly string[])
    findNode(key: string): string
    addNode(node: string): void
    removeNode(node: string): void
  }
}
