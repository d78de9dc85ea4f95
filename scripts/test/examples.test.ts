// The readers behind the gates, on their own: what counts as an example in a document, what it
// says it prints, and which Node is too old.
import { describe, expect, it } from 'vitest'
import { nodeProblem } from '../check-node.mjs'
import { examplesOf, expectedOutput, notInstalled } from '../readme-code.mjs'

describe('examples in Markdown', () => {
  it('finds fenced TypeScript with its line, and nothing else', () => {
    const text = '# A\n\n```ts\nconst a = 1\n```\n\n```sh\nls\n```\n\n```ts\nconst b = 2\n```\n'
    expect(examplesOf('README.md', text)).toEqual([
      { file: 'README.md', line: 3, code: 'const a = 1\n', isFirst: true },
      { file: 'README.md', line: 11, code: 'const b = 2\n', isFirst: false },
    ])
  })

  it('joins a continued block to the one before it', () => {
    const text = '```ts\nconst a = 1\n```\nand then\n```ts continued\nconsole.log(a)\n```\n'
    expect(examplesOf('x.md', text).map((one) => one.code)).toEqual([
      'const a = 1\nconsole.log(a)\n',
    ])
  })

  it('reads what an example prints', () => {
    const code = 'console.log(a) // → 1\nconsole.log(b)\nf() // → not printed\n'
    expect(expectedOutput(code)).toEqual(['1'])
  })

  it('knows what a reader was not told to install', () => {
    const code = [
      "import { a } from '@quorate/core'",
      "import { b } from '@quorate/sim/x' // or: import { c } from '@quorate/paxos'",
      "import { d } from 'node:fs'",
    ].join('\n')
    const installs = 'npm install --save-dev @quorate/sim\n'
    expect(notInstalled(installs, code)).toEqual(['@quorate/core'])
    expect(notInstalled(`${installs}npm install @quorate/core\n`, code)).toEqual([])
    expect(notInstalled('no such line', code)).toEqual([])
  })
})

describe('the Node that runs this', () => {
  it.each(['v20.19.0', 'v20.20.2', 'v22.0.0', 'v24.1.0'])('%s is enough', (version) => {
    expect(nodeProblem(version, '>=20.19')).toBe('')
  })

  it.each(['v20.18.3', 'v18.20.0', 'v4.9.1'])('%s is too old', (version) => {
    expect(nodeProblem(version, '>=20.19')).toContain('needs Node >=20.19')
  })
})
