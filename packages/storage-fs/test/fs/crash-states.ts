// Which combinations of effects to try: all of them where they are few; otherwise every prefix,
// every state that lacks one or has only one, pairs, and random ones.
import type { Random } from '@quorate/core'
import type { CrashFs, FsEffect } from '@quorate/sim'

/** Calls `visit` with each crash state of the file system as it is now, and returns how many there were. */
export function forEachCrashState(
  fs: CrashFs,
  random: Random,
  exhaustiveMax: number,
  visit: (state: CrashFs) => void,
): number {
  const all = fs.effects
  const effects = withoutVoid(all)
  let count = 0
  const one = (survived: readonly FsEffect[], garbage?: Random): void => {
    count++
    visit(fs.afterCrash(survived, garbage))
  }
  // Where a size can survive without its data, zeros that were written are not nothing.
  const draws = effects.length < all.length ? 16 : 0
  for (let draw = 0; draw < draws; draw++) {
    const share = random.fraction()
    one(
      all.filter(() => random.fraction() < share),
      random,
    )
  }
  if (effects.length <= exhaustiveMax) {
    for (let mask = 0; mask < 2 ** effects.length; mask++) {
      one(effects.filter((_, at) => (mask >>> at) & 1))
    }
    return count
  }
  for (let end = 0; end <= effects.length; end++) one(effects.slice(0, end), random)
  effects.forEach((_, at) => one(effects.toSpliced(at, 1)))
  effects.forEach((effect) => one([effect]))
  for (let pair = 0; pair < 64; pair++) {
    const [a, b] = [random.below(effects.length), random.below(effects.length)]
    one(effects.filter((_, at) => at === a || at === b))
  }
  for (let draw = 0; draw < 128; draw++) {
    const share = random.fraction()
    one(
      effects.filter(() => random.fraction() < share),
      draw % 2 === 0 ? random : undefined,
    )
  }
  return count
}

/** The effects without those that make no difference: what is there already, or zeros where nothing is. */
function withoutVoid(effects: readonly FsEffect[]): readonly FsEffect[] {
  const writes = new Map<object, Map<number, number>>()
  for (const effect of effects) {
    if (effect.kind !== 'data') continue
    const sectors = writes.get(effect.inode) ?? new Map<number, number>()
    writes.set(effect.inode, sectors.set(effect.sector, (sectors.get(effect.sector) ?? 0) + 1))
  }
  return effects.filter(
    (effect) =>
      effect.kind !== 'data' ||
      !effect.isVoid ||
      (writes.get(effect.inode)?.get(effect.sector) ?? 0) > 1,
  )
}
