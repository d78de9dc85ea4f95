// How a replica starts: what storage holds becomes a core and a state machine that agree.
import type { LogStorage } from '@quorate/core'
import { membershipOf } from '@quorate/core'
import type { ReplicaOptions } from './host.ts'
import type { HostedReplica, ReplicaContext } from './hosted-replica.ts'
import { RunningReplica } from './replica.ts'

/** Recovers a replica from its log and starts it. */
export async function openReplica(
  context: ReplicaContext,
  options: ReplicaOptions,
  log: LogStorage,
): Promise<HostedReplica> {
  const { stateMachine, consensus, members } = options
  const recovered = await log.load({ tailBytesMax: context.limits.logWindowBytesMax })
  let appliedIndex = stateMachine.appliedIndex ?? 0
  const { snapshot } = recovered
  if (snapshot !== undefined && appliedIndex < snapshot.index) {
    await stateMachine.restore(log.readSnapshot(snapshot.id))
    appliedIndex = snapshot.index
  }
  const random = context.incarnation(options.group)
  const core = consensus.create({
    id: context.id,
    group: options.group,
    recovered,
    bootstrap: members === undefined ? undefined : membershipOf(members),
    appliedIndex,
    now: context.clock.now(),
    random: random.fork('core'),
    limits: context.limits,
    tracer: context.tracer,
  })
  const newest = snapshot?.index ?? 0
  const replica = new RunningReplica(context, options, { log, core, random, appliedIndex, newest })
  replica.start()
  return replica
}
