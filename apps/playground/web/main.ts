// The dashboard: asks the host that served it for the whole cluster's state, twice a second while
// the page can be seen, and shows it with text nodes only, whatever a key or an id holds.
import type { ClusterView, HostView, ShardView } from '../src/server/view.ts'

const REFRESH_MS = 500
const EVENTS_MAX = 50

let previous: ClusterView | undefined
let marked: number | undefined

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found as T
}

/** Makes an element with a class and children; strings become text. */
function make(tag: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

function shardsOf(view: ClusterView): number[] {
  const shards = new Set(
    view.hosts.flatMap((host) => [...host.holds, ...host.shards.map(({ shard }) => shard)]),
  )
  return [...shards].sort((a, b) => a - b)
}

function replicaOf(host: HostView, shard: number): ShardView | undefined {
  return host.shards.find((candidate) => candidate.shard === shard)
}

function leaderOf(view: ClusterView, shard: number): string | undefined {
  const leaders = view.hosts
    .map((host) => ({ id: host.id, replica: replicaOf(host, shard) }))
    .filter(({ replica }) => replica?.role === 'leader')
  return leaders.sort((a, b) => (b.replica?.epoch ?? 0) - (a.replica?.epoch ?? 0))[0]?.id
}

function shardList(shards: readonly number[]): string {
  return `${shards.length === 1 ? 'shard' : 'shards'} ${shards.join(', ')}`
}

/** The state of the cluster in a word, and why, the gravest reason first. */
function healthOf(view: ClusterView): readonly [state: string, why: string] {
  const { leaderless, underReplicated, mapError } = view
  const { length } = shardsOf(view)
  const down = view.hosts.filter((host) => !host.reachable).map((host) => host.id)
  if (leaderless.length > 0) {
    return ['unavailable', `${leaderless.length} of ${length} shards have no leader`]
  }
  if (down.length > 0) {
    const short =
      underReplicated.length > 0
        ? `; ${underReplicated.length} of ${length} shards miss a replica`
        : ''
    return [
      'degraded',
      `${down.join(', ')} ${down.length > 1 ? 'do' : 'does'} not answer; every shard has a leader${short}`,
    ]
  }
  if (underReplicated.length > 0) {
    return ['degraded', `${underReplicated.length} of ${length} shards have too few replicas`]
  }
  if (mapError !== undefined) {
    return ['degraded', 'clients are served, but nothing can be moved: the map has no quorum']
  }
  const { length: moving } = view.moves
  const moves = moving === 0 ? '' : `; ${moving} being moved`
  return [
    'healthy',
    `${counted(view.hosts.length, 'host')}, ${counted(length, 'shard')}, each with a leader${moves}`,
  ]
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

function showHealth(view: ClusterView): void {
  const [state, why] = healthOf(view)
  const health = element('health')
  health.dataset['state'] = state
  health.textContent = `${state}: ${why} · ${view.consensus} · ${view.storage}`
}

function showHosts(view: ClusterView): void {
  const most = Math.max(1, ...view.hosts.map(({ holds }) => holds.length))
  element('hosts').replaceChildren(
    ...view.hosts.map((host) => {
      const leads = host.shards.filter((shard) => shard.role === 'leader').length
      const keys = host.shards.reduce((sum, shard) => sum + shard.keys, 0)
      const text = host.reachable
        ? `leads ${leads} of ${counted(host.holds.length, 'shard')} · ${counted(keys, 'key')} · ${Math.round(host.memoryBytes / 1_048_576)}\u00a0MiB · up ${duration(host.upSeconds)} · pid ${host.pid}`
        : 'does not answer'
      const fill = make('span', '')
      fill.style.width = `${(100 * leads) / most}%`
      const held = make('span', 'held')
      held.style.width = `${(100 * host.holds.length) / most}%`
      const line = make('span', host.reachable ? '' : 'down', text)
      if (host.state !== 'active' && host.state !== 'unknown') {
        line.prepend(make('span', 'state', host.state), ' ')
      }
      const bar = make('span', 'bar', held, fill)
      bar.title = `holds ${host.holds.length} shards, leads ${leads}`
      const item = make('li', '', make('span', 'name', host.id), line, bar)
      item.dataset['host'] = host.id
      item.dataset['state'] = host.state
      return item
    }),
  )
}

function showMoves({ moves, paused, mapError }: ClusterView): void {
  element('moves-note').textContent =
    mapError !== undefined
      ? 'The hosts that hold the map have no quorum: what is being moved is not known.'
      : `${moves.length === 0 ? 'Nothing. ' : ''}${paused ? 'Paused: nothing begins by itself.' : ''}`
  element('moves').replaceChildren(
    ...moves.map(({ shard, from, to, reason }) => {
      const arrow = `${from.join(' ') || 'nowhere'} → ${to.join(' ') || 'nowhere'}`
      const item = make(
        'li',
        '',
        make('b', '', `shard ${shard}`),
        ` ${arrow} `,
        make('span', 'note', reason),
      )
      item.dataset['move'] = String(shard)
      return item
    }),
  )
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)}\u00a0s`
  return seconds < 7_200
    ? `${Math.round(seconds / 60)}\u00a0min`
    : `${Math.round(seconds / 3_600)}\u00a0h`
}

function showShards(view: ClusterView): void {
  const head = make(
    'tr',
    '',
    make('th', '', 'shard'),
    ...view.hosts.map((host) => make('th', '', host.id)),
    make('th', '', 'keys'),
  )
  const rows = shardsOf(view).map((shard) => {
    const cells = view.hosts.map((host) => cellOf(host, shard))
    const keys = Math.max(0, ...view.hosts.map((host) => replicaOf(host, shard)?.keys ?? 0))
    const name = make('th', '', String(shard))
    const isShort = view.underReplicated.includes(shard)
    const isMoving = view.moves.some((move) => move.shard === shard)
    if (isShort) name.append(make('b', 'mark candidate', '!'))
    if (isMoving) name.append(make('b', 'mark learner', '→'))
    const row = make('tr', '', name, ...cells, make('td', '', keys.toLocaleString('en')))
    row.dataset['shard'] = String(shard)
    row.dataset['marked'] = String(shard === marked)
    row.dataset['short'] = String(isShort)
    row.dataset['moving'] = String(isMoving)
    return row
  })
  element('shards').replaceChildren(make('thead', '', head), make('tbody', '', ...rows))
}

function cellOf(host: HostView, shard: number): HTMLElement {
  if (!host.reachable) {
    return host.holds.includes(shard) ? make('td', 'down', make('b', '', '–')) : make('td', '')
  }
  const replica = replicaOf(host, shard)
  if (replica === undefined) return make('td', '')
  const letter = { leader: 'L', follower: 'F', candidate: 'C', learner: 'N' }[replica.role]
  const cell = make(
    'td',
    replica.role,
    make('b', '', letter),
    ` ${replica.appliedIndex.toLocaleString('en')}`,
  )
  cell.title = `epoch ${replica.epoch}, committed ${replica.commitIndex}, applied ${replica.appliedIndex}`
  cell.dataset['role'] = replica.role
  return cell
}

function note(text: string): void {
  const time = make('time', '', new Date().toLocaleTimeString('en-GB'))
  const events = element('events')
  events.prepend(make('li', '', time, text))
  while (events.children.length > EVENTS_MAX) events.lastElementChild?.remove()
}

/** Says what differs from the state before. */
function showEvents(view: ClusterView): void {
  const before = previous
  previous = view
  if (before === undefined) return note('connected')
  for (const host of before.hosts) {
    if (!view.hosts.some(({ id }) => id === host.id)) note(`${host.id} has left`)
  }
  for (const host of view.hosts) {
    const was = before.hosts.find((candidate) => candidate.id === host.id)
    if (was !== undefined && was.reachable !== host.reachable) {
      note(host.reachable ? `${host.id} answers again` : `${host.id} no longer answers`)
    }
    if (was === undefined) note(`${host.id} has joined`)
    else if (was.state !== host.state && host.state !== 'unknown' && was.state !== 'unknown') {
      note(`${host.id} is ${host.state}`)
    }
  }
  const moved = new Map<string, number[]>()
  for (const shard of shardsOf(view)) {
    const leader = leaderOf(view, shard)
    if (leader === undefined || leader === leaderOf(before, shard)) continue
    moved.set(leader, [...(moved.get(leader) ?? []), shard])
  }
  for (const [leader, shards] of moved) note(`${leader} now leads ${shardList(shards)}`)
  if (before.mapError === undefined && view.mapError === undefined) showMoveEvents(before, view)
}

function showMoveEvents(before: ClusterView, view: ClusterView): void {
  for (const { shard, from, to } of view.moves) {
    if (before.moves.some((move) => move.shard === shard)) continue
    note(
      `shard ${shard} begins to move${from.length > 0 ? ` from ${from.join(' ')}` : ''}${to.length > 0 ? ` to ${to.join(' ')}` : ''}`,
    )
  }
  for (const { shard } of before.moves) {
    if (!view.moves.some((move) => move.shard === shard)) note(`the move of shard ${shard} is over`)
  }
}

async function refresh(): Promise<void> {
  try {
    const response = await fetch('/api/cluster')
    if (!response.ok) throw new Error(`the host answered ${response.status}`)
    const view = (await response.json()) as ClusterView
    showHealth(view)
    showHosts(view)
    showMoves(view)
    showShards(view)
    showEvents(view)
  } catch (error) {
    const health = element('health')
    health.dataset['state'] = 'unavailable'
    health.textContent = `unavailable: the host that served this page does not answer (${(error as Error).message})`
  }
}

async function ask(method: 'GET' | 'POST'): Promise<void> {
  const key = element<HTMLInputElement>('key').value
  const value = element<HTMLInputElement>('value').value
  const write = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key, value }),
  }
  const response = await (method === 'GET'
    ? fetch(`/api/key?${new URLSearchParams({ key })}`)
    : fetch('/api/key', write))
  const answer = (await response.json()) as {
    shard?: number
    value?: string
    version?: number
    error?: { code: string; message: string }
  }
  marked = answer.shard
  element('route').textContent =
    answer.shard === undefined
      ? ''
      : `shard ${answer.shard}${previous === undefined ? '' : placeOf(previous, answer.shard)}`
  element('answer').textContent =
    answer.error !== undefined
      ? `${answer.error.code}: ${answer.error.message}`
      : answer.value === undefined
        ? 'There is no such key.'
        : `${answer.value}\n\nversion ${answer.version}`
}

function placeOf(view: ClusterView, shard: number): string {
  const on = view.hosts.filter(({ holds }) => holds.includes(shard)).map(({ id }) => id)
  return `, on ${on.join(', ')}, led by ${leaderOf(view, shard) ?? 'nobody'}`
}

function start(): void {
  element<HTMLFormElement>('key-form').addEventListener('submit', (event) => {
    event.preventDefault()
    ask('GET').catch(report)
  })
  element('put').addEventListener('click', () => void ask('POST').catch(report))
  const loop = (): void => {
    const again = (): void => void setTimeout(loop, REFRESH_MS)
    if (document.visibilityState === 'hidden') again()
    else refresh().then(again, again)
  }
  loop()
}

function report(error: unknown): void {
  element('answer').textContent = String(error)
}

start()
