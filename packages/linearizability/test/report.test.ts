// The function behind the command line: exit codes, forms, and text that is not a history.
import { describe, expect, it } from 'vitest'
import { checkText, detectFormat } from '../src/index.ts'

const ok = '{"client":"a","call":0,"return":1,"op":"write","value":1}\n'
const stale = `${ok}{"client":"b","call":2,"return":3,"op":"read","result":null}\n`
const jepsen = 'INFO jepsen.util - 0 :invoke :read nil\nINFO jepsen.util - 0 :ok :read 4\n'
const edn =
  '{:process 0 :type :invoke :f :get :key "k"}\n{:process 0 :type :ok :f :get :key "k" :value ""}\n'

describe('checkText', () => {
  it('exits with 0, 1 and 2', () => {
    expect(checkText(ok, { model: 'register' })).toMatchObject({
      exitCode: 0,
      summary: 'Ok: 1 operation on model register, 1 independent part, 1 step\n',
    })
    expect(checkText(stale, { model: 'register' }).exitCode).toBe(1)
    expect(checkText(stale, { model: 'register', maxSteps: 1 })).toMatchObject({
      exitCode: 2,
      result: { verdict: 'Unknown' },
    })
    expect(
      checkText(ok.repeat(40), { model: 'register', signal: { aborted: true } }),
    ).toMatchObject({
      exitCode: 2,
      summary: expect.stringContaining('not decided: cancelled') as string,
    })
  })

  it.each([
    ['', 'no operation in it'],
    ['{', 'line 1: '],
    ['{"', 'line 1: not JSON'],
    [`${ok}{"client":"b","call":2,"return":3,"op":"read"}`, 'line 2: read: the result must be'],
    [`${ok}{"client":"b","call":2,"return":3,"op":"pop"}`, 'line 2: op must be one of'],
    [jepsen.replace('4', 'x'), 'line 2: a register holds'],
    ['what is this', 'line 1: an event must be a map'],
  ])('reports %j as unreadable', (text, reason) => {
    const report = checkText(text, { model: 'cas-register' })
    expect(report).toMatchObject({ exitCode: 2 })
    expect(report.summary).toContain(`not checked: ${reason}`)
    expect(report).not.toHaveProperty('result')
  })

  it('needs a model, from an option or a header', () => {
    expect(checkText(ok).summary).toContain('which model? One of register, cas-register, kv')
    const headed = `{"format":"quorate-history","version":1,"model":"register"}\n${ok}`
    expect(checkText(headed).exitCode).toBe(0)
    expect(checkText(headed, { model: 'counter' }).summary).toContain(
      'line 2: op must be one of add',
    )
  })

  it('reads all three forms, told apart by their text', () => {
    expect([ok, jepsen, edn, ''].map(detectFormat)).toEqual(['ndjson', 'jepsen', 'edn', 'edn'])
    expect(checkText(jepsen, { model: 'cas-register' }).exitCode).toBe(1)
    expect(checkText(edn, { model: 'kv', modelOptions: { absent: '' } }).exitCode).toBe(0)
    expect(checkText(edn, { model: 'kv' }).exitCode).toBe(1)
    expect(checkText(jepsen, { model: 'cas-register', format: 'edn' }).exitCode).toBe(2)
  })

  it('draws the page and shrinks where it is asked to', () => {
    const long =
      ok.repeat(1) + stale.replaceAll('"call":', '"call":1').replaceAll('"return":', '"return":1')
    const report = checkText(long, {
      model: 'register',
      html: true,
      shrink: true,
      title: 'run.ndjson',
    })
    expect(report.summary).toContain(
      'shrunk to 2 operations:\nafter 1 operation in order the state is 1\n',
    )
    expect(report.html).toContain('run.ndjson: <span class="Illegal">Illegal</span>')
    expect(report.html).toContain('<svg')
    expect(checkText(ok, { model: 'register', html: true, shrink: true }).html).toContain('Ok')
    expect(checkText(ok, { model: 'register' })).not.toHaveProperty('html')
  })
})
