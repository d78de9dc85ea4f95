// The transport in the guide for authors keeps the contract that the guide explains.
import { readFileSync } from 'node:fs'
import { QuorateError, type NodeId, type Transport } from '@quorate/core'
import ts from 'typescript'
import { describe, it } from 'vitest'
import { transportConformance } from '../src/transport/index.ts'

const guide = new URL('../../../docs/guides/write-a-transport.md', import.meta.url)
const [, source] = /```ts\n(.*?)\n```/s.exec(readFileSync(guide, 'utf8'))!
const { outputText } = ts.transpileModule(source!, {
  compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
})
const exported: { DirectTransport?: new (hosts: Map<NodeId, Transport>) => Transport } = {}
// The example imports one value, which it is handed here.
// oxlint-disable-next-line typescript/no-implied-eval
new Function('exports', 'require', outputText)(exported, () => ({ QuorateError }))

transportConformance({
  name: 'the transport of the guide',
  test: { describe, it },
  async create() {
    const hosts = new Map<NodeId, Transport>()
    return {
      transport: () => new exported.DirectTransport!(hosts),
      address: (host) => host,
      async close() {},
    }
  },
})
