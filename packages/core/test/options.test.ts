// Misspelt options: refused, with the name that was probably meant.
import { describe, expect, test } from 'vitest'
import { nearestName, rejectUnknownOptions, requirePart } from '@quorate/core'

const known = ['id', 'transport', 'storage', 'drainTimeoutMs', 'closeTimeoutMs']

describe('rejectUnknownOptions', () => {
  test('takes what is known, also where its value is undefined', () => {
    expect(() => rejectUnknownOptions({}, known, 'f')).not.toThrow()
    expect(() => rejectUnknownOptions({ id: 1, storage: undefined }, known, 'f')).not.toThrow()
  })

  test.each([
    ['storge', 'storage'],
    ['Transport', 'transport'],
    ['drainTimeout', 'drainTimeoutMs'],
    ['ID', 'id'],
  ])('names %s and %s', (name, nearest) => {
    const refused = (): void => rejectUnknownOptions({ [name]: 1 }, known, 'createHost')
    expect(refused).toThrow(`unknown option "${name}" of createHost; is "${nearest}" meant?`)
    expect(refused).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS', details: { option: name, nearest } }),
    )
  })

  test('lists what there is where no name is near', () => {
    expect(() => rejectUnknownOptions({ colour: 1 }, known, 'f')).toThrow('known are id, transport')
  })

  test.each(['__proto__', 'constructor', 'toString'])('knows no %s', (name) => {
    const options = JSON.parse(`{"${name}":1}`) as object
    expect(() => rejectUnknownOptions(options, known, 'f')).toThrow('unknown option')
  })

  test('does not compare a name without an end', () => {
    const name = 'x'.repeat(1_000_000)
    expect(() => rejectUnknownOptions({ [name]: 1 }, known, 'f')).toThrow('unknown option')
    expect(nearestName(name, known)).toBeUndefined()
  })

  test.each([undefined, null, 'a', 3])('takes no %s for options', (options) => {
    const refused = (): void => rejectUnknownOptions(options as unknown as object, known, 'f')
    expect(refused).toThrow(new TypeError(`the options of f are an object, got ${shown(options)}`))
  })
})

const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value)

describe('requirePart', () => {
  const wanted = "the storage of f is an object such as fsStorage('./data'), got "
  function fsStorage(): void {}

  test('takes what has the methods, its own or inherited', () => {
    class Part {
      open(): void {}
    }
    expect(() => requirePart('a part', new Part(), ['open'], 'part()')).not.toThrow()
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['"./data"', './data'],
    ['another object', { close() {} }],
    ['the function fsStorage, which has to be called', fsStorage],
  ])('says that it got %s', (got, part) => {
    const refused = (): void =>
      requirePart('the storage of f', part, ['open'], "fsStorage('./data')")
    expect(refused).toThrow(new TypeError(`${wanted}${got}`))
  })
})
