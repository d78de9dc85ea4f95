// Every transcript in testdata says what really happens; QUORATE_REWRITE=1 writes them anew.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runTranscript } from '../src/index.ts'
import { toy, toyHardState, toyText } from './fixtures/toy.ts'

const directory = fileURLToPath(new URL('testdata/', import.meta.url))
const options = {
  consensus: toy(),
  formatMessage: toyText,
  formatHardState: (bytes: Uint8Array) => JSON.stringify(toyHardState(bytes)),
}

describe('transcripts', () => {
  it.each(readdirSync(directory).filter((name) => name.endsWith('.txt')))('%s', (name) => {
    const path = `${directory}${name}`
    const expected = readFileSync(path, 'utf8')
    const actual = runTranscript(expected, options)
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(path, actual)
    expect(readFileSync(path, 'utf8')).toBe(actual)
  })

  it('come back as they are when they are right', () => {
    const text =
      '# a comment\n\nadd-replicas 1\n----\nok\n\nstatus\n----\n1 follower leader=- epoch=0 commit=0 applied=0 log=empty after 0\n'
    expect(runTranscript(text, options)).toBe(text)
  })

  it('refuse what they do not know', () => {
    expect(() => runTranscript('add-replicas 1\n----\n\nfly 1\n----\n', options)).toThrow(
      'unknown command: fly',
    )
    expect(() => runTranscript('status\n----\n', options)).toThrow('begin with add-replicas')
    expect(() => runTranscript('add-replicas 1\n----\n\nstatus\n', options)).toThrow(
      'without "----"',
    )
  })
})
