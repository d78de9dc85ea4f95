// How a new host comes into a cluster that runs: it tells one of the hosts its name and address,
// and is told what the cluster is and where all the others are.
import { QuorateError } from '@quorate/core'
import { isClusterPlan, isHostEntry } from './host-table.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { httpOrigin } from '../server/address.ts'
import type { JoinAnswer, JoinRequest } from '../server/host-directory.ts'

const TIMEOUT_MS = 5_000

/**
 * Asks the hosts at `addresses`, one after the other, to take a host in.
 *
 * @throws CommandEnd `config` where one refuses, `unavailable` where none answers
 * @throws QuorateError `INVALID_OPTIONS` where the cluster is not what was expected
 */
export async function askToJoin(
  addresses: readonly string[],
  request: JoinRequest,
): Promise<JoinAnswer> {
  let failure = ''
  for (const address of addresses) {
    const response = await ask(address, 'POST', request).catch((error: unknown) => {
      failure = reasonOf(error)
    })
    if (response === undefined) continue
    const answer = (await response.json().catch(() => ({}))) as Partial<JoinAnswer> & {
      error?: { code?: string; message?: string }
    }
    const { code, message = '' } = answer.error ?? {}
    if (code === 'INVALID_OPTIONS') throw new QuorateError(code, message)
    if (response.status === 409) throw new CommandEnd('config', message)
    if (!response.ok) {
      failure = message || `it answered with HTTP status ${response.status}`
      continue
    }
    const { plan, from, hosts } = answer
    const fits = isClusterPlan(plan) && Array.isArray(hosts) && hosts.every(isHostEntry)
    if (!fits || from === undefined) {
      throw new CommandEnd('config', `${address} is no host of a cluster of this app`)
    }
    // A host that is bound to every address does not know by which one it is reached.
    const own = `ws://${new URL(httpOrigin(address)).hostname}:${from.peerPort}`
    return {
      plan,
      from,
      hosts: hosts.map((entry) =>
        entry.peer === '' && entry.id === from.id ? { ...entry, peer: own } : entry,
      ),
    }
  }
  throw new CommandEnd('unavailable', `no host answers at ${addresses.join(', ')}: ${failure}`)
}

/** Tells the hosts that one has left the placement; resolves with whether one of them heard it. */
export async function tellOfLeaving(addresses: readonly string[], id: string): Promise<boolean> {
  for (const address of addresses) {
    const response = await ask(address, 'DELETE', { id }).catch(() => undefined)
    if (response?.ok === true) return true
  }
  return false
}

/** Whether one of the hosts at `addresses` says that a host of this name answers it. */
export async function answers(addresses: readonly string[], id: string): Promise<boolean> {
  for (const address of addresses) {
    const response = await fetch(`${httpOrigin(address)}/api/hosts?id=${encodeURIComponent(id)}`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(() => undefined)
    const answer = (await response?.json().catch(() => undefined)) as
      | { reachable?: unknown }
      | undefined
    if (answer?.reachable === true) return true
  }
  return false
}

function ask(address: string, method: 'POST' | 'DELETE', body: object): Promise<Response> {
  return fetch(`${httpOrigin(address)}/api/hosts`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message : message
}
