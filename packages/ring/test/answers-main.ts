// A process of its own that prints the answers, its members in the order that its argument names.
import { vectors } from './answers.ts'

const order = process.argv[2]
const by = <T>(list: readonly T[]): readonly T[] =>
  order === 'reversed'
    ? [...list].reverse()
    : order === 'rotated'
      ? [...list.slice(2), ...list.slice(0, 2)]
      : list
process.stdout.write(JSON.stringify(vectors(by)))
