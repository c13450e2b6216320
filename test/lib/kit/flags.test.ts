// Flags as kingpin reads them: spellings, defaults, repeats, and one line for what is wrong.
import { describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import {
  boolFlag,
  bytesFlag,
  durationFlag,
  enumFlag,
  type Flag,
  floatFlag,
  formatHelp,
  intFlag,
  parseFlags,
  stringFlag,
  stringsFlag,
  timeFlag,
} from '../../../lib/kit/flags.ts'

const flags = {
  dataDir: stringFlag('data-dir', { help: 'Where data are kept.', default: './data' }),
  config: stringFlag('objstore.config', { help: 'The bucket.' }),
  endpoints: stringsFlag('endpoint', { help: 'A store.' }),
  labels: stringFlag('label', { help: 'A label.', repeated: true }),
  wait: boolFlag('wait', { help: 'Goes on.' }),
  partial: boolFlag('query.partial-response', { help: 'Answers in part.', default: true }),
  concurrency: intFlag('concurrency', { help: 'At once.', default: 20 }),
  delay: durationFlag('delay', { help: 'How long.', default: '30m' }),
  minTime: timeFlag('min-time', { help: 'From when.', default: '0000-01-01T00:00:00Z' }),
}

const parse = (...argv: string[]) => parseFlags('demo', 'A demo.', flags, argv)

function errorOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof MnemoError && error.code === 'config') {
      return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
    }
    throw error
  }
  return 'nothing'
}

test('defaults', () => {
  const { minTime, ...rest } = parse()
  expect(rest).toEqual({
    dataDir: './data',
    config: undefined,
    endpoints: [],
    labels: [],
    wait: false,
    partial: true,
    concurrency: 20,
    delay: 1_800_000,
  })
  expect(minTime.resolveMs(0)).toBe(-62_167_219_200_000)
})

test('spellings', () => {
  const values = parse(
    ...['--data-dir', '/x y', '--objstore.config=type: S3\nconfig: {a=b}', '--endpoint=a', '--endpoint', 'b'],
    ...['--wait', '--no-query.partial-response', '--label=', '--concurrency=-3', '--min-time', '-2w'],
  )
  expect(values).toMatchObject({
    dataDir: '/x y',
    config: 'type: S3\nconfig: {a=b}',
    endpoints: ['a', 'b'],
    labels: [''],
    wait: true,
    partial: false,
    concurrency: -3,
  })
  expect(values.minTime.resolveMs(0)).toBe(-14 * 86_400_000)
  expect(parse('--wait=false', '--query.partial-response=true')).toMatchObject({ wait: false, partial: true })
})

test.each([
  [['--nope'], /unknown flag --nope/],
  [['--nope=1'], /unknown flag --nope/],
  [['--no-data-dir'], /unknown flag --no-data-dir/],
  [['stray'], /argument "stray"/],
  [['-x'], /argument "-x"/],
  [['--delay'], /--delay needs a value/],
  [['--delay', '--wait'], /--delay needs a value/],
  [['--delay=1q'], /--delay: got "1q".*want e\.g\./],
  [['--concurrency=1.5'], /--concurrency: got "1.5".*whole number/],
  [['--concurrency='], /--concurrency: got "".*whole number/],
  [['--wait=maybe'], /--wait: got "maybe".*true or false/],
  [['--no-wait=true'], /--no-wait takes no value/],
  [['--data-dir=a', '--data-dir=b'], /--data-dir is given twice/],
  [['--min-time=yesterday'], /--min-time: got "yesterday"/],
])('%j is refused', (argv, want) => {
  expect(errorOf(() => parse(...argv))).toMatch(want)
})

test('a required flag', () => {
  const required = { url: stringFlag('url', { help: 'Where.', required: true }) }
  expect(errorOf(() => parseFlags('demo', '', required, []))).toMatch(/--url is missing/)
  expect(parseFlags('demo', '', required, ['--url=x'])).toEqual({ url: 'x' })
})

