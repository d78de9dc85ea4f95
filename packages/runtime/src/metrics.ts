// What a host measures, resolved once: replicas share these series, because a series for each of
// thousands of groups would cost more than what it tells.
import type { Counter, Gauge, Histogram, Lane, Metrics, NodeId } from '@quorate/core'

/** Counts things by how they ended: `ok`, or an error's code in lower case. */
export interface OutcomeCounter {
  /** One has ended. */
  add(outcome: string): void
}

/** A gauge of how many there are, which everyone who adds or removes some moves. */
export interface Level {
  /** So many more, or fewer. */
  add(change: number): void
}

/** The frames of one lane, in one direction. */
export interface LaneCounters {
  /** A frame of so many bytes. */
  add(bytes: number): void
}

/** The series of one host. */
export interface Meters {
  /** `quorate_proposals_total` by outcome. */
  readonly proposals: OutcomeCounter
  /** `quorate_calls_total` by outcome, of calls that this host makes. */
  readonly calls: OutcomeCounter
  /** `quorate_proposals_pending`. */
  readonly proposalsPending: Level
  /** `quorate_reads_pending`. */
  readonly readsPending: Level
  /** `quorate_replicas`. */
  readonly replicas: Level
  /** `quorate_replicas_leading`. */
  readonly leading: Level
  /** `quorate_leader_changes_total`. */
  readonly leaderChanges: Counter
  /** `quorate_commit_to_apply_seconds`. */
  readonly applySeconds: Histogram
  /** `quorate_apply_batch_entries`. */
  readonly applyEntries: Histogram
  /** `quorate_snapshot_bytes_total` with `direction="taken"`. */
  readonly snapshotBytesTaken: Counter
  /** `quorate_snapshot_bytes_total` with `direction="fetched"`. */
  readonly snapshotBytesFetched: Counter
  /** `quorate_snapshot_seconds` with `direction="taken"`. */
  readonly snapshotSecondsTaken: Histogram
  /** `quorate_snapshot_seconds` with `direction="fetched"`. */
  readonly snapshotSecondsFetched: Histogram
  /** `quorate_loop_stall_seconds`: by how much timers came late. */
  readonly stallSeconds: Histogram
  /** `quorate_frames_sent_total` and `quorate_frame_bytes_sent_total` by lane. */
  readonly sent: Readonly<Record<Lane, LaneCounters>>
  /** `quorate_frames_received_total` and `quorate_frame_bytes_received_total`. */
  readonly received: LaneCounters
  /** `quorate_frames_malformed_total`. */
  readonly malformed: Counter
  /** `quorate_messages_stray_total`. */
  readonly strays: Counter
}

/** Resolves the series of a host. */
export function createMeters(metrics: Metrics, host: NodeId): Meters {
  const labels = { host }
  const count = (name: string, help: string, more: Record<string, string> = {}): Counter =>
    metrics.counter(name, help, { ...labels, ...more })
  const distribution = (name: string, help: string, more: Record<string, string> = {}): Histogram =>
    metrics.histogram(name, help, { ...labels, ...more })
  const level = (name: string, help: string): Level =>
    createLevel(metrics.gauge(name, help, labels))
  const lane = (which: string, frames: string, bytes: string, more = {}): LaneCounters => {
    const frameCount = count(frames, `Frames ${which}`, more)
    const byteCount = count(bytes, `Bytes of frames ${which}`, more)
    return {
      add(size) {
        frameCount.add()
        byteCount.add(size)
      },
    }
  }
  const sentOn = (of: Lane): LaneCounters =>
    lane('sent', 'quorate_frames_sent_total', 'quorate_frame_bytes_sent_total', { lane: of })
  const snapshots = ['quorate_snapshot_bytes_total', 'Bytes of snapshots'] as const
  const transfers = ['quorate_snapshot_seconds', 'How long snapshots took'] as const
  return {
    proposals: byOutcome((outcome) =>
      count('quorate_proposals_total', 'Proposals by how they ended', { outcome }),
    ),
    calls: byOutcome((outcome) =>
      count('quorate_calls_total', 'Calls to other hosts by how they ended', { outcome }),
    ),
    proposalsPending: level('quorate_proposals_pending', 'Proposals without an outcome yet'),
    readsPending: level('quorate_reads_pending', 'Read barriers not passed yet'),
    replicas: level('quorate_replicas', 'Replicas that run'),
    leading: level('quorate_replicas_leading', 'Replicas that lead their group'),
    leaderChanges: count('quorate_leader_changes_total', 'Changes of leader seen by replicas'),
    applySeconds: distribution(
      'quorate_commit_to_apply_seconds',
      'From the commit of entries to their end in the state machine',
    ),
    applyEntries: distribution('quorate_apply_batch_entries', 'Entries applied at once'),
    snapshotBytesTaken: count(...snapshots, { direction: 'taken' }),
    snapshotBytesFetched: count(...snapshots, { direction: 'fetched' }),
    snapshotSecondsTaken: distribution(...transfers, { direction: 'taken' }),
    snapshotSecondsFetched: distribution(...transfers, { direction: 'fetched' }),
    stallSeconds: distribution(
      'quorate_loop_stall_seconds',
      'By how much timers came late because the event loop was busy',
    ),
    sent: { fast: sentOn('fast'), bulk: sentOn('bulk') },
    received: lane(
      'received',
      'quorate_frames_received_total',
      'quorate_frame_bytes_received_total',
    ),
    malformed: count('quorate_frames_malformed_total', 'Frames that could not be read'),
    strays: count(
      'quorate_messages_stray_total',
      'Messages for groups that this host does not have',
    ),
  }
}

function byOutcome(make: (outcome: string) => Counter): OutcomeCounter {
  const counters = new Map<string, Counter>()
  return {
    add(outcome) {
      let counter = counters.get(outcome)
      // Codes come from a closed list on this host, but a peer may send one that it does not know.
      if (counter === undefined) {
        counter = make(counters.size < 64 ? outcome : 'other')
        if (counters.size < 64) counters.set(outcome, counter)
      }
      counter.add()
    },
  }
}

function createLevel(gauge: Gauge): Level {
  let value = 0
  return {
    add(change) {
      value += change
      gauge.set(value)
    },
  }
}
