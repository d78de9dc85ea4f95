// The public surface: the check, the models, the readers, the picture and what builds on them.
export {
  operationsFromEvents,
  type CallEvent,
  type HistoryEvent,
  type Operation,
  type Outcome,
  type ReturnEvent,
} from './history.ts'
export {
  impossible,
  keyed,
  undecided,
  type JointState,
  type Model,
  type StateKey,
} from './model.ts'
export { powerSet, type NondeterministicModel, type PowerSetOptions } from './nondeterministic.ts'
export {
  check,
  checkAsync,
  createChecker,
  type Cancellation,
  type CheckAsyncOptions,
  type Checker,
  type CheckOptions,
} from './check.ts'
export type { CheckResult, ImpossibleStep, PartResult, UnknownReason, Verdict } from './result.ts'
export {
  appendList,
  type ListAppend,
  type ListInput,
  type ListOutput,
  type ListRead,
} from './models/append-list.ts'
export {
  isModelName,
  modelByName,
  modelNames,
  type ModelByNameOptions,
  type ModelName,
} from './models/by-name.ts'
export {
  counter,
  type CounterAdd,
  type CounterInput,
  type CounterOptions,
  type CounterRead,
} from './models/counter.ts'
export {
  kv,
  type KvAppend,
  type KvCas,
  type KvDelete,
  type KvGet,
  type KvInput,
  type KvOptions,
  type KvPut,
} from './models/kv.ts'
export {
  kvTransactions,
  type ExpectStep,
  type KvState,
  type KvTransactionInput,
  type KvTransactionOutput,
  type Transaction,
  type TransactionResult,
  type TransactionStep,
} from './models/kv-transactions.ts'
export {
  lock,
  type Acquire,
  type Guard,
  type LockInput,
  type LockOptions,
  type LockOutput,
  type LockState,
  type Release,
} from './models/lock.ts'
export { queue, type Dequeue, type Enqueue, type QueueInput } from './models/queue.ts'
export {
  casRegister,
  register,
  type CasRegisterInput,
  type CompareAndSet,
  type Read,
  type RegisterInput,
  type RegisterOptions,
  type Write,
} from './models/register.ts'
export {
  set,
  type SetAdd,
  type SetHas,
  type SetInput,
  type SetOutput,
  type SetRead,
  type SetRemove,
} from './models/set.ts'
export type { Value } from './models/shape.ts'
export type { HistoryError } from './readers/history-error.ts'
export { readEdnHistory, type PlainInput } from './readers/edn-history.ts'
export { readJepsenLog } from './readers/jepsen-log.ts'
export { renderHtml, type HtmlOptions } from './picture/html.ts'
export { renderSvg, type PictureOptions } from './picture/svg.ts'
export {
  readNdjson,
  writeNdjson,
  type NdjsonHistory,
  type WriteNdjsonOptions,
} from './readers/ndjson.ts'
export {
  checkText,
  detectFormat,
  type CheckTextOptions,
  type HistoryFormat,
  type TextReport,
} from './report.ts'
export { checkSequential, type SequentialOptions, type SequentialResult } from './sequential.ts'
export {
  checkSessions,
  type Observation,
  type SessionGuarantee,
  type SessionOptions,
  type SessionViolation,
} from './sessions.ts'
export { shrink, type ShrinkOptions, type ShrinkResult } from './shrink.ts'