describe('values', () => {
  const value = <T>(flag: Flag<T>, text: string) => flag.parse([text])

  test.each([
    ['0', 0],
    ['4096', 4096],
    ['250MB', 250 * 2 ** 20],
    ['1GiB', 2 ** 30],
    ['1.5KB', 1536],
    ['64B', 64],
  ])('bytes %s', (text, want) => {
    expect(value(bytesFlag('x', { help: '' }), text)).toBe(want)
  })

  test('bytes that are none', () => {
    expect(() => value(bytesFlag('x', { help: '' }), '1 potato')).toThrow('want a size')
  })

  test.each([
    ['2024-01-02T03:04:05Z', 1_704_164_645_000],
    ['2024-01-02T03:04:05.5+01:00', 1_704_161_045_500],
    ['1704164645', 1_704_164_645_000],
    ['1704164645.25', 1_704_164_645_250],
    ['-1h', 1e12 - 3_600_000],
    ['0', 1e12],
    ['30m', 1e12 + 1_800_000],
    ['9999-12-31T23:59:59Z', 253_402_300_799_000],
  ])('time %s', (text, want) => {
    expect(value(timeFlag('x', { help: '', default: '0' }), text).resolveMs(1e12)).toBe(want)
  })

  test('what is no time is told what would be', () => {
    expect(() => value(timeFlag('x', { help: '', default: '0' }), 'zzz')).toThrow(
      'want a time such as 2026-01-02T15:04:05Z',
    )
  })

  test('floats, words, durations with a number as default', () => {
    expect(value(floatFlag('x', { help: '' }), '-1e3')).toBe(-1000)
    expect(() => value(floatFlag('x', { help: '' }), '')).toThrow('want a number')
    expect(value(enumFlag('x', ['a', 'b'], { help: '' }), 'b')).toBe('b')
    expect(() => value(enumFlag('x', ['a', 'b'], { help: '' }), 'c')).toThrow('want one of a, b')
    expect(() => value(enumFlag('x', ['', 'b'], { help: '' }), 'c')).toThrow('want one of "", b')
    expect(durationFlag('x', { help: '', default: 1500 }).parse([])).toBe(1500)
  })
})

test('help lists every flag with its default, and none that is hidden', () => {
  const help = formatHelp('demo', 'A demo.', { ...flags, old: stringFlag('old', { help: 'Old.', hidden: true }) })
  expect(help).toContain('usage: mnemo demo [<flags>]\n\nA demo.\n')
  expect(help).toContain('  --data-dir=./data\n      Where data are kept.\n')
  expect(help).toContain('  --[no-]query.partial-response\n')
  expect(help).toContain('  --endpoint=ENDPOINT …\n')
  expect(help).not.toContain('--old')
})

test('a letter for a flag, and arguments without a name', () => {
  const short = {
    output: stringFlag('output', { help: 'Form.', short: 'o', default: '' }),
    repair: boolFlag('repair', { help: 'Repairs.', short: 'r' }),
    path: stringFlag('path', { help: 'A folder.', positional: true }),
  }
  const parse = (...argv: string[]) => parseFlags('demo', '', short, argv)
  expect(parse('-o', 'wide')).toEqual({ output: 'wide', repair: false, path: undefined })
  expect(parse('-owide', '-r', '/data')).toEqual({ output: 'wide', repair: true, path: '/data' })
  expect(parse('-o=wide', '-r=false')).toMatchObject({ output: 'wide', repair: false })
  expect(() => parse('-x')).toThrow('got argument "-x", want flags and path alone')
  expect(() => parse('a', 'b')).toThrow('argument path is given twice')
  expect(() => parse('--path=a')).toThrow('unknown flag --path')
  const help = formatHelp('demo', 'A demo.', short)
  expect(help).toContain('usage: mnemo demo [<flags>] [<path>]\n')
  expect(help).toContain('  -o, --output=\n      Form.\n')
  expect(help).toContain('\nArguments:\n  path\n      A folder.\n')
})
