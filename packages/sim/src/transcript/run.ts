// Runs transcripts: text in, the same text with what really happened out. Comparing the two is a
// test, and writing the second over the first is how a transcript is made.
import type { ConsensusFactory, Limits, Role } from '@quorate/core'
import { CoreCluster } from '../model/core-cluster.ts'
import type { Promises } from '../model/history.ts'
import type { TranscriptCommand, TranscriptState } from './commands.ts'
import { addReplicas, builtInCommands } from './commands.ts'
import type { Command, Stanza } from './parse.ts'
import { formatTranscript, parseCommand, parseTranscript } from './parse.ts'
import type { TranscriptFormat } from './text.ts'
import { eventLines } from './text.ts'

/** What a transcript is run with. */
export interface TranscriptOptions<M> extends TranscriptFormat<M> {
  /** The algorithm. */
  readonly consensus: ConsensusFactory<M>
  /** What it promises. Default: everything. */
  readonly promises?: Promises | undefined
  /** The seed of the cores' randomness. Default 1. */
  readonly seed?: number | undefined
  /** Limits to replace. */
  readonly limits?: Partial<Limits> | undefined
  /** Commands of its own, by name. */
  readonly commands?: Readonly<Record<string, TranscriptCommand<M>>> | undefined
}

/**
 * Runs a transcript and returns it with what really happened in place of what was expected.
 *
 * A test compares the result with the file, and writes it over the file when it is asked to, by
 * convention with the environment variable `QUORATE_REWRITE=1`. The word `quiet` in a command keeps
 * its events from being printed.
 *
 * @throws InvariantViolation where the cores break a promise; `TypeError` for an unknown command
 */
export function runTranscript<M>(text: string, options: TranscriptOptions<M>): string {
  const run = new TranscriptRun(options)
  const stanzas = parseTranscript(text).map((stanza) => run.stanza(stanza))
  return formatTranscript(stanzas)
}

class TranscriptRun<M> {
  readonly #commands: Readonly<Record<string, TranscriptCommand<M>>>
  readonly #state: TranscriptState<M>
  readonly #roles = new Map<string, string>()
  #lines: string[] = []
  #quiet = false

  constructor(options: TranscriptOptions<M>) {
    const { consensus, promises, seed, limits } = options
    this.#commands = { ...builtInCommands<M>(), ...options.commands }
    this.#state = {
      cluster: undefined,
      create: (members) => {
        const cluster = new CoreCluster({ consensus, members, promises, seed, limits })
        cluster.watch = (event) => {
          const lines = eventLines(event, options)
          if (event.type === 'step') {
            // Between what came in and what it led to.
            const role = this.#changedRole(event.id)
            if (role !== undefined) lines.splice(event.input.type === 'receive' ? 1 : 0, 0, role)
          }
          if (!this.#quiet) this.#lines.push(...lines)
        }
        return cluster
      },
      print: (line) => void this.#lines.push(line),
      format: options,
    }
  }

  stanza(stanza: Stanza): Stanza {
    this.#lines = []
    for (const line of stanza.lines) {
      const command = parseCommand(line)
      if (command !== undefined) this.#run(command)
    }
    return { lines: stanza.lines, expected: this.#lines.length === 0 ? ['ok'] : this.#lines }
  }

  #run(given: Command): void {
    this.#quiet = given.words.includes('quiet')
    const command = { ...given, words: given.words.filter((word) => word !== 'quiet') }
    if (command.name === 'add-replicas') return addReplicas(command, this.#state)
    const run = this.#commands[command.name]
    if (run === undefined) throw new TypeError(`unknown command: ${command.name}`)
    if (this.#state.cluster === undefined) throw new TypeError('begin with add-replicas')
    run(command, this.#state.cluster, this.#state)
  }

  /** A line for a change of role, leader or epoch. */
  #changedRole(id: string): string | undefined {
    const status = this.#state.cluster?.replica(id).core?.status()
    if (status === undefined) return undefined
    const text = roleText(status.role, status.leader, status.epoch)
    if (this.#roles.get(id) === text) return undefined
    this.#roles.set(id, text)
    return `${id} is ${text}`
  }
}

function roleText(role: Role, leader: string | undefined, epoch: number): string {
  return `${role} epoch=${epoch}${role === 'leader' ? '' : ` leader=${leader ?? '-'}`}`
}
