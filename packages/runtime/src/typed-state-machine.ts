// State machines over values instead of bytes: codecs stand between the program that is replicated
// and what travels, and the same description gives callers a typed view of a replica.
import type {
  CallOptions,
  Codec,
  Command,
  LogIndex,
  MaybePromise,
  ProposeOptions,
  ReadMode,
  Replica,
  StateMachine,
} from '@quorate/core'
import { decode, encode, encodeUtf8, decodeUtf8, QuorateError } from '@quorate/core'

/** A replicated program in its own types. */
export interface TypedStateMachineOptions<Command, Result, Query, Answer> {
  /** How commands travel. */
  readonly command: Codec<Command>
  /** How their results travel. */
  readonly result: Codec<Result>
  /** How questions travel. */
  readonly query: Codec<Query>
  /** How their answers travel. */
  readonly answer: Codec<Answer>
  /** See {@link StateMachine.appliedIndex}. */
  readonly appliedIndex?: LogIndex | undefined
  /**
   * Applies one command. It must be deterministic, and must not throw: an invalid command gives a
   * result that says so.
   *
   * @param index - the command's position in the log
   */
  apply(command: Command, index: LogIndex): MaybePromise<Result>
  /** Answers a question about the state without changing it. */
  ask(query: Query): MaybePromise<Answer>
  /** See {@link StateMachine.snapshot}. */
  snapshot(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** See {@link StateMachine.restore}. */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<void>
}

/** A replica in the types of its state machine. */
export interface TypedReplica<Command, Result, Query, Answer> {
  /** The replica itself, for everything that has no types of its own. */
  readonly replica: Replica
  /** See {@link Replica.propose}. */
  propose(command: Command, options?: ProposeOptions): Promise<Result>
  /** See {@link Replica.query}. */
  query(
    query: Query,
    options?: CallOptions & { readonly mode?: ReadMode | undefined },
  ): Promise<Answer>
}

/** A {@link StateMachine} that was made from typed functions. */
export interface TypedStateMachine<Command, Result, Query, Answer> extends StateMachine {
  /** A typed view of a replica that runs this program, on any host. */
  on(replica: Replica): TypedReplica<Command, Result, Query, Answer>
}

/**
 * Makes a state machine over bytes from one over values.
 *
 * A command that its codec cannot read stops the replica with `STATE_MACHINE_FAILED`, because
 * skipping it could make replicas differ: change a codec only so that it still reads what is in the
 * log. A query that cannot be read rejects with `MALFORMED`.
 */
export function typedStateMachine<Command, Result, Query, Answer>(
  options: TypedStateMachineOptions<Command, Result, Query, Answer>,
): TypedStateMachine<Command, Result, Query, Answer> {
  const { command, result, query, answer } = options
  return {
    appliedIndex: options.appliedIndex,
    apply: (commands) => applyAll(options, commands),
    query: (question) =>
      after(options.ask(decode(query, question)), (found) => encode(answer, found)),
    snapshot: () => options.snapshot(),
    restore: (chunks) => options.restore(chunks),
    on: (replica) => ({
      replica,
      propose: async (value, how) =>
        decode(result, await replica.propose(encode(command, value), how)),
      query: async (value, how) => decode(answer, await replica.query(encode(query, value), how)),
    }),
  }
}

/**
 * A codec for plain JSON values: simple, not compact. Not for values whose text could differ between
 * versions of a program, such as objects whose keys come in another order.
 */
export function jsonCodec<T>(): Codec<T> {
  return {
    write: (writer, value) => writer.bytes(encodeUtf8(JSON.stringify(value ?? null))),
    read(reader) {
      const text = decodeUtf8(reader.bytes())
      try {
        return JSON.parse(text) as T
      } catch (cause) {
        throw new QuorateError('MALFORMED', 'not JSON', { cause })
      }
    },
  }
}

function applyAll<C, R>(
  machine: Pick<TypedStateMachineOptions<C, R, unknown, unknown>, 'command' | 'result' | 'apply'>,
  commands: readonly Command[],
): MaybePromise<readonly Uint8Array[]> {
  const results: Uint8Array[] = []
  const step = (from: number): MaybePromise<readonly Uint8Array[]> => {
    for (let at = from; at < commands.length; at++) {
      const { index, payload } = commands[at] as Command
      const given = machine.apply(decode(machine.command, payload), index)
      if (given instanceof Promise) {
        return given.then((value) => {
          results.push(encode(machine.result, value))
          return step(at + 1)
        })
      }
      results.push(encode(machine.result, given))
    }
    return results
  }
  return step(0)
}

function after<T, R>(value: MaybePromise<T>, then: (value: T) => R): MaybePromise<R> {
  return value instanceof Promise ? value.then(then) : then(value)
}
